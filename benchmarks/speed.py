"""Speed as ratios between contenders, measured in turn in one run.

Ours, scikeras, keras.Model.fit and MLPClassifier get the same rows, layers, batch size
and number of epochs. What is compiled has run once before, except where it says "first
fit". A figure is the median over the rounds, with the lowest and highest; absolute
times depend on the machine and are in the CSV file alone. Each part runs in a process
of its own, with as many threads as its contenders take by default unless it says so.

    python benchmarks/speed.py [--rounds 5] [--epochs 8] [--only PART ...] [--quick]

writes speed.csv, a row per work, contender and round, speed.md, the table, and plots of
how cost grows. ``--data`` and ``--sets`` add real tables to quality per second. What is
not installed is left out, and said so: ``pip install ".[benchmark]"``.
"""

import argparse
import os
import platform
import time
import traceback
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import breakdown
import growth
import joblib
import numpy as np
from contenders import contenders as neighbours
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.under_sampling import RandomUnderSampler
from joblib.externals.loky import get_reusable_executor
from memory import resident
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, train_test_split
from tables import load, names, preprocessor
from timing import (
    BATCH,
    FIGURES_HEADER,
    FIVE,
    KERAS,
    ONE,
    SCIKERAS,
    SKLEARN,
    Bar,
    Figure,
    Record,
    in_fresh_process,
    interleave,
    keras_model,
    make_data,
    multilayer_perceptron,
    one_thread,
    ours,
    plain,
    scikeras,
    seconds_of,
    spread,
)

from skadaptive.datasets import load_rare

HAS_SCIKERAS = find_spec("scikeras") is not None
#: The small fits: rows, features, epochs.
SMALL = 3_000, 12, 10
SMALL_TEXT = "3,000 x 12, 10 epochs"


def small_fits():
    """Fits of the small table by contender."""
    n_rows, n_features, epochs = SMALL
    X, y = make_data(n_rows, n_features)
    fits = {
        ONE: lambda: ours(epochs, cv=None).fit(X, y),
        FIVE: lambda: ours(epochs, cv=5).fit(X, y),
        SKLEARN: lambda: multilayer_perceptron(epochs).fit(X, y),
    }
    if HAS_SCIKERAS:
        fits[SCIKERAS] = lambda: scikeras(epochs).fit(X, y)
    return fits


# --------------------------------------------------------------------- fits, searches


def epochs_per_second(record, options):
    """The large fit; all that a fit does counts."""
    n_rows = 20_000 if options.quick else 182_276
    X, y = make_data(n_rows, 29, 0.0017)
    single = X.astype("float32")
    network = keras_model(29, dropout=0.3)
    network.compile("adam", "binary_crossentropy")
    no_dropout = f"{ONE}, no dropout"

    def fits(epochs):
        dropped = {"dropout": 0.3}
        return {
            KERAS: lambda: network.fit(
                X, y, batch_size=BATCH, epochs=epochs, verbose=0
            ),
            SKLEARN: lambda: multilayer_perceptron(epochs).fit(X, y),
            f"{SKLEARN}, float32": lambda: multilayer_perceptron(epochs).fit(single, y),
            ONE: lambda: ours(epochs, cv=None, **dropped).fit(X, y),
            no_dropout: lambda: ours(epochs, cv=None).fit(X, y),
            FIVE: lambda: ours(epochs, cv=5, **dropped).fit(X, y),
        }

    work = (
        f"fit, {options.epochs} epochs of {n_rows:,} x 29, batch {BATCH}, dropout 0.3 "
        f"({SKLEARN}: none)"
    )
    interleave(record, work, fits(options.epochs), options.rounds, fits(1))
    record.ratio(work, KERAS, ONE, Bar(">=", 4))
    record.ratio(work, SKLEARN, ONE, Bar(">=", 1.3))
    record.ratio(work, KERAS, FIVE, Bar(">=", 1))
    record.ratio(work, f"{SKLEARN}, float32", ONE)
    record.ratio(work, SKLEARN, no_dropout)
    record.ratio(work, FIVE, ONE)


def first_fit(record, options):
    """In fresh processes, after the imports: ours traces its program, Keras its."""
    work = f"first fit in a process, after all imports, {SMALL_TEXT}"
    contenders = [ONE, FIVE] + [SCIKERAS] * HAS_SCIKERAS
    for round_ in range(1, options.rounds + 1):
        for name in contenders:
            seconds = in_fresh_process(_seconds_of_first_fit, name)
            record.add(work, name, round_, seconds)
    record.ratio(work, SCIKERAS, ONE, Bar(">=", 2))
    record.ratio(work, SCIKERAS, FIVE)


def _seconds_of_first_fit(name):
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    if HAS_SCIKERAS:
        import scikeras.wrappers  # noqa: F401
    fits = small_fits()
    return seconds_of(fits[name])


def later_fits(record, options):
    work = f"later fits, {SMALL_TEXT}"
    repeats = {ONE: 10, FIVE: 5, SKLEARN: 10, SCIKERAS: 1}
    fits = {name: (run, repeats[name]) for name, run in small_fits().items()}
    interleave(record, work, fits, options.rounds)
    record.ratio(work, ONE, SKLEARN, Bar("<=", 1.2))
    record.ratio(work, SCIKERAS, ONE, Bar(">=", 12))
    record.ratio(work, SCIKERAS, FIVE)


def grid(n_candidates=9):
    """Candidates in which gamma, alpha and the rate of adaptation all vary.

    A Latin square of three values each: 9 candidates, 27 fits in 3 folds.
    """
    rates = [0.0, 0.1, 0.2]
    return [
        {"gamma": [gamma], "alpha": [alpha], "adaptation_rate": [rates[(i + j) % 3]]}
        for i, gamma in enumerate([0.5, 1.0, 2.0])
        for j, alpha in enumerate([0.25, 0.5, 0.75])
    ][:n_candidates]


def average_precision(model, X, y):
    """The scorer of that name, which does not know scikeras for a classifier."""
    return average_precision_score(y, model.predict_proba(X)[:, 1])


def searches(options, **parameters):
    """Searches by contender; the others go through as many learning rates."""
    epochs = SMALL[2]
    n_candidates = 2 if options.quick else 9
    rates = list(np.linspace(0.001, 0.003, n_candidates))
    settings = {
        "scoring": average_precision,
        "cv": 3,
        "refit": False,
        "error_score": "raise",
        **parameters,
    }
    found = {
        # Judged on a fifth: without rows held out there is nothing to adapt to.
        ONE: GridSearchCV(ours(epochs, cv=0.2), grid(n_candidates), **settings),
        SKLEARN: GridSearchCV(
            multilayer_perceptron(epochs), {"learning_rate_init": rates}, **settings
        ),
    }
    if HAS_SCIKERAS:
        varied = {"optimizer__learning_rate": rates}
        found[SCIKERAS] = GridSearchCV(scikeras(epochs), varied, **settings)
    return found, 3 * n_candidates


def grid_of_fits(record, options):
    X, y = make_data(*SMALL[:2])
    found, n_fits = searches(options)
    work = f"grid of {n_fits} fits, {SMALL_TEXT}, judged on a fifth"
    runs = {name: lambda s=search: s.fit(X, y) for name, search in found.items()}
    interleave(record, work, runs, options.rounds, small_fits())
    record.ratio(work, ONE, SKLEARN, Bar("<=", 1.2))
    record.ratio(work, SCIKERAS, ONE, Bar(">=", 15))


def bagging(record, options):
    n_members = 2 if options.quick else 10
    epochs = SMALL[2]
    X, y = make_data(*SMALL[:2])

    def bagged(base):
        return BalancedBaggingClassifier(base, n_estimators=n_members, random_state=0)

    around_ours, around_scikeras = "bagging, ours", "bagging, scikeras"
    sampled = f"ours, cv={n_members}, sampler"
    runs = {
        around_ours: lambda: bagged(ours(epochs, cv=None)).fit(X, y),
        sampled: lambda: ours(
            epochs, cv=n_members, sampler=RandomUnderSampler(random_state=0)
        ).fit(X, y),
    }
    if HAS_SCIKERAS:
        runs[around_scikeras] = lambda: bagged(scikeras(epochs)).fit(X, y)
    work = f"BalancedBaggingClassifier, {n_members} members, {SMALL_TEXT}"
    # One fit warms scikeras up: it compiles anew for each.
    warm_up = runs | small_fits()
    warm_up.pop(around_scikeras, None)
    interleave(record, work, runs, options.rounds, warm_up)
    record.ratio(work, around_scikeras, around_ours, Bar(">=", 10))
    record.ratio(work, around_scikeras, sampled, Bar(">=", 20))


def prediction(record, options):
    X, y = make_data(57_000, 29)
    models = {
        ONE: ours(1, cv=None).fit(X, y),
        FIVE: ours(1, cv=5).fit(X, y),
        SKLEARN: multilayer_perceptron(1).fit(X, y),
    }
    for title, rows, repeats in (("one row", X[:1], 300), ("57,000 rows", X, 3)):
        work = f"predict_proba, {title}"
        runs = {
            name: (lambda m=model: m.predict_proba(rows), repeats)  # noqa: B023
            for name, model in models.items()
        }
        interleave(record, work, runs, options.rounds)
        record.ratio(work, ONE, SKLEARN, Bar("<=", 1.5))
        record.ratio(work, FIVE, SKLEARN)


# ------------------------------------------------------------------- memory, processes


def memory_growth(record, options):
    """Anonymous resident memory after so many fits less that after the first two."""
    n_fits = 10 if options.quick else 100
    work = f"memory, {SMALL_TEXT}"
    total, each = f"MB over {n_fits} fits", "MB a fit"
    # Scikeras needs fewer to show: it builds a model anew for every fit.
    counts = {ONE: n_fits, FIVE: n_fits // 5, SCIKERAS: 6 * HAS_SCIKERAS}
    counts = {name: count for name, count in counts.items() if count}
    for round_ in range(1, options.rounds + 1):
        for name, count in counts.items():
            grown = in_fresh_process(_growth_of_memory, name, count)
            record.add(work, name, round_, grown / count, each)
            if name == ONE:
                record.add(work, name, round_, grown, total)
    values = record.values(work, ONE, total)
    record.figures.append(
        Figure(work, f"{ONE}, {n_fits} fits", values, Bar("<=", 20), "MB")
    )
    for name in counts:
        values = record.values(work, name, each)
        record.figures.append(Figure(work, name, values, None, each))


def _growth_of_memory(name, n_fits):
    """Megabytes by which n_fits fits make the process grow."""
    run = small_fits()[name]
    run(), run()
    before = resident()
    for _ in range(n_fits):
        run()
    return (resident() - before) / 1e6


def two_jobs(record, options):
    X, y = make_data(*SMALL[:2])
    jobs = {
        "one job": ("loky", 1),
        "n_jobs=2, loky": ("loky", 2),
        "n_jobs=2, threads": ("threading", 2),
    }
    # By name, for workers that do not know this file.
    found, n_fits = searches(options, scoring="average_precision")
    work = f"grid of {n_fits} fits of ours, {SMALL_TEXT}, two jobs"
    scores = {}

    def search(name):
        backend, n_jobs = jobs[name]
        with joblib.parallel_config(backend=backend, n_jobs=n_jobs):
            results = found[ONE].fit(X, y).cv_results_
        scores[name] = [results[f"split{i}_test_score"] for i in range(3)]

    runs = {name: lambda name=name: search(name) for name in jobs}
    interleave(record, work, runs, options.rounds)
    # Idle workers would keep this process waiting for five minutes.
    get_reusable_executor().shutdown()
    alone, *others = jobs
    for name in others:
        record.ratio(work, alone, name, Bar(">=", 1))
    for name in others:
        difference = np.abs(np.subtract(scores[name], scores[alone])).max()
        record.add(work, name, options.rounds, difference, "difference")
        what = f"greatest difference of {n_fits} scores, {name} and {alone}"
        record.figures.append(Figure(work, what, (difference,), Bar("<=", 1e-6)))


# ------------------------------------------------------------------ quality per second


def quality_per_second(record, options):
    """Defaults of every contender, one thread each, on the same splits."""
    tables = {"digits (embedded)": load_rare("digits", return_X_y=True)}
    if options.data:
        for name in options.sets:
            X, y, _ = load(options.data, name)
            tables[name] = np.asarray(preprocessor().fit_transform(X), float), y
    shown = {
        "skadaptive": FIVE,
        "scikeras": SCIKERAS,
        "MLPClassifier": SKLEARN,
        "histogram boosting": "HistGradientBoostingClassifier",
        "XGBoost": "XGBoost",
        "LightGBM": "LightGBM",
    }
    known = neighbours(n_jobs=1)
    chosen = {
        title: known[name].make
        for name, title in shown.items()
        if not known[name].module or find_spec(known[name].module)
    }
    chosen[ONE] = lambda seed: chosen[FIVE](seed).set_params(cv=0.2)
    rows = []
    for title, (X, y) in tables.items():
        work = f"quality per second, {title}, {len(X):,} x {X.shape[1]}"
        for round_ in range(options.rounds + 1):
            split = train_test_split(
                X, y, test_size=0.3, stratify=y, random_state=round_
            )
            X_train, X_test, y_train, y_test = split
            for name, make in chosen.items():
                start = time.perf_counter()
                model = make(round_).fit(X_train, y_train)
                seconds = time.perf_counter() - start
                if not round_:  # so that programs are compiled
                    continue
                proba = model.predict_proba(X_test)[:, 1]
                record.add(work, name, round_, seconds)
                score = average_precision_score(y_test, proba)
                record.add(work, name, round_, score, "average precision")
        for name in chosen:
            scores = record.values(work, name, "average precision")
            times = record.values(work, name)
            ratio = times / record.values(work, ONE)
            rows.append([title, name, *map(spread, (scores, times, ratio))])
    for name in sorted(set(shown.values()) - set(chosen)):
        rows.append(["", name, "not measured: not installed", "", ""])
    record.tables.append(
        (
            "Quality per second",
            "Default settings, one thread each, seven tenths of the rows to learn "
            f"from; the same {options.rounds} splits for all. scikeras has 128-64-32 "
            "with dropout 0.3, batch 64 and 40 epochs. Ours count calibrating and "
            "tuning the threshold, which the others do not do; programs were compiled "
            "before.",
            [
                "table",
                "contender",
                "average precision",
                "seconds of fit",
                f"seconds / those of {ONE}",
            ],
            rows,
        )
    )


# ---------------------------------------------------------------------------- the run

#: Parts by name: what measures, and the environment of its process.
PARTS = {
    "predict": (prediction, {}),
    "first-fit": (first_fit, {}),
    "later-fits": (later_fits, {}),
    "grid": (grid_of_fits, {}),
    "bagging": (bagging, {}),
    "jobs": (two_jobs, {}),
    "memory": (memory_growth, {}),
    "quality": (quality_per_second, one_thread()),
    "epochs": (epochs_per_second, {}),
    "breakdown": (breakdown.measure, one_thread()),
    "growth-rows": (growth.in_rows, {}),
    "growth-features": (growth.in_features, {}),
    "growth-members": (growth.in_members, {}),
    "growth-classes": (growth.in_classes, {}),
}


def run_part(name, options):
    """A part's record."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    record = Record()
    PARTS[name][0](record, options)
    return record


def not_measured_here(record):
    memory = "memory: peak of a fit of 1 GB; ten million rows, streamed"
    record.missing(memory, "", "benchmarks/memory.py measures it")
    record.missing("a GPU", "", gpu_reason())


def gpu_reason():
    import tensorflow as tf

    seen = tf.config.list_physical_devices("GPU")
    if seen:
        return "TensorFlow saw one and may have used it in every figure above"
    return "TensorFlow sees none; the rows would be put there once, untried"


def description(options, finished):
    packages = "tensorflow", "keras", "scikit-learn", "numpy"
    versions = []
    for package in (*packages, "scikeras"):
        if package != "scikeras" or HAS_SCIKERAS:
            names = [package, f"{package}-cpu"]
            found = [name for name in names if _is_installed(name)]
            versions.append(f"{package} {version(found[0])}")
    if options.quick:
        finished = f"A quick run on little data, no measurement. {finished}"
    return (
        f"{os.cpu_count()} CPU cores, Python {platform.python_version()}, "
        f"{', '.join(versions)}. {finished}\n\nA / B is the time of A divided by that "
        f"of B, round by round: the median of {options.rounds} rounds in turn, lowest "
        "and highest in brackets. Layers are 128-64-32 ReLU without the encoding "
        f"(n_bins=None), batches of {BATCH}. A fit of ours counts scaling the "
        "features, judging every epoch on rows held out (none with one member unless "
        "it says so), the average of the weights and out-of-fold predictions. A first "
        "fit begins when skadaptive, scikit-learn, Keras, TensorFlow and scikeras are "
        "imported; it counts importing what trains in skadaptive, tracing, compiling."
    )


def _is_installed(distribution):
    from importlib.metadata import PackageNotFoundError

    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--epochs", type=int, default=8, help="of the large fit")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        metavar="PART",
        help=f"of {', '.join(PARTS)}; the files then hold no others",
    )
    parser.add_argument("--quick", action="store_true", help="smaller data")
    parser.add_argument(
        "--data",
        type=Path,
        default=os.environ.get("SKADAPTIVE_DATA"),
        metavar="DIR",
        help="folder of tables, for quality per second beyond the embedded one",
    )
    parser.add_argument("--sets", nargs="+", default=["mammography"], metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("results"), metavar="DIR")
    options = parser.parse_args()
    if options.data:
        options.data = Path(options.data)
        names(options.data, options.sets)  # that they are there
    total, failed, took = Record(), [], {}
    finished = "Nothing was measured."
    for name in options.only or PARTS:
        start = time.perf_counter()
        try:
            part = in_fresh_process(run_part, name, options, **PARTS[name][1])
        except Exception:  # the other parts are worth having
            traceback.print_exc()
            failed.append(name)
            total.missing(name, "", "it failed")
            continue
        took[name] = time.perf_counter() - start
        print(f"\n{name}, {took[name]:.0f} s", flush=True)
        print(plain(part.cells()))
        for title, _, header, rows in part.tables:
            print(f"\n{title}\n{plain([header, *rows])}")
        total.extend(part)
        finished = f"Took {sum(took.values()) / 60:.0f} minutes."
        total.write(options.out, description(options, finished))
    not_measured_here(total)
    total.write(options.out, description(options, finished))
    print(f"\n{plain([FIGURES_HEADER, *total.cells()])}\n\n{finished}")
    if failed:
        raise SystemExit(f"Failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
