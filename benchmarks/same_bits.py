"""Check that a refactoring leaves every number as it was, to the bit.

Record before the change and check after it, on the same machine in the same
environment; what is recorded belongs to both and is not kept in the repository::

    python benchmarks/same_bits.py record before.npz --data DIR
    python benchmarks/same_bits.py check before.npz --data DIR

Eleven configurations of the estimator are fitted, each to an embedded data set and to
two of six real tables, and the multiclass one to embedded data alone. Predictions,
out-of-fold probabilities, thresholds, histories and the mix of the best epoch are
compared, and so are the tables that ``compare`` and ``evaluate`` return. Nothing but
the public interface is used, so the script outlives what it guards.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import add_folder_argument, load

from skadaptive import AdaptiveHybridClassifier, compare, evaluate
from skadaptive.contenders import table_pipeline
from skadaptive.datasets import load_rare

# Two of six tables for each configuration, so that all of them are used.
_TABLES = {
    "defaults": ("oil", "yeast_me2"),
    "weights": ("ecoli", "us_crime"),
    "sampler": ("yeast_me2", "ecoli"),
    "X_val": ("oil", "wine_quality"),
    "partial_fit": ("thyroid_sick", "wine_quality"),
    "warm_start": ("ecoli", "thyroid_sick"),
    "cv=0.2": ("us_crime", "yeast_me2"),
    "categories and missing values": ("thyroid_sick", "wine_quality"),
    "n_bins=None": ("us_crime", "oil"),
    "dropout=0.1": ("yeast_me2", "ecoli"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("record", "check"))
    parser.add_argument("file", type=Path, metavar="FILE.npz")
    add_folder_argument(parser)
    chosen = parser.parse_args()
    if chosen.what == "record":
        np.savez(chosen.file, **dict(results(chosen.data)))
        return 0
    with np.load(chosen.file) as recorded:
        before = dict(recorded)
    n_same, differing = 0, []
    for name, value in results(chosen.data):
        known = before.pop(name, None)
        if known is not None and _same(known, value):
            n_same += 1
        else:
            differing.append(name)
            print(f"differs: {name}", flush=True)
    for name in before:
        print(f"missing: {name}")
    print(f"{n_same} of {n_same + len(differing) + len(before)} arrays are the same.")
    return int(bool(differing or before))


def _same(one, other):
    other = np.asarray(other)
    return (one.dtype, one.shape, one.tobytes()) == (
        other.dtype,
        other.shape,
        other.tobytes(),
    )


def results(folder):
    """Yield the name and the value of every array to be compared."""
    embedded = load_rare("breast_cancer", return_X_y=True)
    for configuration, tables in _TABLES.items():
        for table in ("embedded", *tables):
            X, y = embedded if table == "embedded" else _table(folder, table)
            yield from _named(f"{configuration}/{table}", _run(configuration, X, y))
    yield from _named("multiclass/embedded", _multiclass())
    yield from _named("compare/embedded", _compared(*embedded))


def _named(prefix, values):
    for name, value in values.items():
        yield f"{prefix}/{name}", np.asarray(value)
    print(prefix, file=sys.stderr, flush=True)


def _table(folder, name):
    loaded = load(folder, name)
    X = pd.DataFrame(loaded[0]).select_dtypes("number").to_numpy(dtype=float)
    return X, np.asarray(loaded[1]).astype(int)


def _run(configuration, X, y):
    """Fit one configuration to the even rows and predict the odd ones."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(y))
    train, test = np.sort(order[::2]), np.sort(order[1::2])
    classifier = AdaptiveHybridClassifier(random_state=0)
    X_train, y_train, X_test = X[train], y[train], X[test]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if configuration == "weights":
            # The rare label sorts first here; elsewhere it sorts last.
            y_train = np.where(y_train == 1, "alarm", "none")
            classifier.set_params(class_weight="balanced", calibration="isotonic")
            weight = rng.integers(0, 4, len(train)).astype(float)
            classifier.fit(X_train, y_train, sample_weight=weight)
        elif configuration == "sampler":
            classifier.set_params(sampler=SMOTE(k_neighbors=3))
            classifier.fit(X_train, y_train)
        elif configuration == "X_val":
            part = len(train) // 3
            classifier.set_params(scoring="average_precision")
            classifier.fit(
                X_train[part:],
                y_train[part:],
                X_val=X_train[:part],
                y_val=y_train[:part],
            )
        elif configuration == "partial_fit":
            for chunk in np.array_split(rng.permutation(len(train)), 4):
                classifier.partial_fit(X_train[chunk], y_train[chunk], classes=[0, 1])
        elif configuration == "warm_start":
            classifier.set_params(warm_start=True, max_epochs=6)
            classifier.fit(X_train, y_train).fit(X_train, y_train)
        elif configuration == "cv=0.2":
            classifier.set_params(cv=0.2, threshold=0.3, adaptation="lookup")
            classifier.fit(X_train, y_train)
        elif configuration == "categories and missing values":
            frame = _with_categories(X)
            X_test = frame.iloc[test]
            classifier.fit(frame.iloc[train], y_train)
        elif configuration == "n_bins=None":
            classifier.set_params(n_bins=None, activation="relu", calibration=None)
            classifier.fit(X_train, y_train)
        elif configuration == "dropout=0.1":
            classifier.set_params(dropout=0.1, optimizer="adamw")
            classifier.fit(X_train, y_train)
        else:
            classifier.fit(X_train, y_train)
    return _facts(classifier, X_test)


def _with_categories(X):
    """A table with two columns of strings and a tenth of two others missing."""
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    for name in frame.columns[:2]:
        codes = frame[name].rank(pct=True).fillna(0).mul(5).astype(int)
        frame[name] = "level " + codes.astype(str)
    rng = np.random.default_rng(1)
    for name in frame.columns[2:4]:
        frame.loc[rng.random(len(frame)) < 0.1, name] = np.nan
    return frame


def _multiclass():
    X, y = load_wine(return_X_y=True)
    kept = np.flatnonzero((y != 2) | (np.arange(len(y)) % 3 == 0))
    X, y = X[kept], y[kept]
    classifier = AdaptiveHybridClassifier(random_state=0, class_weight="balanced")
    return _facts(classifier.fit(X[::2], y[::2]), X[1::2])


def _facts(classifier, X):
    return {
        "predict": classifier.predict(X),
        "predict_proba": classifier.predict_proba(X),
        "decision_function": classifier.decision_function(X),
        "oof_proba_": classifier.oof_proba_,
        "threshold_": classifier.threshold_,
        "loss_weights_": classifier.loss_weights_,
        "best_epoch_": classifier.best_epoch_,
        "best_score_": classifier.best_score_,
        **{f"history_/{name}": v for name, v in classifier.history_.items()},
    }


def _compared(X, y):
    """What ``compare`` and ``evaluate`` measure, without seconds."""
    contenders = {
        "ours": AdaptiveHybridClassifier(random_state=0),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
        "mlp": table_pipeline(MLPClassifier(max_iter=50, random_state=0)),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        comparison = compare(
            X, y, contenders=contenders, cv=3, random_state=0, verbose=0
        )
        evaluation = evaluate(comparison.best_, X[::3], y[::3], random_state=0)
    table = comparison.table.drop(columns=["mean_fit_time", "mean_predict_time"])
    folds = comparison.folds_.select_dtypes("number")
    return {
        "table": table.to_numpy(),
        "tests_": comparison.tests_.select_dtypes("number").to_numpy(),
        "out_of_fold_": comparison.out_of_fold_.to_numpy(),
        "folds_": folds.drop(columns=["fit_time", "predict_time"]).to_numpy(),
        "evaluate": evaluation.table.to_numpy(),
        "confusion_matrix_": evaluation.confusion_matrix_.to_numpy(),
    }


if __name__ == "__main__":
    sys.exit(main())
