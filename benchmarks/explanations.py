"""Explanations on made data whose true effects are known, and the time they take.

    python benchmarks/explanations.py                   # 100 draws
    python benchmarks/explanations.py --intercept -3.8  # 10 % rare
    python benchmarks/explanations.py --time

Each draw has 2,000 rows of five independent normal features. The log-odds of the rare
class are linear, with the coefficients 2, 1, 0.5, 0 and 0, and about 15 % of the rows
are rare. The classifier is explained on the rows of its fit, each by the members that
did not train on it. Two questions are asked: whether the importances are in the order
of the coefficients, and whether the 95 % intervals of the two features without effect
hold 0.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.datasets import make_classification
from tables import Results

from skadaptive import AdaptiveHybridClassifier, explain

_COEFFICIENTS = np.array([2.0, 1.0, 0.5, 0.0, 0.0])
# 15 % of the rows are rare.
_INTERCEPT = -3.0


def draw(seed, intercept, n_rows=2000):
    """Rows whose true effects are known.

    Returns
    -------
    X : ndarray of shape (n_rows, 5)
    y : ndarray of shape (n_rows,)
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, len(_COEFFICIENTS)))
    return X, (rng.random(n_rows) < expit(X @ _COEFFICIENTS + intercept)).astype(int)


def run(seeds, intercept, path):
    """Importances of every draw, a row of the file each; goes on where it stopped."""
    results = Results(path, ["intercept", "seed"])
    for seed in seeds:
        if (intercept, seed) in results:
            continue
        X, y = draw(seed, intercept)
        classifier = AdaptiveHybridClassifier(random_state=seed).fit(X, y)
        start = time.perf_counter()
        table = explain(classifier, X, y, random_state=seed).importances_
        row = {"intercept": intercept, "seed": seed, "rare": y.mean()}
        row |= {"seconds": time.perf_counter() - start}
        for i in range(len(_COEFFICIENTS)):
            row |= {f"{end}_{i}": table.at[f"x{i}", end] for end in ("low", "high")}
            row[f"importance_{i}"] = table.at[f"x{i}", "importance"]
        results.add(**row)
    table = results.table.astype(float)
    return table[(table["intercept"] == intercept) & table["seed"].isin(seeds)]


def summary(table):
    """Say in how many draws the order is true and the intervals hold 0."""
    first, second, third, *none = (
        table[f"importance_{i}"] for i in range(len(_COEFFICIENTS))
    )
    is_true = (first > second) & (second > third) & (third > np.maximum(*none))
    print(f"{len(table)} draws, {table['rare'].mean():.1%} of the rows rare.")
    print(f"The order of the effects is the true one in {is_true.sum()}.")
    for i in range(len(_COEFFICIENTS)):
        holds = (table[f"low_{i}"] <= 0) & (table[f"high_{i}"] >= 0)
        mean, spread = (getattr(table[f"importance_{i}"], s)() for s in ("mean", "std"))
        print(
            f"Coefficient {_COEFFICIENTS[i]}: importance {mean:.4f} ± {spread:.4f} "
            f"over the draws; the interval holds 0 in {holds.sum()}."
        )
    print(f"An importance takes {table['seconds'].median():.2f} s (median).")


def measure_time(n_rows=20, n_features=30, n_rounds=7):
    """Seconds for the contributions of rows, in a process that is warm."""
    X, y = make_classification(
        2000, n_features, n_informative=6, weights=[0.93], random_state=0
    )
    classifier = AdaptiveHybridClassifier(random_state=0).fit(X, y)
    new = X + 1e-9  # another table, so that the rows go through all members
    for name, table in (("out of fold", X), ("taken as new", new)):
        explanation = explain(classifier, table, y, random_state=0)
        assert explanation.rows_ == name
        seconds, processor = [], []
        for _ in range(n_rounds):
            start = time.perf_counter(), time.process_time()
            explanation.contributions(range(n_rows))
            seconds.append(time.perf_counter() - start[0])
            processor.append(time.process_time() - start[1])
        print(
            f"{n_rows} rows of {n_features} features, {name}: "
            f"{np.median(seconds):.2f} s (median of {n_rounds}, {min(seconds):.2f} to "
            f"{max(seconds):.2f}), {np.median(processor):.2f} s of processor time"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=100, metavar="N")
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument(
        "--intercept",
        type=float,
        default=_INTERCEPT,
        metavar="X",
        help="of the log-odds, which sets the share of rare rows; default: %(default)s",
    )
    parser.add_argument("--time", action="store_true", help="measure the time alone")
    parser.add_argument(
        "--out", type=Path, default=Path("results/explanations.csv"), metavar="FILE"
    )
    options = parser.parse_args()
    if options.time:
        measure_time()
    else:
        summary(
            run(
                range(options.first, options.first + options.draws),
                options.intercept,
                options.out,
            )
        )
