"""Variants on four kinds of tables on which trees have been seen ahead.

    python benchmarks/weak_spots.py wide --data DIR [--sets NAME ...]
    python benchmarks/weak_spots.py categories --data DIR
    python benchmarks/weak_spots.py few --data DIR
    python benchmarks/weak_spots.py repeated --data DIR

"wide": 450 rows of each table, of which 25 are rare, and with ``--features N`` permuted
copies of its columns, up to N; features are chosen by univariate relevance.
"categories": target statistics beside or instead of categories, and those of pairs.
"few": tables of at most 1,000 rows, with other parameters. "repeated": test rows that
equal a training row, apart from the others. Tables that a question does not concern are
left out. A row per table, fold and variant goes to a CSV file; an interrupted run is
taken up where it stopped; docs/research/053 has the figures.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.preprocessing import TargetEncoder
from tables import (
    Results,
    add_folder_argument,
    load,
    names,
    preprocessor,
    raw_columns,
    text_columns,
)

from skadaptive import AdaptiveHybridClassifier
from skadaptive._features.relevance import quantile_codes, univariate_relevance

#: The sample of "wide".
N_ROWS, N_RARE = 450, 25
#: Rows of the tables of "few", and to which those of "categories" are thinned.
FEW, MOST_ROWS = 1000, 8000
VARIANTS = {
    "default": {},
    "another seed": {"random_state": 1},
    "4 bins": {"n_bins": 4},
    "8 bins": {"n_bins": 8},
    "no encoding": {"n_bins": None},
    "half the learning rate": {"learning_rate": 0.02},
    "cross-entropy": {"loss_weights": (1, 0, 0)},
    "scored by average precision": {"scoring": "average_precision"},
    "half the epochs": {"max_epochs": 12},
    "two layers of 32": {"hidden_layer_sizes": (32, 32)},
    "one layer of 64": {"hidden_layer_sizes": (64,)},
}


def ours(**parameters):
    return AdaptiveHybridClassifier(**{"random_state": 0, **parameters})


def folds(X, y, options):
    """Training and test rows of each fold."""
    for repeat in range(options.repeats):
        splitter = StratifiedKFold(5, shuffle=True, random_state=20 + repeat)
        yield from splitter.split(X, y)


# ---------------------------------------------------------------------- the four kinds


def wide(X, y, options):
    """Logits of committees of five over all and over the most relevant features."""
    if np.sum(y == 1) < 2 * N_RARE or len(y) < 2 * N_ROWS:
        return
    X = X[X.select_dtypes(include="number").columns]
    X = X.fillna(X.median()).to_numpy(dtype=float)
    for draw in range(options.repeats):
        rng = np.random.default_rng(10 + draw)
        rare, common = (rng.permutation(np.flatnonzero(y == c)) for c in (1, 0))
        parts = [
            np.r_[rare[:N_RARE], common[: N_ROWS - N_RARE]],
            np.r_[rare[N_RARE:], common[N_ROWS - N_RARE :]],
        ]
        tables = [X[rows] for rows in parts]
        if options.features is not None:
            copied = rng.integers(X.shape[1], size=options.features - X.shape[1])
            tables = [
                np.column_stack([t, *(rng.permutation(t[:, i]) for i in copied)])
                for t in tables
            ]
        train, test = (t[:, np.ptp(tables[0], axis=0) > 0] for t in tables)
        y_train, y_test = (y[rows] for rows in parts)
        weight = np.ones(N_ROWS)
        relevance = univariate_relevance(quantile_codes(train, weight), y_train, weight)
        order = np.argsort(-relevance, kind="stable")
        logits = {}
        for name, n_features in {"all": None, "r": N_RARE, "2r": 2 * N_RARE}.items():
            kept = np.sort(order[:n_features])
            model = ours(cv=5).fit(train[:, kept], y_train)
            logits[name] = model.decision_function(test[:, kept])
        for one in ("r", "2r"):
            logits[f"all and {one}"] = (logits["all"] + logits[one]) / 2
        logits["default"] = ours().fit(train, y_train).decision_function(test)
        yield draw, {name: (y_test, expit(z)) for name, z in logits.items()}


def categories(X, y, options):
    """Target statistics, cross-fitted in the training rows."""
    X = raw_columns(X)
    columns = text_columns(X)
    if not columns:
        return
    if len(X) > MOST_ROWS:
        X, _, y, _ = train_test_split(
            X, y, train_size=MOST_ROWS, stratify=y, random_state=5
        )
    pairs = pd.DataFrame(
        {
            f"{one} and {other}": X[one] + "|" + X[other]
            for i, one in enumerate(columns)
            for other in columns[i + 1 :]
        },
        index=X.index,
    )
    for fold, (train, test) in enumerate(folds(X, y, options)):

        def with_statistics(of, train=train, test=test):
            encoder = TargetEncoder(target_type="binary", random_state=0)
            found = [
                encoder.fit_transform(of.iloc[train], y[train]),
                encoder.transform(of.iloc[test]),
            ]
            titles = [f"statistic {i}" for i in range(of.shape[1])]
            return [
                X.iloc[rows].assign(**dict(zip(titles, values.T, strict=True)))
                for rows, values in zip((train, test), found, strict=True)
            ]

        beside = with_statistics(X[columns])
        tables = {
            "default": (X.iloc[train], X.iloc[test]),
            "statistics beside": beside,
            "statistics instead": [t.drop(columns=columns) for t in beside],
        }
        if 2 <= len(columns) <= 10:
            tables["statistics of pairs beside"] = with_statistics(pairs)
        yield (
            fold,
            {
                name: (y[test], ours().fit(one, y[train]).predict_proba(other)[:, 1])
                for name, (one, other) in tables.items()
            },
        )


def few(X, y, options):
    """Other parameters, where there are few rows."""
    if len(X) > FEW:
        return
    X = raw_columns(X)
    for fold, (train, test) in enumerate(folds(X, y, options)):
        found = {}
        for name, parameters in VARIANTS.items():
            model = ours(**parameters).fit(X.iloc[train], y[train])
            found[name] = y[test], model.predict_proba(X.iloc[test])[:, 1]
        yield fold, found


def repeated(X, y, options):
    """Ours, with and without the classes of equal training rows, and a forest."""
    X = np.asarray(preprocessor().fit_transform(X), dtype=float)
    rows = pd.util.hash_pandas_object(pd.DataFrame(X), index=False).to_numpy()
    if pd.Series(rows).duplicated().mean() < 0.1:
        return
    for fold, (train, test) in enumerate(folds(X, y, options)):
        counts = pd.DataFrame({"row": rows[train], "y": y[train]}).groupby("row").y
        twins = counts.agg(["sum", "count"]).reindex(rows[test]).fillna(0).to_numpy()
        proba = {
            "default": ours().fit(X[train], y[train]),
            "forest": RandomForestClassifier(300, random_state=0).fit(
                X[train], y[train]
            ),
        }
        proba = {name: m.predict_proba(X[test])[:, 1] for name, m in proba.items()}
        has_twin = twins[:, 1] > 0
        found = {}
        for name, q in proba.items():
            found[name] = y[test], q
            found[f"{name}, twins"] = y[test][has_twin], q[has_twin]
            found[f"{name}, no twins"] = y[test][~has_twin], q[~has_twin]
        for strength in (0.5, 2, 10):
            q = (twins[:, 0] + strength * proba["default"]) / (twins[:, 1] + strength)
            found[f"default and twins, {strength:g}"] = y[test], q
        yield fold, found


KINDS = {"wide": wide, "categories": categories, "few": few, "repeated": repeated}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    add_folder_argument(parser)
    parser.add_argument("--features", type=int, help="columns of a wide table")
    parser.add_argument("--repeats", type=int, default=1, help="shuffles or draws")
    parser.add_argument("--out", type=Path, default="results/weak_spots.csv")
    options = parser.parse_args()
    kind = options.kind if options.features is None else f"wide, {options.features}"
    n_folds = options.repeats * (1 if options.kind == "wide" else 5)
    results = Results(options.out, ["kind", "set", "fold", "variant"])
    for name in names(options.data, options.sets, 12_000):
        X, y, _ = load(options.data, name)
        known = results.table.query("kind == @kind and set == @name")
        if known["fold"].nunique() == n_folds:
            continue
        for fold, found in KINDS[options.kind](X, y, options):
            for variant, (labels, proba) in found.items():
                if (kind, name, fold, variant) in results or not labels.any():
                    continue
                results.add(
                    kind=kind,
                    set=name,
                    fold=fold,
                    variant=variant,
                    average_precision=average_precision_score(labels, proba),
                    brier=brier_score_loss(labels, np.clip(proba, 0, 1)),
                )
        print(name, flush=True)
    report(results.table.query("kind == @kind"))


def report(table):
    """Differences to the default, with their standard errors over the tables."""
    for measure, sign in (("average_precision", 1), ("brier", -1)):
        folds_ = table.pivot_table(
            index=["set", "fold"], columns="variant", values=measure
        )
        means = folds_.groupby("set").mean()
        gains = sign * means.sub(means["default"], axis=0).drop(columns="default")
        shown = pd.DataFrame(
            {
                "gain": gains.mean(),
                "standard error": gains.sem(),
                "ahead": (gains > 0).sum(),
                "behind": (gains < 0).sum(),
            }
        )
        print(f"\nGain in {measure} over the default, {means['default'].mean():.4f}")
        print(shown.round(4).to_string())


if __name__ == "__main__":
    main()
