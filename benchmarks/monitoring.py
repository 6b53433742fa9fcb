"""Streams with and without a known drift: what monitoring finds, since when.

A model is trained and saved as by ``compare --save``. Streams of 20,000 rows in ten
periods then follow, 5 % of them rare. On some nothing changes; on the others one thing
does, from a known period on:

- feature: a numeric feature moves by half a standard deviation;
- share: the share of the rare class doubles;
- category: a value of a categorical feature gets another name;
- labels: 2 % of the labels are the other class.

Each stream is monitored without its labels and with them.

    python benchmarks/monitoring.py [--streams 20] [--contender NAME]
    python benchmarks/monitoring.py --streams 500 --drifts none
    python benchmarks/monitoring.py --first 2000  # streams without part in any choice
    python benchmarks/monitoring.py --season 1 --first 4000
    python benchmarks/monitoring.py --shares   # ways to estimate the rare share

With ``--season`` the feature x3 varies with time by so many standard deviations. The
training and each stream have a whole season, so that nothing has changed.

``--contender`` is one of "ours", "logistic", "balanced", "forest" and "boosting".
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from skadaptive import AdaptiveHybridClassifier, compare, monitor
from skadaptive._assessment.threshold_counts import ScoredRows
from skadaptive._io.columns import Notes, ReadingOptions, infer_column
from skadaptive._monitoring.shares import ShareEstimator
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive._saving.reference import OutOfFold, reference_distributions
from skadaptive.contenders import raw_pipeline, table_pipeline
from skadaptive.drift import prior_shift

N_ROWS, N_PERIODS, SHARE, N_NUMBERS = 20_000, 10, 0.05, 8
CITIES = ["Rome", "Oslo", "Lima", "Bern", "Kyiv"]
# Shares of the cities among rows of the other class and among rare rows.
OF_CITIES = np.array([[0.3, 0.25, 0.2, 0.15, 0.1], [0.15, 0.2, 0.2, 0.2, 0.25]])
#: What the first breach has to name, by drift, without labels and with them.
RIGHT = {
    "feature": ({"feature"}, {"feature"}),
    "share": ({"estimated_share"}, {"share"}),
    "category": ({"feature"}, {"feature"}),
    "labels": (
        set(),
        {"average_precision", "recall", "precision", "brier_score", "calibration"}
        | {"share"},
    ),
}


# -------------------------------------------------------------------------------- data


def rows_of(rng, n_rows, share):
    """Rows whose features depend on the class alone, so that its share can change."""
    y = (rng.random(n_rows) < share).astype(int)
    directions = np.linspace(1.1, 0.0, N_NUMBERS)
    numbers = rng.normal(size=(n_rows, N_NUMBERS))
    # A second mode of the rare class, which a linear model does not find.
    sign = np.where(rng.random(n_rows) < 0.8, 1, -1)
    numbers += (y * sign)[:, None] * directions
    X = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(N_NUMBERS)])
    places = (OF_CITIES[y].cumsum(axis=1) < rng.random(n_rows)[:, None]).sum(axis=1)
    X["city"] = np.array(CITIES)[np.minimum(places, len(CITIES) - 1)]
    X["gap"] = np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows))
    return X, y


def with_season(X, phase, season):
    """Rows of which a feature varies with time, by standard deviations."""
    return X.assign(x3=X["x3"] + season * np.sin(2 * np.pi * phase))


def stream(drift, number, season):
    """Rows in ten periods; what has changed, and since when."""
    rng = np.random.default_rng([number, 0 if drift is None else ord(drift[0])])
    onset = 4 + number % 5
    period = np.repeat(np.arange(1, N_PERIODS + 1), N_ROWS // N_PERIODS)
    after = period >= onset
    X, y = rows_of(rng, N_ROWS, np.where(after & (drift == "share"), 2 * SHARE, SHARE))
    X = with_season(X, period / N_PERIODS, season)
    name = None
    if drift == "feature":
        name = f"x{number % N_NUMBERS}"
        X.loc[after, name] += 0.5 * (1 if number % 2 else -1)
    elif drift == "category":
        name, city = "city", CITIES[number % len(CITIES)]
        X.loc[after & (X["city"] == city), "city"] = f"{city.upper()}-2"
    elif drift == "labels":
        y = np.where(after & (rng.random(N_ROWS) < 0.02), 1 - y, y)
    return X, y, period, onset, name


def contender(name, X):
    return {
        "ours": lambda: raw_pipeline(X, AdaptiveHybridClassifier(random_state=0)),
        "logistic": lambda: table_pipeline(LogisticRegression(max_iter=1000)),
        "balanced": lambda: table_pipeline(
            LogisticRegression(max_iter=1000, class_weight="balanced")
        ),
        "forest": lambda: table_pipeline(
            RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
        ),
        "boosting": lambda: table_pipeline(HistGradientBoostingClassifier()),
    }[name]()


def train(name, path, n_rows, season):
    X, y = rows_of(np.random.default_rng(1000), n_rows, SHARE)
    X = with_season(X, np.arange(n_rows) / n_rows, season)
    comparison = compare(
        X, y, contenders={name: contender(name, X)}, random_state=0, verbose=0
    )
    known = OutOfFold.of_contender(comparison, comparison.best_name_)
    formats = {
        column: infer_column(X[column], column, ReadingOptions(), Notes())[1]
        for column in X
    }
    save_model(
        path,
        comparison.best_,
        formats,
        ModelFacts(name, "y", 1, False, []),
        out_of_fold=known,
        reference=reference_distributions(X, known),
    )
    score = comparison.table["mean_average_precision"].iloc[0]
    print(f"{name}: average precision {score:.3f} out of fold, {n_rows:,} rows\n")


# ----------------------------------------------------------------------------- streams


def streams(options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "streams.model")
        train(options.contender, path, options.rows, options.season)
        saved = load_model(path)
    print(
        f"{options.streams} streams each of {N_ROWS:,} rows in {N_PERIODS} periods, "
        f"{SHARE:.0%} rare\n"
    )
    print(
        "| drift | labels | breached | named right, first | since the right period | "
        "1 or 2 periods late | early | others named beside |"
    )
    print("|---|---|---|---|---|---|---|---|")
    seconds = []
    drifts = options.drifts or ["none", *RIGHT]
    for drift in (None if name == "none" else name for name in drifts):
        for labelled in (False, True):
            found = []
            for number in options.numbers:
                X, y, period, onset, name = stream(drift, number, options.season)
                start = time.perf_counter()
                result = monitor(saved, X, y if labelled else None, time=period)
                seconds.append(time.perf_counter() - start)
                found.append(judged(result, drift, labelled, onset, name))
            print(line(drift, labelled, pd.DataFrame(found)), flush=True)
    print(f"\nSeconds a stream: {np.mean(seconds):.2f}")


def judged(result, drift, labelled, onset, name):
    breaches = result.breaches
    found = {"breached": bool(breaches), "right": False, "delay": np.nan}
    found |= {"early": False, "others": "", "message": ""}
    if not breaches:
        return found
    first = breaches[0]
    found["message"] = first.message
    if drift is None:
        return found | {"others": ", ".join(breach.name for breach in breaches)}
    wanted = RIGHT[drift][labelled]
    right = [
        breach
        for breach in breaches
        if (breach.name == name if name else breach.name in wanted)
    ]
    found["right"] = bool(right) and first is right[0]
    if right:
        found["delay"] = min(int(breach.since) for breach in right) - onset
    found["early"] = any(int(breach.since) < onset for breach in breaches)
    others = [breach.name for breach in breaches if breach not in right]
    return found | {"others": ", ".join(others)}


def line(drift, labelled, found):
    n = len(found)
    others = found.loc[found["others"] != "", "others"].str.split(", ").explode()
    shown = ", ".join(
        f"{name} {count}" for name, count in others.value_counts().items()
    )
    cells = [drift or "none", "with" if labelled else "without"]
    cells.append(f"{found['breached'].sum()} of {n}")
    if drift is not None:
        cells += [f"{found['right'].sum()} of {n}"]
        cells += [
            f"{(found['delay'] == 0).sum()}",
            f"{found['delay'].isin([1, 2]).sum()}",
        ]
        cells += [f"{found['early'].sum()}"]
    else:
        cells += ["–"] * 4
    return "| " + " | ".join([*cells, shown or "–"]) + " |"


# ------------------------------------------------------------------------------- shares


def shares(options):
    """Compare ways to estimate the share of the rare class without labels."""
    print("| model | true share | " + " | ".join(WAYS) + " |")
    print("|---|---|" + "---|" * len(WAYS))
    errors = {way: [] for way in WAYS}
    for name in ("logistic", "balanced", "forest", "boosting"):
        X, y = rows_of(np.random.default_rng(1000), options.rows, SHARE)
        model = contender(name, X)
        old = cross_val_predict(model, X, y, method="predict_proba")[:, 1]
        model.fit(X, y)
        for share in (0.025, 0.05, 0.1, 0.2):
            found = {way: [] for way in WAYS}
            for number in options.numbers:
                rows, _ = rows_of(np.random.default_rng(number), 2_000, share)
                new = model.predict_proba(rows)[:, 1]
                for way, estimate in WAYS.items():
                    found[way].append(estimate(y, old, new))
            cells = []
            for way, values in found.items():
                bias, spread = np.mean(values) - share, np.std(values)
                errors[way].append(np.hypot(bias, spread) / share)
                cells.append(f"{np.mean(values):.1%} ± {spread:.1%}")
            print(f"| {name} | {share:.1%} | " + " | ".join(cells) + " |", flush=True)
    cells = (f"{np.mean(values):.0%}, {max(values):.0%}" for values in errors.values())
    print("| relative error: mean, worst | | " + " | ".join(cells) + " |")


def calibrated(y, old, new):
    isotonic = IsotonicRegression(y_min=1e-4, y_max=1 - 1e-4, out_of_bounds="clip")
    isotonic.fit(old, y)
    return prior_shift(isotonic.predict(old), isotonic.predict(new))


def adjusted_count(y, old, new):
    """Forman, 2008, "Quantifying counts and costs via classification"."""
    threshold = np.quantile(old, 1 - y.mean())
    recall, false_rate = ((old[y == k] > threshold).mean() for k in (1, 0))
    share = ((new > threshold).mean() - false_rate) / (recall - false_rate)
    return float(np.clip(share, 0, 1))


def raw(y, old, new):
    return prior_shift(*(np.clip(proba, 1e-6, 1 - 1e-6) for proba in (old, new)))


def binned(y, old, new):
    estimator = ShareEstimator(ScoredRows(y, old, None))
    return estimator.estimate(new, np.ones(len(new)), 1.96).compared.value


WAYS = {
    "alarms counted": lambda y, old, new: (new > np.quantile(old, 1 - y.mean())).mean(),
    "adjusted count": adjusted_count,
    "EM, raw probabilities": raw,
    "EM, isotonic calibration": calibrated,
    "EM, bins": binned,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument(
        "--first",
        type=int,
        default=0,
        metavar="N",
        help="number of the first stream; bins were chosen with streams 0 to 19",
    )
    parser.add_argument("--drifts", nargs="+", choices=["none", *RIGHT])
    parser.add_argument("--contender", default="ours")
    parser.add_argument("--season", type=float, default=0.0, metavar="SD")
    parser.add_argument("--rows", type=int, default=10_000, help="rows of the training")
    parser.add_argument("--shares", action="store_true")
    options = parser.parse_args()
    options.numbers = range(options.first, options.first + options.streams)
    shares(options) if options.shares else streams(options)


if __name__ == "__main__":
    main()
