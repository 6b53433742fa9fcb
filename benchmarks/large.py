"""Large tables: time and average precision beside histogram boosting.

    python benchmarks/large.py --rows 250000 --kinds steps smooth mixed
    python benchmarks/large.py --data DIR --kinds cover
    python benchmarks/large.py --rows 200000 --kinds normal --rounds 5   # times alone

Three tables are made. In "steps" (20 features, 2 % rare) the log-odds are sums of
thresholds and their interactions, in "smooth" (30, 1 %) a random network of the
features, and "mixed" (25, 10 %) has heavy tails, missing values and codes of up to
4,096 levels. "normal" is the table of `speed.py`. "cover" is cover.csv.gz from the
folder, with all its rows, of which three quarters train.

"ours, all rows" passes over all rows in every epoch, as tables of up to 16,000 rows do.
The contenders take turns, with as many threads as OMP_NUM_THREADS says.
"""

import argparse
import os
import time
from functools import partial
from pathlib import Path
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, log_loss
from sklearn.model_selection import train_test_split
from timing import make_data, shift_to, spread

from skadaptive import AdaptiveHybridClassifier

# Rows to predict.
_N_TEST = 150_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kinds", nargs="+", choices=[*KINDS, "normal", "cover"])
    parser.add_argument("--rows", type=int, default=250_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--rounds", type=int, default=1, help="of fits, for the time")
    parser.add_argument("--data", type=Path, help="folder of cover.csv.gz")
    chosen = parser.parse_args()
    for kind in chosen.kinds or list(KINDS):
        for seed in chosen.seeds:
            compare(kind, seed, chosen)


def compare(kind, seed, chosen):
    """Print a line per contender."""
    X, y, X_test, y_test = split_table(kind, chosen.rows, seed, chosen.data)
    # Compiles the program that the large fits use.
    AdaptiveHybridClassifier(max_epochs=1).fit(X[:100_000], y[:100_000])
    ours = AdaptiveHybridClassifier(random_state=seed)
    fits = {
        "ours": partial(ours.fit, X, y),
        "ours, all rows": partial(fit_on_all_rows, ours, X, y),
        "histogram boosting": partial(
            HistGradientBoostingClassifier(random_state=seed).fit, X, y
        ),
    }
    seconds = {name: [] for name in fits}
    scores = {}
    for _ in range(chosen.rounds):
        for name, fit in fits.items():
            start = time.perf_counter()
            fitted = fit()
            seconds[name].append(time.perf_counter() - start)
            proba = fitted.predict_proba(X_test)[:, 1]
            scores[name] = (
                average_precision_score(y_test, proba),
                log_loss(y_test, proba),
            )
    for name, (precision, loss) in scores.items():
        ratio = np.divide(seconds[name], seconds["histogram boosting"])
        print(
            f"{kind:7} {len(y):9,} rows, seed {seed}  {name:20} average precision "
            f"{precision:.4f}  log loss {loss:.5f}  {np.median(seconds[name]):6.1f} s, "
            f"ratio {spread(ratio)}",
            flush=True,
        )


def fit_on_all_rows(model, X, y):
    """Fit with every row in every epoch, and all held-out rows scored after each."""
    most = 10**12
    with (
        mock.patch("skadaptive._training.plan._ALL_ROWS", most),
        mock.patch("skadaptive._fitting._MOST_SCORED", most),
    ):
        return model.fit(X, y)


def split_table(kind, n_rows, seed, folder):
    """Training and test rows, (X, y, X_test, y_test)."""
    if kind == "cover":
        frame = pd.read_csv(folder / "cover.csv.gz")
        X, y = frame.drop(columns="target").to_numpy("float32"), frame["target"]
        split = train_test_split(
            X, y.to_numpy(), test_size=0.25, stratify=y, random_state=seed
        )
        return split[0], split[2], split[1], split[3]
    n_all = n_rows + _N_TEST
    if kind == "normal":
        X, y = make_data(n_all, 30, seed=seed)
    else:
        make, prevalence = KINDS[kind]
        rng = np.random.default_rng([len(kind), seed])
        X, log_odds = make(rng, n_all)
        share = expit(log_odds + shift_to(log_odds, prevalence))
        y = (rng.random(n_all) < share).astype(int)
    return X[:n_rows], y[:n_rows], X[n_rows:], y[n_rows:]


def _steps(rng, n_rows):
    X = rng.exponential(size=(n_rows, 20)).astype("float32")
    X[:, 10:] = rng.integers(0, 8, (n_rows, 10))
    signs = np.resize([-1, 1], 8)
    z = (X[:, :8] > 1 + 0.1 * np.arange(8)) @ signs + 0.0
    z += 2.0 * ((X[:, 10] > 4) & (X[:, 0] > 1.2))
    z -= 1.5 * ((X[:, 11] == 3) | (X[:, 12] > 5))
    z += (X[:, 13] < 2) & (X[:, 14] > 3)
    return X, 1.6 * z


def _smooth(rng, n_rows):
    X = rng.standard_normal((n_rows, 30), dtype="float32")
    kernel = rng.standard_normal((30, 12)) * 1.6 / np.sqrt(30)
    kernel[15:] = 0.0
    hidden = np.tanh(2 * (X @ kernel + rng.standard_normal(12)))
    return X, hidden @ rng.standard_normal(12) * 1.7


def _mixed(rng, n_rows):
    common = rng.standard_normal((n_rows, 6))
    X = common @ rng.standard_normal((6, 25)) + rng.standard_normal((n_rows, 25))
    X = X.astype("float32")
    X[:, :8] = np.exp(X[:, :8] / 1.5)
    z = np.log1p(X[:, :8]) @ rng.standard_normal(8) * 0.5
    z += np.sin(X[:, 8]) * 1.5 + 0.8 * X[:, 9] * X[:, 10] / 3
    for column in range(15, 20):
        n_levels = 4 ** (column - 13)
        rank = np.argsort(np.argsort(X[:, column]))
        codes = rng.permutation(n_levels)[rank * n_levels // n_rows]
        X[:, column] = codes
        z += rng.standard_normal(n_levels)[codes] * 0.5
    is_missing = rng.random((n_rows, 4)) < 0.2
    X[:, 20:24][is_missing] = np.nan
    return X, z + is_missing[:, 0]


KINDS = {"steps": (_steps, 0.02), "smooth": (_smooth, 0.01), "mixed": (_mixed, 0.1)}


if __name__ == "__main__":
    main()
