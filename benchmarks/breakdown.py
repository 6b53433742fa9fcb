"""Where the time of a fit goes, and how far it is from the arithmetic alone.

One thread, so that times add up. The calls of the compiled program are timed in an
undisturbed fit: what is left of the fit is Python and NumPy. TensorFlow's profiler then
says how the time of those calls is shared among operations, in a shorter fit, whose
slowdown by the recording is stated. Dropout is spread over several operations; fits
without it, in turn with the others, tell what it costs in all.

The floor is the arithmetic of the matrix products, forward and backward, at the rate of
a product of two 1,024 x 1,024 matrices in float32.
"""

import re
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
from timing import (
    BATCH,
    FIVE,
    LAYERS,
    ONE,
    Figure,
    interleave,
    make_data,
    ours,
    seconds_of,
)

#: Kinds of operations, the first that fits; of "scope/name:Type" as TensorFlow has it.
KINDS = {
    "optimiser": re.compile(r"/adam(_\d+)?/"),
    "matrix products, with bias and activation": re.compile(r":\w*MatMul\w*$"),
    "gathering rows": re.compile(r":\w*Gather\w*$"),
    "random numbers": re.compile(r"(^|/)stateless_random\w*[/:]|:\w*Random\w*$"),
    "other operations: loss, masks, gradients": re.compile(""),
}
BETWEEN = "between operations: TensorFlow's executor"
PYTHON = "Python and NumPy: scaling, order of the rows, held-out rows"
DROPOUT = "dropout in all, by leaving it out"

_OPERATION = re.compile(r"^[^ :]+:[A-Za-z_]\w*$")
_COMPILED = "EagerLocalExecute: __inference_"


def measure(record, options):
    n_rows, n_features = (20_000 if options.quick else 182_276), 29
    epochs = min(options.epochs, 3)
    X, y = make_data(n_rows, n_features, 0.0017)
    members = {ONE: None, FIVE: 5}
    shares, slowdown = {name: [] for name in members}, []

    def fit(cv, epochs=epochs, dropout=0.3):
        return lambda: ours(epochs, cv=cv, dropout=dropout).fit(X, y)

    work = f"where the time goes, {epochs} epochs of {n_rows:,} x 29, one thread"
    runs = {name: fit(cv) for name, cv in members.items()}
    runs |= {_bare(name): fit(cv, dropout=0.0) for name, cv in members.items()}
    warm_up = {name: fit(cv, 1) for name, cv in members.items()}
    warm_up |= {_bare(name): fit(cv, 1, 0.0) for name, cv in members.items()}
    with timed_calls() as calls:
        interleave(record, work, warm_up, 0)
        for round_ in range(1, options.rounds + 1):
            for name, run in runs.items():
                calls.clear()
                record.add(work, name, round_, seconds_of(run))
                record.add(work, name, round_, sum(calls), "s in compiled calls")
            for name, cv in members.items():
                recorded, by_kind = profile(fit(cv, 1))
                plain = seconds_of(fit(cv, 1))
                slowdown.append(recorded / plain)
                shares[name].append(by_kind)
                for kind, seconds in by_kind.items():
                    record.add(work, name, round_, seconds, f"s recorded, {kind}")
    rate = products_per_second(options)
    floors = {}
    for name, cv in members.items():
        # Of k members each trains on k - 1 of k parts.
        passes = epochs * (cv - 1 if cv else 1)
        floors[name] = passes * n_rows * flops_a_row(n_features) / rate
        record.add(work, f"{name}, floor", 1, floors[name])
        values = record.values(work, name) / floors[name]
        record.figures.append(Figure(work, f"{name} / its floor", tuple(values)))
    columns = [_shares(record, work, name, shares[name]) for name in members]
    record.tables.append(
        (
            "Where the time goes",
            f"Shares of a fit of {epochs} epochs of {n_rows:,} x {n_features}, batch "
            f"{BATCH}, dropout 0.3, one thread; medians of {options.rounds} rounds. "
            "Compiled calls against the rest by timing them; inside them as "
            "TensorFlow's profiler shares them out among operations, in a fit of one "
            f"epoch that the recording made {np.median(slowdown):.2f} times as long. A "
            "product of two 1,024 x 1,024 matrices reached "
            f"{rate / 1e9:.0f} GFLOP/s, by which the floor was reckoned: matrix "
            "products, forward and backward, and nothing else.",
            ["share of the time", *members],
            [[kind, *(f"{c[kind]:.0%}" for c in columns)] for kind in columns[0]],
        )
    )


def _bare(name):
    return f"{name}, no dropout"


def _shares(record, work, name, profiles):
    """Share of each kind in the whole fit, medians, the largest first; dropout last."""
    total = record.values(work, name)
    compiled = np.median(record.values(work, name, "s in compiled calls") / total)
    found = {
        kind: compiled * np.median([p[kind] / sum(p.values()) for p in profiles])
        for kind in (*KINDS, BETWEEN)
    }
    found[PYTHON] = 1 - compiled
    found = dict(sorted(found.items(), key=lambda item: -item[1]))
    return found | {DROPOUT: np.median(1 - record.values(work, _bare(name)) / total)}


def flops_a_row(n_features):
    """Operations of the matrix products for one row, forward and backward.

    A product, and as many again for the gradient of the kernel and for that of the
    inputs, which the first layer does not need.
    """
    sizes = [n_features, *LAYERS, 1]
    products = [2 * n * m for n, m in zip(sizes[:-1], sizes[1:], strict=True)]
    return 3 * sum(products) - products[0]


def products_per_second(options):
    """Floating-point operations a second in a large product, the faster library's."""
    import tensorflow as tf

    n = 1024
    A = np.random.default_rng(0).standard_normal((n, n), dtype="float32")
    tensor = tf.constant(A)
    repeats = 5 if options.quick else 30
    rates = []
    for run in (lambda: A @ A, lambda: tf.matmul(tensor, tensor).numpy()):
        run()
        rates.append(2 * n**3 / min(seconds_of(run) for _ in range(repeats)))
    return max(rates)


class timed_calls:
    """The seconds of each call of a compiled program within the block, in a list."""

    def __enter__(self):
        from skadaptive._training.tensorflow_program import TensorFlowProgram

        calls, self._patches = [], []
        for name in ("train", "predict"):
            method = getattr(TensorFlowProgram, name)

            def timed(instance, *arguments, method=method):
                start = time.perf_counter()
                result = method(instance, *arguments)
                calls.append(time.perf_counter() - start)
                return result

            self._patches.append(mock.patch.object(TensorFlowProgram, name, timed))
        for patch in self._patches:
            patch.start()
        return calls

    def __exit__(self, *_):
        for patch in self._patches:
            patch.stop()


def profile(run):
    """Seconds of the call under TensorFlow's profiler, and of each kind of operation.

    Returns
    -------
    seconds : float
    by_kind : dict of str to float
        Of KINDS and of BETWEEN, which together are the compiled calls.
    """
    from tensorflow.profiler import experimental
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    # 3: cheap operations too.
    options = experimental.ProfilerOptions(host_tracer_level=3, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        experimental.start(folder, options)
        try:
            seconds = seconds_of(run)
        finally:
            experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    compiled, events = 0.0, Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                if name.startswith(_COMPILED):
                    compiled += event.duration_ps / 1e12
                elif _OPERATION.match(name):
                    events[name] += event.duration_ps / 1e12
    by_kind = by_kinds(events)
    return seconds, by_kind | {BETWEEN: max(0.0, compiled - sum(by_kind.values()))}


def by_kinds(events):
    """Sums of the seconds of operations by kind."""
    found = dict.fromkeys(KINDS, 0.0)
    for name, seconds in events.items():
        kind = next(kind for kind, pattern in KINDS.items() if pattern.search(name))
        found[kind] += seconds
    return found
