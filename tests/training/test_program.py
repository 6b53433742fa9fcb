"""The compiled training program and its pool."""

import gc
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV

from skadaptive._committee.state import NetworkLayout
from skadaptive._features.piecewise import PiecewiseLinearEncoding
from skadaptive._training import program as interface
from skadaptive._training.backend import load_program
from skadaptive._training.batches import epoch_batches
from skadaptive._training.program import (
    Architecture,
    Pool,
    StepsPerCall,
    aligned_zeros,
    traces,
)

backend = load_program()
pool, ON_JAX = backend.pool, hasattr(backend, "JaxProgram")
Program = backend.JaxProgram if ON_JAX else backend.TensorFlowProgram
orthogonalize = backend.orthogonalize
SEED_DTYPE = "uint32" if ON_JAX else "int32"

# ------------------------------------------------------------------------- program


@pytest.fixture
def architecture():
    layout = NetworkLayout(
        n_columns=4,
        n_encoded=2,
        n_bins=3,
        n_outputs=1,
        hidden_layer_sizes=(8, 8, 8),
        n_members=2,
        activation="silu",
    )
    return Architecture(
        layout,
        encodes=True,
        batch_size=64,
        has_dropout=False,
        optimizer='"adam"',
        dtype="float32",
    )


def by_name(vector, architecture):
    """Views of the parameters of all members: input scales, kernels and biases."""
    layout = architecture.layout
    parts = np.split(vector.reshape(2, -1), np.cumsum(layout.sizes)[:-1], axis=1)
    kinds = [f"{kind} {layer}" for layer in range(4) for kind in ("kernel", "bias")]
    names, shapes = ["input scales", *kinds], layout.shapes
    return {
        name: part.reshape(2, *shape)
        for name, part, shape in zip(names, parts, shapes, strict=True)
    }


HIDDEN = ["kernel 0", "kernel 1", "kernel 2"]


@pytest.fixture
def encoding(rng):
    centers = np.sort(rng.normal(size=(2, 3))).astype("float32")
    slopes = np.full((2, 3), 2.0, "float32")
    return PiecewiseLinearEncoding(np.array([0, 3], "int32"), centers, slopes)


@pytest.fixture
def rows(rng):
    X = rng.normal(size=(65, 4)).astype("float32")
    target = np.c_[X[:, 0] > 1, np.ones(65)].astype("float32")
    X[-1] = target[-1] = 0
    return {"X": X, "target": target}


@pytest.fixture
def load(rows, encoding):
    """Bring the rows to a program."""

    def load(program):
        dtype = program.architecture.dtype
        tables = {name: aligned_zeros(rows[name].shape, dtype) for name in rows}
        for name, table in tables.items():
            table[...] = rows[name]
        return program.load(tables, encoding)

    return load


def loss(*loss_weights):
    return {
        "loss_weights": loss_weights,
        "gamma": 2.0,
        "alpha": (0.75, 0.25),
        "smooth": 1.0,
        "total_weight": (64.0, 64.0),
    }


def moved_by(program, data, start, loss_weights, step_sizes=None, n_steps=1):
    """How far steps of the compiled program go, always from the same start."""
    program.reset(start, np.ones_like(start) if step_sizes is None else step_sizes)
    batches = epoch_batches([np.arange(64)] * 2, n_steps, 64, filler=64)
    rates, mix = [0.01] * n_steps, loss(*loss_weights)
    program.train(data, batches, rates, mix, 0.0, (0, 1))
    return program.parameters - start


def test_changed_mix_changes_the_next_step(architecture, load, rng):
    program = Program(architecture)
    start = rng.normal(scale=0.3, size=program.parameters.shape)
    before = traces[architecture]
    first = moved_by(program, load(program), start, (0.4, 0.4, 0.2))
    again = moved_by(program, load(program), start, (0.4, 0.4, 0.2))
    other = moved_by(program, load(program), start, (0.1, 0.2, 0.7))
    none = moved_by(program, load(program), start, (0.0, 0.0, 0.0))
    assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4
    # Only the decay of hidden kernels is left.
    start = by_name(start, architecture)
    for name, moved in by_name(none, architecture).items():
        decay = 1e-3 * start[name] if name in HIDDEN else 0
        assert_allclose(moved, -decay, atol=1e-6)
    # The second program traces once, for all four mixes.
    assert traces[architecture] - before == 1


def test_a_step_is_as_far_as_its_step_size(architecture, load, rng):
    """Of Adam, whose first step is the learning rate whatever the gradient."""
    program = Program(architecture)
    start = rng.normal(scale=0.3, size=program.parameters.shape)
    step_sizes = rng.uniform(0.5, 5, size=start.shape)
    moved = moved_by(program, load(program), start, (1.0, 0.0, 0.0), step_sizes)
    decay = by_name(1e-3 * start / step_sizes, architecture)
    moved = by_name(moved / step_sizes, architecture)
    for name in HIDDEN:
        # Of some units there is no gradient, and small ones drown in epsilon.
        mean_square = np.square(moved[name] + decay[name]).mean(axis=(1, 2))
        assert (mean_square > 0.5e-4).all() and (mean_square < 1.02e-4).all()
    others = [moved[name].ravel() for name in moved if name not in HIDDEN]
    others = np.concatenate(others)
    assert np.abs(others).max() < 1.01e-2
    assert (np.abs(others) > 0.99e-2).mean() > 0.5


@pytest.mark.parametrize("n_steps", [1, 3, 4])
def test_updates_of_hidden_kernels_are_orthogonalized(
    n_steps, architecture, load, rng, monkeypatch
):
    """By half for the first, and no other parameter; up to four steps together."""
    start = rng.normal(scale=0.3, size=Program(architecture).parameters.shape)

    def moved():
        program, mix = Program(architecture), (1.0, 0.0, 0.0)
        found = moved_by(program, load(program), start, mix, n_steps=n_steps)
        return by_name(found, architecture)

    found = moved()
    monkeypatch.setattr(f"{backend.__name__}.orthogonalize", lambda steps, *_: steps)
    expected, start_of = moved(), by_name(start, architecture)
    for name, share in zip(HIDDEN, (0.5, 1.0, 1.0), strict=True):
        decay = 1e-3 * n_steps * start_of[name]
        raw = expected[name] + decay
        made = np.asarray(orthogonalize(raw.astype("float32"), share))
        assert np.abs(made - raw).max() > 1e-3
        expected[name] = made - decay
    for name, moved in found.items():
        assert_allclose(moved, expected[name], atol=2e-5, err_msg=name)


def test_every_fourth_step_and_the_last_orthogonalizes(architecture, load, monkeypatch):
    times = []
    if ON_JAX:
        import jax

    def counting(steps, share):
        if ON_JAX:
            jax.debug.callback(lambda: times.append(1))
        else:
            import tensorflow as tf

            tf.py_function(lambda: times.append(1), [], [])
        return orthogonalize(steps, share)

    monkeypatch.setattr(f"{backend.__name__}.orthogonalize", counting)
    program = Program(architecture)
    start = np.full_like(program.parameters, 0.1)
    # Twice each: the first kernels, and the others, which are of one shape.
    for n_steps, expected in ((1, 2), (4, 2), (5, 4), (8, 4), (9, 6)):
        times.clear()
        moved_by(program, load(program), start, (1.0, 0.0, 0.0), n_steps=n_steps)
        if ON_JAX:
            jax.effects_barrier()
        assert len(times) == expected


@pytest.mark.parametrize("has_dropout", [False, True])
def test_it_does_not_matter_how_many_steps_a_call_runs(
    architecture, load, rng, monkeypatch, has_dropout
):
    architecture = replace(architecture, has_dropout=has_dropout)
    program = Program(architecture)
    data, start = load(program), rng.normal(scale=0.3, size=program.parameters.shape)
    batches = rng.integers(0, 64, (19, 2, 64), dtype="int32")

    def trained(n_steps_of_calls):
        ends = np.cumsum(n_steps_of_calls)
        parts = [slice(*ends) for ends in zip(np.r_[0, ends[:-1]], ends, strict=True)]
        monkeypatch.setattr(StepsPerCall, "parts", lambda self, n_steps: parts)
        program.reset(start, np.ones_like(start))
        rates, mix = np.linspace(0.01, 0.001, 19), loss(0.4, 0.4, 0.2)
        value = program.train(data, batches, rates, mix, 0.3, (0, 1))
        return np.r_[value, program.parameters]

    whole = trained([19])
    assert_array_equal(trained([4, 8, 7]), whole)
    assert not np.array_equal(trained([3, 16]), whole)  # within four that go together


def test_calls_take_a_quarter_of_a_second(monkeypatch):
    now = 0.0
    monkeypatch.setattr(interface.time, "perf_counter", lambda: now)
    calls = StepsPerCall(most=4096)

    def lengths(n_steps, seconds_per_step):
        nonlocal now
        ends = [0]
        for part in calls.parts(n_steps):
            assert part.start == ends[-1]
            ends.append(part.stop)
            now += seconds_per_step * (part.stop - part.start)
        assert ends[-1] == n_steps
        return list(np.diff(ends))

    assert lengths(1000, 0.001) == [4, 248, 248, 248, 248, 4]
    assert lengths(300, 0.020) == [248, 12, 12, 12, 12, 4]
    assert lengths(20, 1.0) == [12, 4, 4]
    assert lengths(9000, 0.0) == [4, 4096, 4096, 804]


def test_members_do_not_touch_each_other(architecture, load, rng):
    """A member's update depends on its own rows alone."""
    program = Program(architecture)
    start = rng.normal(scale=0.3, size=program.parameters.shape)

    def update(second):
        program.reset(start, np.ones_like(start))
        batch = epoch_batches([np.arange(40), second], 1, 64, filler=64)
        mix = loss(0.4, 0.4, 0.2)
        program.train(load(program), batch, [0.01], mix, 0.0, (0, 1))
        return np.split(program.parameters, 2)

    a, b = update(np.arange(40)), update(np.arange(20, 60))
    assert_allclose(a[0], b[0], rtol=1e-6)
    assert np.abs(a[1] - b[1]).max() > 1e-4


def test_dropout_drops_the_share_it_should(architecture, rng):
    layout = architecture.layout._replace(hidden_layer_sizes=(64, 32), n_members=1)
    options = {"layout": layout, "batch_size": 32, "has_dropout": True}
    program = Program(replace(architecture, **options))
    with program._precision() if ON_JAX else nullcontext():
        masks = program._draw(np.array([1, 2], SEED_DTYPE), np.float32(0.3))
    starts = interface.mask_starts((1, 2), 50, program.architecture)
    assert [m.shape[1] for m in masks] == [64, 32]
    for mask in masks:
        values = np.asarray(mask)
        assert set(np.unique(values.round(5))) == {0.0, np.float32(1 / 0.7).round(5)}
        assert abs((values == 0).mean() - 0.3) < 0.02
    assert starts.shape == (50, 1)
    assert len(np.unique(starts)) > 30
    assert np.max(starts) + 32 <= masks[0].shape[0]
    again, other = (
        interface.mask_starts((1, i), 50, program.architecture) for i in (2, 3)
    )
    assert_array_equal(again, starts)
    assert (other != starts).any()


@pytest.mark.skipif(ON_JAX, reason="of TensorFlow")
def test_members_together_or_apart(architecture, load, rng, monkeypatch):
    """One product for all of them or one each, with the same units dropped."""
    from skadaptive._training.network import committee_logits

    architecture = replace(architecture, has_dropout=True, dtype="float64")
    start = rng.normal(scale=0.3, size=Program(architecture).parameters.shape)
    batches = epoch_batches([np.arange(64)] * 2, 2, 64, filler=64)
    ends, together = {}, []

    def forward(*args, **kwargs):
        together.append(kwargs["together"])
        return committee_logits(*args, **kwargs)

    monkeypatch.setattr(
        "skadaptive._training.tensorflow_program.committee_logits", forward
    )
    for n_threads, rate in ((1, 0.4), (2, 0.4), (1, 0.0)):
        monkeypatch.setattr(
            "skadaptive._training.tensorflow_program._intra_op_threads",
            lambda n=n_threads: n,
        )
        program = Program(architecture)
        program.reset(start, np.ones_like(start))
        mix = loss(0.4, 0.4, 0.2)
        program.train(load(program), batches, [0.01, 0.01], mix, rate, (0, 1))
        ends[n_threads, rate] = program.parameters
    assert together == [True, False, True]
    assert_allclose(ends[1, 0.4], ends[2, 0.4], atol=1e-9)
    assert np.abs(ends[1, 0.4] - ends[1, 0.0]).max() > 1e-3


# ------------------------------------------------------------ one trace, no growth


def test_grid_search_traces_once(quick, binary):
    X, y = binary
    pool.clear()
    before = sum(traces.values())
    grid = GridSearchCV(
        quick(hidden_layer_sizes=(9,), max_epochs=2),
        {
            "gamma": [0.0, 1.0, 2.0],
            "alpha": [0.25, 0.75],
            "adaptation_rate": [0.0, 0.2],
            "learning_rate": [0.01],
        },
        cv=3,
        refit=True,
    ).fit(X, y)
    assert len(grid.cv_results_["params"]) == 12
    assert sum(traces.values()) - before == 1
    quick(hidden_layer_sizes=(9,), learning_rate=0.1, class_weight="balanced").fit(X, y)
    assert sum(traces.values()) - before == 1


# The table is 0.5 MB, a compiled program about 4 MB: if each fit keeps one, it shows.
_MEGABYTES_OF_THREE_TIMES_TWENTY_FITS = """
import gc
import resource
import numpy as np
from skadaptive import AdaptiveHybridClassifier

X, y = np.random.default_rng(0).normal(size=(3000, 20)), np.arange(3000) % 10 == 0
for _ in range(3):
    for _ in range(20):
        AdaptiveHybridClassifier(
            hidden_layer_sizes=(8,), n_bins=None, max_epochs=1, batch_size=500, cv=2
        ).fit(X, y)
    gc.collect()
    with open("/proc/self/statm") as file:
        print(int(file.read().split()[1]) * resource.getpagesize() / 1e6)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_memory_does_not_grow_over_fits():
    """Once warm, in a process where nothing else happens."""
    done = subprocess.run(
        [sys.executable, "-c", _MEGABYTES_OF_THREE_TIMES_TWENTY_FITS],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    _, before, after = map(float, done.stdout.split())
    assert after - before < 20 * 0.2


@pytest.mark.skipif(ON_JAX, reason="of TensorFlow")
def test_a_dropped_program_takes_its_graphs_with_it(architecture, load):
    """TensorFlow keeps for good what has a custom gradient, and the graph around it."""

    def graphs():
        gc.collect()
        names = [o.name for o in gc.get_objects() if type(o).__name__ == "FuncGraph"]
        return sum(name in ("_trace_train", "_trace_predict") for name in names)

    backend.pool.clear()
    before = graphs()
    program = backend.TensorFlowProgram(replace(architecture, batch_size=7))
    batches = np.zeros((1, 2, 7), np.int32)
    data = load(program)
    program.train(data, batches, np.ones(1), loss(0.4, 0.4, 0.2), 0.0, (0, 1))
    program.predict(program.parameters, data, batches[0])
    assert graphs() == before + 2
    del program, data
    assert graphs() == before


@pytest.mark.skipif(ON_JAX, reason="of TensorFlow")
def test_no_warning_of_retracing_over_architectures(quick, binary, caplog):
    for units in range(20, 28):
        quick(hidden_layer_sizes=(units,), max_epochs=1).fit(*binary)
    assert "retracing" not in caplog.text


def test_pool_is_bounded_and_forgets_the_oldest(architecture):
    small = Pool(lambda kind: object(), size=2)
    kinds = [replace(architecture, batch_size=n) for n in (1, 2, 3)]
    for kind in kinds:
        with small.checkout(kind):
            pass
    assert list(small._idle) == kinds[1:]
    with small.checkout(kinds[1]) as one, small.checkout(kinds[1]) as two:
        assert one is not two


def test_program_is_dropped_after_an_error(architecture):
    pool.clear()
    with pytest.raises(KeyboardInterrupt), pool.checkout(architecture):
        raise KeyboardInterrupt
    assert architecture not in pool._idle


def test_threads_fit_the_same_architecture_correctly(quick, binary):
    X, y = binary
    expected = [quick(random_state=s).fit(X, y).predict_proba(X) for s in range(4)]
    found = [None] * 4

    def work(seed):
        found[seed] = quick(random_state=seed).fit(X, y).predict_proba(X)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["adamw", "nadam", "rmsprop", "sgd", "lion"])
def test_every_optimizer_starts_afresh(quick, binary, name):
    """A program that is reused must not remember the fit before."""
    X, y = binary
    first, second = (
        quick(optimizer=name, max_epochs=2).fit(X, y).predict_proba(X) for _ in range(2)
    )
    assert_array_equal(first, second)
