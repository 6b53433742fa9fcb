"""What the parts of the speed benchmark share: data, contenders, rounds, the table.

Every contender of a work gets the same rows, layers, batch size and number of epochs.
Figures are ratios of times taken in turn in one run, or values with a unit.
"""

import csv
import dataclasses
import operator
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from unittest import mock

import numpy as np
from scipy.special import expit

LAYERS, BATCH = (128, 64, 32), 256
ONE, FIVE = "ours, one member", "ours, five members"
KERAS, SCIKERAS, SKLEARN = "keras.Model.fit", "scikeras", "MLPClassifier"


# ------------------------------------------------------------------- data, contenders


def make_data(n_rows, n_features, prevalence=0.05, seed=0, dtype="float64"):
    """Two classes of normal features with different means."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < prevalence).astype(int)
    X = rng.standard_normal((n_rows, n_features), dtype=dtype)
    X += y[:, None] * rng.standard_normal(n_features, dtype=dtype)
    return X, y


def ours(epochs, **parameters):
    """Our estimator, doing what the others do and no more."""
    from skadaptive import AdaptiveHybridClassifier

    defaults = {
        "hidden_layer_sizes": LAYERS,
        "activation": "relu",
        "n_bins": None,  # the same layers as the others
        "batch_size": BATCH,
        "max_epochs": epochs,
        "early_stopping": False,
        # The others neither calibrate nor tune a threshold.
        "calibration": None,
        "threshold": None,
        "random_state": 0,
    }
    return AdaptiveHybridClassifier(**{**defaults, **parameters})


def multilayer_perceptron(epochs):
    from sklearn.neural_network import MLPClassifier

    return MLPClassifier(
        LAYERS,
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=0,
    )


def keras_model(n_features, dropout=0.0):
    """The same network in Keras, not yet compiled."""
    import keras

    model = keras.Sequential([keras.Input((n_features,))])
    for units in LAYERS:
        model.add(keras.layers.Dense(units, activation="relu"))
        if dropout:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    return model


def scikeras(epochs):
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        _network_for_scikeras,
        loss="binary_crossentropy",
        optimizer="adam",
        epochs=epochs,
        batch_size=BATCH,
        verbose=0,
    )


def _network_for_scikeras(meta):
    return keras_model(meta["n_features_in_"])


def shift_to(log_odds, prevalence):
    """The constant that, added to these log-odds, gives this prevalence."""
    low, high = -60.0, 60.0
    for _ in range(60):
        middle = (low + high) / 2
        is_rarer = expit(log_odds + middle).mean() < prevalence
        low, high = (middle, high) if is_rarer else (low, middle)
    return low


# ---------------------------------------------------------------------------- figures


@dataclasses.dataclass(frozen=True)
class Bar:
    """What a figure has to reach.

    Parameters
    ----------
    sign : {">=", "<="}
    limit : float
    """

    sign: str
    limit: float

    def __post_init__(self):
        if self.sign not in _SIGNS:
            raise ValueError(f"sign must be one of {list(_SIGNS)}; got {self.sign!r}.")

    def __str__(self):
        return f"{self.sign} {self.limit:g}"

    def verdict(self, values):
        """Whether the median reaches it: "met" or "missed"."""
        met = _SIGNS[self.sign](np.median(values), self.limit)
        return "met" if met else "missed"


_SIGNS = {">=": operator.ge, "<=": operator.le}


@dataclasses.dataclass(frozen=True)
class Figure:
    """A row of the table.

    Parameters
    ----------
    work : str
    what : str
        "A / B" for a ratio of times, or what the values are.
    values : sequence of float
        One per round; empty if it was not measured.
    bar : Bar, default=None
    unit : str, default=""
    reason : str, default=""
        Why it was not measured.
    """

    work: str
    what: str
    values: tuple
    bar: Bar | None = None
    unit: str = ""
    reason: str = ""

    def cells(self):
        """Work, comparison, median (lowest to highest), bar, verdict, as text."""
        bar = f"{self.bar} {self.unit}".rstrip() if self.bar else ""
        if not len(self.values):
            return [self.work, self.what, "not measured", bar, self.reason]
        text = f"{spread(self.values)} {self.unit}".rstrip()
        verdict = self.bar.verdict(self.values) if self.bar else ""
        return [self.work, self.what, text, bar, verdict]


def spread(values):
    """Median (lowest to highest), to three digits."""
    middle, *ends = (_digits(f(values)) for f in (np.median, np.min, np.max))
    return f"{middle} ({ends[0]} to {ends[1]})"


def _digits(value):
    """Three significant digits, all those before the point, no exponent in between."""
    if value and abs(value) < 1e-3:
        return f"{value:.0e}"
    return f"{value:.{max(0, 2 - int(np.floor(np.log10(abs(value) or 1))))}f}"


def larger(sizes):
    """Mask of the larger half of increasing sizes in logarithms, two at least.

    What a fit costs at any size counts less there.
    """
    sizes = np.asarray(sizes, dtype=float)
    found = sizes >= np.sqrt(sizes[0] * sizes[-1]) * (1 - 1e-9)
    found[-2:] = True
    return found


def slope(sizes, seconds):
    """Exponent p of seconds ~ sizes**p among the larger sizes, by least squares.

    Parameters
    ----------
    sizes : array-like of float, increasing
    seconds : array-like of float

    Returns
    -------
    float
    """
    large = larger(sizes)
    return float(np.polyfit(np.log(sizes)[large], np.log(seconds)[large], 1)[0])


@dataclasses.dataclass
class Record:
    """What parts of the benchmark found.

    Attributes
    ----------
    rows : list of (work, contender, round, value, unit)
    figures : list of Figure
    tables : list of (title, note, header, rows)
        Beyond the one table: text and lists of text.
    """

    rows: list = dataclasses.field(default_factory=list)
    figures: list = dataclasses.field(default_factory=list)
    tables: list = dataclasses.field(default_factory=list)

    HEADER = ("work", "contender", "round", "value", "unit")

    def add(self, work, contender, round_, value, unit="s"):
        self.rows.append((work, contender, round_, float(value), unit))

    def values(self, work, contender, unit="s"):
        """Values by round, ndarray."""
        found = {
            round_: value
            for w, c, round_, value, u in self.rows
            if (w, c, u) == (work, contender, unit)
        }
        return np.array([found[round_] for round_ in sorted(found)])

    def ratio(self, work, numerator, denominator, bar=None):
        """Note the ratio of two contenders in each round."""
        times = self.values(work, numerator), self.values(work, denominator)
        what = f"{numerator} / {denominator}"
        if not all(map(len, times)):
            missing = numerator if not len(times[0]) else denominator
            self.missing(work, what, f"{missing} is not installed", bar)
        else:
            self.figures.append(Figure(work, what, tuple(times[0] / times[1]), bar))

    def missing(self, work, what, reason, bar=None):
        """Note what was not measured and why."""
        self.figures.append(Figure(work, what, (), bar, reason=reason))

    def extend(self, other):
        self.rows += other.rows
        self.figures += other.figures
        self.tables += other.tables

    def write(self, folder, note):
        """Write speed.csv and speed.md."""
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / "speed.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.HEADER)
            writer.writerows((*r[:3], f"{r[3]:.6g}", r[4]) for r in self.rows)
        blocks = ["# Speed", note, markdown(FIGURES_HEADER, self.cells())]
        for title, text, header, rows in self.tables:
            blocks += [f"## {title}", text, markdown(header, rows)]
        (folder / "speed.md").write_text("\n\n".join(blocks) + "\n")

    def cells(self):
        """The table; a work is named once."""
        last, rows = None, []
        for figure in self.figures:
            work, *rest = figure.cells()
            rows.append(["" if work == last else work, *rest])
            last = work
        return rows


FIGURES_HEADER = ("work", "compared", "median (lowest to highest)", "bar", "")


def markdown(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(rows):
    """Rows of text in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    )


# ----------------------------------------------------------------------------- rounds


def seconds_of(run, repeats=1):
    """Seconds of one call, the mean of so many."""
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def interleave(record, work, contenders, rounds, warm_up=None):
    """Time the contenders in turn, and note the seconds of each in each round.

    Parameters
    ----------
    record : Record
    work : str
    contenders : dict of str to callable or (callable, int)
        With how many calls to take the mean over.
    rounds : int
    warm_up : dict of str to callable, default=None
        What to run beforehand, uncounted; None runs each contender once.
    """
    runs = {
        name: run if isinstance(run, tuple) else (run, 1)
        for name, run in contenders.items()
    }
    for run in (warm_up or {name: run for name, (run, _) in runs.items()}).values():
        run()
    for round_ in range(1, rounds + 1):
        for name, (run, repeats) in runs.items():
            record.add(work, name, round_, seconds_of(run, repeats))


def in_fresh_process(function, *arguments, **environment):
    """What the function returns in a process of its own, started anew.

    Parameters
    ----------
    function : callable
        Of a module that can be imported.
    *arguments
        For it, such as can be pickled.
    **environment
        Variables beyond those of this process.
    """
    with (
        mock.patch.dict(os.environ, environment),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        return pool.submit(function, *arguments).result()


def one_thread():
    """The environment in which every contender computes with one thread."""
    names = "OMP", "OPENBLAS", "MKL"
    return {f"{name}_NUM_THREADS": "1" for name in names}
