"""Training on a GPU through JAX: steps, fits of large tables, accuracy beside a CPU.

    python benchmarks/gpu.py --out gpu.jsonl               # under 8 minutes on one GPU
    python benchmarks/gpu.py --platform cpu --scale 0.01   # a trial of every part
    python benchmarks/gpu.py --parts steps million

The parts are, in this order:

- "steps": milliseconds of a training step beside a plain JAX scan of the same network,
  which is written here and keeps its loops at a known length. "ours" gets its batches
  from NumPy in the calls that a fit makes, the scan in a single call.
- "million", "large": default fits of 1,000,000 and of 10,000,000 rows of 30 features,
  and where their time goes. A fit "from a fresh process" counts imports and
  compilation, but not the making of the table.
- "agreement": average precision of fits on the GPU, on the GPU with products in full
  float32, and on the CPU, by seed.
- "sizes": seconds and average precision by members, layers and batch size.
- "variants": the steps under other settings of XLA.

Every part runs in processes of its own and is stopped at its time limit, or at that of
all parts, ``--limit``. Lines appear as soon as they are known; ``--out`` adds them to a
file as JSON. The goals hold for one H100, and verdicts are given at full size on a GPU.

JAX, NumPy, SciPy, pandas and scikit-learn are needed, and nothing else: no Keras, no
TensorFlow, no imbalanced-learn, and no installation of the package, if PYTHONPATH
names the root of the repository.
"""

import argparse
import inspect
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import NamedTuple
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
from scipy.special import expit
from timing import FIGURES_HEADER, Bar, plain, seconds_of, shift_to, spread

# Seconds after which a part is stopped.
PARTS = {
    "steps": 130,
    "million": 90,
    "large": 110,
    "agreement": 100,
    "sizes": 150,
    "variants": 90,
}

MEMBERS, BINS = 5, 16

_PRECISION = "average precision of test rows"

# Begins the lines that a process hands to the one that started it.
_MARK = "\x1e"

# Settings of XLA that change how loops are launched, or how long compilation takes.
VARIANTS = {
    "loops in command buffers": "--xla_gpu_enable_command_buffer="
    "FUSION,CUBLAS,CUBLASLT,CUSTOM_CALL,CONDITIONAL,WHILE",
    "no command buffers": "--xla_gpu_enable_command_buffer=",
    "no autotuning": "--xla_gpu_autotune_level=0",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--platform", choices=["gpu", "cpu"], help="default: as found")
    parser.add_argument("--scale", type=float, default=1.0, help="of all sizes")
    parser.add_argument("--rounds", type=int, default=7, help="of steps")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of million")
    parser.add_argument("--large-rows", type=int, default=10_000_000)
    parser.add_argument("--agreement-rows", type=int, default=60_000)
    parser.add_argument("--agreement-seeds", type=int, default=8)
    parser.add_argument("--sizes-rows", type=int, default=200_000)
    parser.add_argument("--sizes-seeds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=460, help="seconds in all")
    parser.add_argument("--out", type=Path, help="file for JSON lines")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.job:
        job, settings = json.loads(chosen.job)
        return JOBS[job](settings)
    return Run(chosen).everything()


# ------------------------------------------------- the parts, from the calling process


class Job(NamedTuple):
    """A function of this module to be run in a fresh process.

    Its settings are joined with those of the command line.
    """

    function: str
    settings: dict = {}
    environment: dict = {}


class Run:
    """All parts in turn; this process does not import JAX."""

    def __init__(self, chosen):
        self._chosen = chosen
        self._end = time.monotonic() + chosen.limit
        self._platform, self._part = chosen.platform, "devices"
        self._records, self._rows = [], []

    def everything(self):
        self._start_up()
        for part in self._chosen.parts:
            self._part, begin = part, time.monotonic()
            deadline = min(begin + PARTS[part], self._end)
            print(f"\n{part}", flush=True)
            getattr(self, f"_{part}")(deadline)
            print(f"  {part} took {time.monotonic() - begin:.0f} s", flush=True)
        if self._rows:
            print("\n" + plain([list(FIGURES_HEADER), *self._rows]))

    def _start_up(self):
        """Print what this machine is, and choose the platform."""
        self._at_once([Job("devices")], time.monotonic() + 60)
        found = {record["platform"] for record in self._records}
        wanted = self._platform or ("gpu" if "gpu" in found else "cpu")
        if wanted not in found:
            sys.exit(
                f"--platform {wanted}: JAX finds no {wanted.upper()}. Install JAX with "
                "CUDA, jax[cuda13], or choose --platform cpu."
            )
        self._platform = wanted
        names = "rows", "large_rows", "agreement_rows", "sizes_rows"
        sizes = ", ".join(f"{name} {self._size(name):,}" for name in names)
        print(f"on the {wanted.upper()}, {self._chosen.scale:g} of all sizes: {sizes}")

    # Each method is a part.

    def _steps(self, deadline):
        self._at_once([Job("steps")], deadline)

    def _million(self, deadline):
        n_rows = self._size("rows")
        limits = [20, 5] if n_rows == 1_000_000 else [None, None]
        fresh = {"n_rows": n_rows, "limits": limits}
        cached = {"title": ", its programs in JAX's cache", "limits": [None]}
        with tempfile.TemporaryDirectory() as folder:
            cache = {
                "JAX_COMPILATION_CACHE_DIR": folder,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            }
            self._at_once([Job("fits", fresh, cache)], deadline)
            self._at_once([Job("fits", fresh | cached, cache)], deadline)

    def _large(self, deadline):
        n_rows = self._size("large_rows")
        limits = [60 if n_rows == 10_000_000 else None]
        settings = {"n_rows": n_rows, "limits": limits}
        self._at_once([Job("fits", settings)], deadline)

    def _agreement(self, deadline):
        n_rows = self._size("agreement_rows")
        # Both processes on the GPU take memory as they need it.
        shared = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        full = {"JAX_DEFAULT_MATMUL_PRECISION": "highest"}
        here = self._platform
        arms = {here: shared, f"{here}, full float32": shared | full}
        settings = {"n_rows": n_rows, "seeds": self._chosen.agreement_seeds}
        jobs = [
            Job("agreement", settings | {"arm": arm}, environment)
            for arm, environment in arms.items()
        ]
        base = "cpu" if here == "gpu" else "cpu again"
        other = {"arm": base, "platform": "cpu"}
        jobs.append(Job("agreement", settings | other, {"JAX_PLATFORMS": "cpu"}))
        self._at_once(jobs, deadline)
        by_arm = {arm: self._by_seed("arm", arm) for arm in (*arms, base)}
        for arm in arms:
            self._add_difference(f"{n_rows:,} x 30", arm, base, by_arm)

    def _sizes(self, deadline):
        n_rows = self._size("sizes_rows")
        settings = {"n_rows": n_rows, "seeds": self._chosen.sizes_seeds}
        self._at_once([Job("sizes", settings)], deadline)
        names = dict.fromkeys(r["setting"] for r in self._records if "setting" in r)
        found = {name: self._by_seed("setting", name) for name in names}
        for name in list(names)[1:]:
            self._add_difference(f"{n_rows:,} x 30", name, "default", found)

    def _variants(self, deadline):
        # A longer call changes nothing about the arithmetic.
        longer = {"most_steps": 2048, "title": ", up to 2,048 steps a call"}
        jobs = [Job("steps", longer | {"brief": True})]
        for name, flags in VARIANTS.items():
            flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
            settings = {"title": f", {name}", "brief": True}
            jobs.append(Job("steps", settings, {"XLA_FLAGS": flags}))
        for job in jobs:
            self._at_once([job], deadline)

    # What they share.

    def _size(self, name):
        return max(1000, round(getattr(self._chosen, name) * self._chosen.scale))

    def _by_seed(self, key, value):
        """Average precision by seed, of the records where the key has this value."""
        return {
            record["seed"]: record["average precision"]
            for record in self._records
            if record.get(key) == value
        }

    def _add_difference(self, work, name, other, by_name):
        """Note the mean difference over the seeds that both have."""
        ours, theirs = by_name.get(name, {}), by_name.get(other, {})
        differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
        shown = "not measured"
        if len(differences) > 1:
            error = np.std(differences, ddof=1) / np.sqrt(len(differences))
            shown = (
                f"{np.mean(differences):+.4f}, standard error {error:.4f}, "
                f"{len(differences)} seeds"
            )
        what = f"average precision, {name} - {other}"
        self._take({"work": work, "what": what, "shown": shown})

    def _at_once(self, jobs, deadline):
        """Run jobs in processes side by side, and take over what they report."""
        if time.monotonic() > deadline:
            print("  no time is left", flush=True)
            return
        arrived, running = queue.Queue(), {}
        try:
            for job in jobs:
                process = self._started(job)
                running[process] = job
                threading.Thread(
                    target=_read_lines, args=(process, arrived), daemon=True
                ).start()
            while running:
                left = max(0.0, deadline - time.monotonic())
                try:
                    process, line = arrived.get(timeout=left)
                except queue.Empty:
                    for job in running.values():
                        print(f"  {job.function}: stopped at its time limit")
                    return
                if line is not None:
                    self._take_line(line)
                elif process.wait():
                    job = running.pop(process)
                    print(f"  {job.function}: failed, exit code {process.returncode}")
                else:
                    del running[process]
        finally:
            for process in running:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _started(self, job):
        settings = vars(self._chosen) | {"platform": self._platform} | job.settings
        settings |= {"out": None, "started": time.time()}
        environment = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
        environment["KERAS_BACKEND"] = "jax"  # what skadaptive asks, with Keras or not
        if self._platform == "cpu":
            environment["JAX_PLATFORMS"] = "cpu"
        return subprocess.Popen(
            [sys.executable, __file__, "--job", json.dumps([job.function, settings])],
            env=environment | job.environment,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _take_line(self, line):
        if line.startswith(_MARK):
            self._take(json.loads(line.removeprefix(_MARK)))
        else:  # of another library
            print(line.rstrip(), flush=True)

    def _take(self, record):
        record["part"] = self._part
        self._records.append(record)
        if self._chosen.out:
            with open(self._chosen.out, "a") as file:
                file.write(json.dumps(record) + "\n")
        if "note" in record:
            print(f"  {record['note']}", flush=True)
            return
        bar = verdict = ""
        limit = record.get("limit")
        if limit and self._platform == "gpu":
            bar = Bar("<=", limit)
            verdict = bar.verdict(record["values"])
            bar = f"{bar} {record['unit']}".rstrip()
        row = [record["work"], record["what"], record["shown"], bar, verdict]
        self._rows.append(row)
        print("  " + "  ".join(filter(None, row)), flush=True)


def _read_lines(process, arrived):
    for line in process.stdout:
        arrived.put((process, line))
    arrived.put((process, None))


# --------------------------------------------------------- what the processes share


def report(work, what, values, unit="", limit=None):
    """Hand a row of the table to the calling process."""
    shown = spread(values)
    if what == _PRECISION:
        shown = f"{np.mean(values):.4f}"
    elif len(values) == 1:
        shown = shown.partition(" (")[0]
    record = {"work": work, "what": what, "values": [*map(float, values)]}
    record |= {"unit": unit, "limit": limit, "shown": f"{shown} {unit}".rstrip()}
    print(_MARK + json.dumps(record), flush=True)


def note(text, **values):
    """Hand a line to the calling process, and values that belong to it."""
    print(_MARK + json.dumps({"note": text, **values}), flush=True)


def devices(settings):
    """What there is; not a part."""
    import jax
    import sklearn

    found = jax.devices()
    kinds = Counter(device.device_kind for device in found)
    text = ", ".join(f"{count} x {kind}" for kind, count in kinds.items())
    note(
        f"JAX {jax.__version__}, {found[0].platform}: {text}; {os.cpu_count()} cores; "
        f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}, "
        f"Python {sys.version.partition(' ')[0]}",
        platform=found[0].platform,
    )
    if found[0].platform != "cpu":
        note("beside it: the CPU", platform="cpu")


def start_training(settings):
    """Import the training on JAX, and make sure that it runs where it was asked to."""
    import jax

    from skadaptive._training.backend import load_program

    program = load_program()
    found = jax.default_backend()
    if found != settings["platform"]:
        raise SystemExit(f"JAX runs on {found}, not on {settings['platform']}.")
    return program


def made_table(n_rows, seed, n_test=0, rows_at_once=2**18):
    """Features, (n_rows, 30) in float32, labels, and the same of test rows.

    A random network of 15 features and thresholds of ten others give the log-odds; 2 %
    of the rows are rare.
    """
    rng = np.random.default_rng(seed)
    kernel = rng.standard_normal((15, 12), dtype="float32") * np.float32(0.5)
    weights = rng.standard_normal(12, dtype="float32") * np.float32(1.5)
    signs = np.resize(np.float32([1, -1]), 10) * np.float32(1.5)

    def log_odds(X):
        return np.tanh(X[:, :15] @ kernel) @ weights + (X[:, 15:25] > 1.5) @ signs

    def features(rng, out):
        rng.standard_normal(out=out, dtype="float32")
        out[:, 15:25] = np.exp(out[:, 15:25])

    pilot = np.empty((20_000, 30), "float32")
    features(rng, pilot)
    shift = shift_to(log_odds(pilot), 0.02)
    X = np.empty((n_rows + n_test, 30), "float32")
    y = np.empty(len(X), "int8")

    def fill(start):
        rng = np.random.default_rng([seed, start])
        part = slice(start, start + rows_at_once)
        features(rng, X[part])
        share = expit(log_odds(X[part]) + shift)
        y[part] = rng.random(len(share), dtype="float32") < share

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        list(threads.map(fill, range(0, len(X), rows_at_once)))
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def precision_of(model, X, y):
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(y, model.predict_proba(X)[:, 1]))


# ---------------------------------------------------------------------------- steps


class Case(NamedTuple):
    """A network and its batches; the columns are encoded on the device."""

    columns: int
    layers: tuple
    rows: int
    batch: int
    dropout: float
    n_steps: int

    def __str__(self):
        layers = "-".join(map(str, self.layers))
        return f"{self.columns} columns, {layers}, batch {self.batch}, dropout " + (
            f"{self.dropout:g}"
        )


def step_cases(scale, brief):
    """Batch sizes of the two networks, without dropout and with it."""
    networks = [
        (29, (64, 64, 64), 1_000_000, [512] if brief else [256, 512, 2048, 8192]),
        (100, (512, 512), 200_000, [] if brief else [512, 4096]),
    ]
    cases = []
    for dropout in [0.0] if brief else [0.0, 0.1]:
        for columns, layers, rows, batches in networks:
            for batch in batches:
                # Whole turns of four steps.
                n_steps = 4 * max(2, round(scale * min(512, 2**20 // batch) / 4))
                sizes = max(1000, round(rows * scale)), max(16, round(batch * scale))
                cases.append(Case(columns, layers, *sizes, dropout, n_steps))
    return list(dict.fromkeys(cases))


def steps(settings):
    """Milliseconds per step of ours and of the plain scan, in turn."""
    import jax

    start_training(settings)
    rounds = settings["rounds"] if settings["scale"] == 1 else 2
    title = settings.get("title", "")
    goal = 1.3 if settings["scale"] == 1 and not title else None
    cases = step_cases(settings["scale"], settings.get("brief", False))
    tables = {case.columns: StepTable(case) for case in cases}

    def prepared(case):
        table = tables[case.columns]
        most = settings.get("most_steps")
        runs = {"ours": our_steps(case, table, most), "scan": plain_steps(case, table)}
        if case.batch == cases[0].batch and not case.dropout and case.columns == 29:
            # Loops whose length is not compiled in, which ours has as well.
            runs["open scan"] = plain_steps(case, table, is_open=True)
        for run in runs.values():
            run(8)
        return runs

    start = time.perf_counter()
    # Programs are compiled side by side, for there are many.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        by_case = list(threads.map(prepared, cases))
    n_programs = sum(map(len, by_case))
    seconds = time.perf_counter() - start
    note(f"compilation of {n_programs} programs side by side{title}: {seconds:.1f} s")
    for case, runs in zip(cases, by_case, strict=True):
        for run in runs.values():  # ours learns how many steps a call should have
            run(case.n_steps)
        found = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                seconds = seconds_of(partial(run, case.n_steps))
                found[name].append(1e3 * seconds / case.n_steps)
        work = f"{case}{title}"
        for name, values in found.items():
            report(work, f"step, {name}", values, "ms")
        for name in list(found)[1:]:
            ratios = np.divide(found["ours"], found[name])
            limit = goal if name == "scan" else None
            report(work, f"ours / {name}", ratios, limit=limit)
    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" in stats:
        note(f"device memory at most {stats['peak_bytes_in_use'] / 1e9:.2f} GB")


class StepTable:
    """Rows on the device, padded as for a fit, and their encoding."""

    def __init__(self, case):
        import jax

        from skadaptive._features.piecewise import PiecewiseLinearEncoding
        from skadaptive._training.jax_program import table_rows

        rng = np.random.default_rng(0)
        self.n_rows = case.rows
        X = np.zeros((table_rows(case.rows + 1), case.columns), "float32")
        rng.standard_normal(out=X[: case.rows], dtype="float32")
        target = np.zeros((len(X), 2), "float32")
        target[: case.rows, 0] = rng.random(case.rows) < 0.02
        target[: case.rows, 1] = 1.0
        probabilities = np.linspace(0, 1, BINS + 1)
        edges = np.quantile(X[: min(case.rows, 20_000)], probabilities, axis=0).T
        self.encoding = PiecewiseLinearEncoding(
            np.arange(case.columns, dtype="int32"),
            ((edges[:, :-1] + edges[:, 1:]) / 2).astype("float32"),
            (2 * BINS**-0.5 / np.diff(edges)).astype("float32"),
        )
        self.rows = jax.device_put({"X": X, "target": target})

    def batches(self, case):
        rng = np.random.default_rng(1)
        shape = case.n_steps, MEMBERS, case.batch
        return rng.integers(self.n_rows, size=shape, dtype="int32")


def our_steps(case, table, most_steps=None):
    """A function that trains with the program of a fit, for so many steps."""
    from skadaptive._committee.state import NetworkLayout
    from skadaptive._training import jax_program
    from skadaptive._training.parameters import initial_parameters, step_sizes
    from skadaptive._training.program import Architecture

    layout = NetworkLayout(
        n_columns=case.columns,
        n_encoded=case.columns,
        n_bins=BINS,
        n_outputs=1,
        hidden_layer_sizes=case.layers,
        n_members=MEMBERS,
        activation="silu",
    )
    architecture = Architecture(
        layout,
        encodes=True,
        batch_size=case.batch,
        has_dropout=case.dropout > 0,
        optimizer='"adam"',
        dtype="float32",
    )
    most_steps = most_steps or jax_program._MOST_STEPS
    with mock.patch.object(jax_program, "_MOST_STEPS", most_steps):
        program = jax_program.JaxProgram(architecture)
    rng = np.random.default_rng(2)
    rates = np.ones((MEMBERS, layout.shapes[0][0]))
    parameters = initial_parameters(rng, layout, np.array([-3.9]))
    program.reset(parameters, step_sizes(layout, rates))
    data = program.load(table.rows, table.encoding)
    batches = table.batches(case)
    loss = {
        "loss_weights": np.array([0.4, 1.6, 0.2]),
        "gamma": 2.0,
        "alpha": np.array([0.25, 0.75]),
        "smooth": 1.0,
        "total_weight": np.full(MEMBERS, float(case.batch)),
    }
    learning_rates = np.full(case.n_steps, 1e-2)

    def run(n_steps):
        part = slice(n_steps)
        value = program.train(
            data, batches[part], learning_rates[part], loss, case.dropout, (0, 1)
        )
        assert np.isfinite(value)

    return run


def plain_steps(case, table, is_open=False):
    """The same training as a scan over turns of four steps, in one call.

    Five members with an encoding on the device, cross-entropy, focal and soft Dice
    loss, Adam, and the sum of four steps orthogonalized. If it is open, its loops are
    as long as an argument says.
    """
    import jax
    import jax.numpy as jnp

    bound, last = BINS**-0.5, len(case.layers)
    encoding = table.encoding
    centers, slopes = jnp.array(encoding.centers), jnp.array(encoding.slopes)

    def encoded(X):
        bins = jnp.clip((X[..., None] - centers) * slopes, -bound, bound)
        return jnp.concatenate([X, bins.reshape(*X.shape[:-1], -1)], axis=-1)

    def loss_of(weights, X, target, key):
        x = encoded(X)
        for layer, (kernel, bias) in enumerate(weights):
            x = x @ kernel + bias[:, None]
            if layer < last:
                x = jax.nn.silu(x)
            if layer < last and case.dropout:
                key, now = jax.random.split(key)
                is_kept = jax.random.bernoulli(now, 1 - case.dropout, x.shape)
                x = jnp.where(is_kept, x / (1 - case.dropout), 0.0)
        z, y, weight = x[..., 0], target[..., 0], target[..., 1]
        log_loss = jax.nn.softplus((1 - 2 * y) * z)
        focal = (0.25 + 0.5 * y) * log_loss * jax.nn.sigmoid((1 - 2 * y) * z) ** 2
        p = jax.nn.sigmoid(z)
        overlap, both = (weight * y * p).sum(1), (weight * (y + p)).sum(1)
        dice = 1 - (2 * overlap + 1) / (both + 1)
        means = [(weight * part).mean(1) for part in (log_loss, focal)]
        return (0.4 * means[0] + 1.6 * means[1] + 0.2 * dice).sum()

    def orthogonal(update):
        gram = update.mT @ update
        square = gram / (jnp.trace(gram, axis1=1, axis2=2)[:, None, None] + 1e-30)
        identity, product = jnp.eye(gram.shape[-1]), None
        for _ in range(3):
            factor = 3.4445 * identity - 4.775 * square + 2.0315 * square @ square
            product = factor if product is None else product @ factor
            square = factor @ square @ factor
        norm = jnp.trace(square, axis1=1, axis2=2)[:, None, None] + 1e-30
        return update @ (product / jnp.sqrt(norm))

    def folded(function, carry, values, length):
        """The last carry, and the sum of what the function returns beside it."""
        if not is_open:
            carry, results = jax.lax.scan(function, carry, values)
            return carry, results.sum()

        def body(index, state):
            now = jax.tree.map(lambda value: value[index], values)
            carry, result = function(state[0], now)
            return carry, state[1] + result

        return jax.lax.fori_loop(0, length, body, (carry, jnp.zeros(())))

    def epoch(carry, rows, batches, rates, key, lengths):
        def step(carry, now):
            weights, mean, square, done = carry
            batch, rate = now
            value, gradients = jax.value_and_grad(loss_of)(
                weights,
                rows["X"][batch],
                rows["target"][batch],
                jax.random.fold_in(key, done),
            )
            done = done + 1
            mean = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradients)
            square = jax.tree.map(
                lambda v, g: 0.999 * v + 0.001 * g * g, square, gradients
            )
            rate = rate * jnp.sqrt(1 - 0.999**done) / (1 - 0.9**done)
            weights = jax.tree.map(
                lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7),
                weights,
                mean,
                square,
            )
            return (weights, mean, square, done), value

        def turn(carry, now):
            before = carry[0]
            carry, value = folded(step, carry, now, lengths[1])
            weights = [
                (old + orthogonal(kernel - old), bias)
                for (kernel, bias), (old, _) in zip(
                    carry[0][:last], before[:last], strict=True
                )
            ]
            return ([*weights, carry[0][last]], *carry[1:]), value

        return folded(turn, carry, (batches, rates), lengths[0])

    rng = np.random.default_rng(2)
    units = case.columns * (1 + BINS), *case.layers, 1
    weights = [
        (
            rng.standard_normal((MEMBERS, n, m), dtype="float32") / np.float32(n**0.5),
            np.zeros((MEMBERS, m), "float32"),
        )
        for n, m in zip(units[:-1], units[1:], strict=True)
    ]
    zeros = [jax.tree.map(np.zeros_like, weights) for _ in range(2)]
    carry = jax.device_put((weights, *zeros, np.zeros((), "int32")))
    turns = case.n_steps // 4
    batches = table.batches(case).reshape(turns, 4, MEMBERS, case.batch)
    rates, key = np.full((turns, 4), 1e-3, "float32"), jax.random.key(0)
    compiled = jax.jit(epoch, donate_argnums=0)

    def run(n_steps):
        # A scan has one length; a shorter run only warms it up.
        nonlocal carry
        lengths = np.array([n_steps // 4, 4], "int32")
        carry, value = compiled(carry, table.rows, batches, rates, key, lengths)
        assert np.isfinite(float(value))

    return run


# ------------------------------------------------------------------------------ fits


def fits(settings):
    """Default fits in this process, one per limit, the first from its start on."""
    n_rows, title = settings["n_rows"], settings.get("title", "")
    start = time.time()
    X, y, X_test, y_test = made_table(n_rows, 0, max(1000, n_rows // 20))
    making = time.time() - start
    note(f"table of {X.nbytes / 1e9:.2f} GB made in {making:.1f} s")
    work, clock = f"fit of {n_rows:,} x 30{title}", Clock()
    with clock.timing("importing skadaptive"):
        from memory import Peak

        from skadaptive import AdaptiveHybridClassifier
    with Peak() as peak:
        before = peak.bytes
        with clock.timing("starting JAX"):
            start_training(settings)
        with clock.listening():
            for number, limit in enumerate(settings["limits"]):
                begin = time.time()
                model = AdaptiveHybridClassifier(random_state=0).fit(X, y)
                end = time.time()
                seconds, what = end - begin, "again in that process"
                if not number:
                    seconds = end - settings["started"] - making
                    what = "from a fresh process"
                report(work, what, [seconds], "s", limit)
                note(
                    f"of {seconds:.1f} s: {clock.shares(seconds)}",
                    work=work,
                    number=number,
                    seconds=dict(clock.seconds),
                )
                clock.seconds.clear()
    start = time.perf_counter()
    found = precision_of(model, X_test, y_test)
    seconds = time.perf_counter() - start
    report(work, _PRECISION, [found])
    note(
        f"{len(model.history_['epoch'])} epochs; {len(y_test):,} rows predicted in "
        f"{seconds:.2f} s; the process took {(peak.bytes - before) / 1e9:.2f} GB more "
        f"than the table at its peak{on_device()}"
    )


def on_device():
    """How much memory of the device was in use at most, as text."""
    import jax

    stats = jax.devices()[0].memory_stats() or {}
    if "peak_bytes_in_use" not in stats:
        return ""
    return f", the device {stats['peak_bytes_in_use'] / 1e9:.2f} GB"


class Clock:
    """Seconds of a fit by what the process does; every moment counts once.

    Compilation is what JAX says: tracing, lowering and compiling.
    """

    _COMPILING = {
        "/jax/core/compile/jaxpr_trace_duration",
        "/jax/core/compile/jaxpr_to_mlir_module_duration",
        "/jax/core/compile/backend_compile_duration",
    }

    def __init__(self):
        self.seconds, self._inner, self._spans = Counter(), [], []

    @contextmanager
    def timing(self, name):
        start = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._add(name, seconds, seconds - self._inner.pop())

    def shares(self, total):
        """The parts of so many seconds as text, the largest first."""
        found = dict(self.seconds)
        found["everything else"] = total - sum(found.values())
        return ", ".join(
            f"{name} {seconds:.2f} s"
            for name, seconds in sorted(found.items(), key=lambda item: -item[1])
            if seconds >= 0.01
        )

    @contextmanager
    def listening(self):
        """Count what a fit does in the block."""
        from jax import monitoring

        from skadaptive import _fitting, classifier
        from skadaptive._committee.inference import Committee
        from skadaptive._committee.monitor import Monitor
        from skadaptive._features.transform import InputTransform
        from skadaptive._training import loop
        from skadaptive._training.batches import Batches
        from skadaptive._training.jax_program import JaxProgram

        monitoring.register_event_duration_secs_listener(self._on_event)
        timed = [
            (classifier, "check_X_y", "checking X and y"),
            (InputTransform, "fit", "learning scaling and bins"),
            (_fitting, "make_folds", "folds"),
            (_fitting, "choose_inputs", "relevance of the features"),
            (_fitting, "decide", "calibration and threshold"),
            (loop, "_padded_rows", "scaling the rows"),
            (Batches, "__init__", "batches"),
            (Batches, "draw", "batches"),
            (Monitor, "observe", "scores of the epochs"),
            (Committee, "logits", "out-of-fold logits in NumPy"),
            (JaxProgram, "__init__", "making the program"),
            (JaxProgram, "load", "rows to the device"),
            (JaxProgram, "train", "training calls"),
            (JaxProgram, "predict", "predictions on the device"),
            (JaxProgram, "_joined", "parameters from the device"),
        ]
        with ExitStack() as stack:
            for owner, attribute, name in timed:
                function = self._timed(getattr(owner, attribute), name)
                stack.enter_context(mock.patch.object(owner, attribute, function))
            yield

    def _timed(self, function, name):
        @wraps(function)
        def timed(*args, **kwargs):
            with self.timing(name):
                return function(*args, **kwargs)

        return staticmethod(timed) if inspect.ismethod(function) else timed

    def _on_event(self, event, seconds, **_):
        if event not in self._COMPILING:
            return
        # An event that lies within this one has been counted already.
        end = time.perf_counter()
        start, new = end - seconds, seconds
        while self._spans and self._spans[-1][0] >= start - 1e-4:
            inner = self._spans.pop()
            new -= inner[1] - inner[0]
        self._spans.append((start, end))
        self._add("compilation", new, new)

    def _add(self, name, passed, own):
        self.seconds[name] += own
        if self._inner:
            self._inner[-1] += passed


# ------------------------------------------------------------------------- accuracy


def agreement(settings):
    """Average precision by seed; each seed has a table of its own."""
    from skadaptive import AdaptiveHybridClassifier

    start_training(settings)
    arm, n_rows = settings["arm"], settings["n_rows"]
    for seed in range(settings["seeds"]):
        X, y, X_test, y_test = made_table(n_rows, seed, n_rows)
        begin = time.perf_counter()
        model = AdaptiveHybridClassifier(random_state=seed).fit(X, y)
        seconds = time.perf_counter() - begin
        found = precision_of(model, X_test, y_test)
        note(
            f"{arm:20} seed {seed}: average precision {found:.4f}, {seconds:.1f} s",
            **{"arm": arm, "seed": seed, "average precision": found},
        )
        if not seed:
            again = AdaptiveHybridClassifier(random_state=seed).fit(X, y)
            proba, second = (m.predict_proba(X_test)[:, 1] for m in (model, again))
            most = np.abs(proba - second).max()
            note(f"{arm:20} a second fit of seed 0 differs by at most {most:.1g}")


def sizes(settings):
    """Seconds and average precision, one parameter changed at a time, then several."""
    from skadaptive import AdaptiveHybridClassifier

    start_training(settings)
    n_rows, scale = settings["n_rows"], settings["scale"]

    def batch(size):
        return {"batch_size": max(16, round(size * scale))}

    def layers(*units):
        units = tuple(max(16, round(n * scale**0.5)) for n in units)
        return {"hidden_layer_sizes": units}

    grid = {
        "default": {},
        "cv=10": {"cv": 10},
        "cv=20": {"cv": 20},
        "128-128-128": layers(128, 128, 128),
        "256-256-256": layers(256, 256, 256),
        "batch 2048": batch(2048),
        "cv=20, 256-256-256": {"cv": 20, **layers(256, 256, 256)},
        "512-512": layers(512, 512),
        "batch 8192": batch(8192),
        "batch 256": batch(256),
    }
    tables = [made_table(n_rows, seed, n_rows) for seed in range(settings["seeds"])]
    for name, parameters in grid.items():
        seconds, scores = [], []
        for seed, (X, y, X_test, y_test) in enumerate(tables):
            model = AdaptiveHybridClassifier(random_state=seed, **parameters)
            seconds.append(seconds_of(partial(model.fit, X, y)))
            scores.append(precision_of(model, X_test, y_test))
            note(
                f"{name:20} seed {seed}: average precision {scores[-1]:.4f}, "
                f"{seconds[-1]:.1f} s",
                **{"setting": name, "seed": seed, "seconds": seconds[-1]},
                **{"average precision": scores[-1]},
            )
        work = f"{n_rows:,} x 30, {name}"
        report(work, "first fit, with compilation", seconds[:1], "s")
        if seconds[1:]:
            report(work, "later fits", seconds[1:], "s")
        report(work, _PRECISION, scores)


JOBS = {
    function.__name__: function for function in (devices, steps, fits, agreement, sizes)
}


if __name__ == "__main__":
    main()
