"""ONNX graphs beside the models they come from: agreement, size and time per row.

    python benchmarks/onnx_export.py [--tables N] [--rounds N] [--data DIR]

For each of the generated tables a classifier of random parameters, and in turn one of
the other quick contenders, is fitted, and the graph is held against ``predict_proba``
on new rows, with categories that were not in the training: of a fit on numbers that are
exact in float32, and of a fit on the same before they were rounded. With a folder of
tables the same is done on 2,000 rows of each as they are. Then default fits of 2,000
rows are timed: onnxruntime and NumPy take turns, each on one thread.

Needs the extra ``onnx``; takes about ten minutes on one core.
"""

import argparse
import os
import pickle
import time
import warnings
from functools import partial
from pathlib import Path

# One thread; this has to be set before the imports.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import onnxruntime
import pandas as pd
from tables import load, names

from skadaptive import AdaptiveHybridClassifier, to_onnx
from skadaptive.contenders import OURS, default_contenders

_KINDS = ("normal", "heavy", "time", "integer", "flag", "dominant", "tiny")
_LEVELS = {"few": 3, "many": 150}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--data", type=Path, help="folder of tables; see tables.py")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    if chosen.tables:
        print_differences(chosen.tables)
    if chosen.data:
        print_differences_of_real_tables(chosen.data)
    print_sizes_and_times(chosen.rounds)


# --------------------------------------------------------------------------- agreement


def print_differences(n_tables):
    rows = [difference for seed in range(n_tables) for difference in differences(seed)]
    table = pd.DataFrame(rows, columns=["model", "exact", "rounded"])
    print(f"largest difference of a probability, {n_tables} tables of 200 new rows")
    print(f"{'':36s}   fits  exact in float32  rounded to it")
    for model, part in table.groupby("model", sort=False):
        print(
            f"{model:36s} {len(part):6,} {part['exact'].max():16.1e} "
            f"{part['rounded'].max():15.1e}"
        )


def differences(seed):
    """Differences of the models of one table."""
    rng = np.random.default_rng(seed)
    kinds = [*rng.choice([*_KINDS, "decimal", "text"], rng.integers(3, 10)), "normal"]
    n_levels = rng.choice(list(_LEVELS.values()))
    n_rows = int(rng.choice([150, 400, 800]))
    X = draw_table(rng, kinds, n_rows, n_levels)
    new = draw_table(rng, kinds, 200, 2 * n_levels)
    score = X.iloc[:, -1].fillna(0.0) + rng.normal(scale=0.5, size=n_rows)
    isotonic = seed % 4 == 0
    n_classes = rng.choice([2, 2, 3])
    y = np.digitize(score, np.quantile(score, [0.8, 0.93][: n_classes - 1]))
    ours = AdaptiveHybridClassifier(
        activation=rng.choice(["silu", "relu", "selu", "gelu", "tanh", "elu"]),
        calibration="isotonic" if isotonic else rng.choice(["sigmoid", None]),
        batch_size=rng.choice([64, n_rows]),
        n_bins=rng.choice(["auto", None]),
        max_epochs=3,
        cv=3,
        random_state=0,
    )
    models = {f"{OURS}{', isotonic' if isotonic else ''}": ours}
    others = default_contenders(exact(X), quick=True, random_state=0)
    name = list(others)[1 + seed % 4]
    models[name] = others[name]
    for name, model in models.items():
        yield name, gap(model, exact(X), y, exact(new)), gap(model, X, y, new)


def gap(model, X, y, new):
    """Largest difference of a probability after a fit."""
    session = session_of(model.fit(X, y))
    (proba,) = session.run(None, feed(session, new))
    return np.abs(proba - model.predict_proba(new)).max()


def print_differences_of_real_tables(folder):
    print("\nlargest difference of a probability on 2,000 training rows as they are")
    for table in names(folder):
        X, y, _ = load(folder, table)
        rows = np.random.default_rng(0).permutation(len(y))[:2_000]
        X, y = X.iloc[rows], y[rows]
        if min(np.bincount(y)) < 20:
            continue
        parts = []
        for name, model in default_contenders(X, quick=True, random_state=0).items():
            parts.append(f"{name} {gap(model, X, y, X):.1e}")
        print(f"{table}: {'; '.join(parts)}", flush=True)


def draw_table(rng, kinds, n_rows, n_levels):
    """A table with a column of each kind, a tenth of the values missing."""
    columns = {}
    for number, kind in enumerate(kinds):
        normal = rng.normal(size=n_rows)
        column = {
            "normal": normal,
            "heavy": np.sinh(4 * normal),
            "time": 1.7e9 + 1e7 * normal,
            "integer": np.round(20 * normal),
            "flag": normal > 1,
            "dominant": np.where(normal > 0.5, normal, 0.0),
            "tiny": 1e-9 * normal,
            "decimal": np.round(20 * normal, 1),
            "text": rng.integers(n_levels, size=n_rows),
        }[kind]
        column = pd.Series(column, dtype=float)
        column[rng.random(n_rows) < 0.1] = np.nan
        if kind == "text":
            column = column.map("level {:.0f}".format, na_action="ignore")
        columns[f"{kind} {number}"] = column
    return pd.DataFrame(columns)


def exact(X):
    """The table with its numbers rounded to float32, kept in float64."""
    numbers = X.select_dtypes("number")
    return X.assign(**numbers.astype(np.float32).astype(float))


# ---------------------------------------------------------------------- sizes and times


def print_sizes_and_times(n_rounds):
    rng = np.random.default_rng(0)
    kinds = [*rng.choice(_KINDS, 26), *["text"] * 4]
    X = exact(draw_table(rng, kinds, 2_000, 20))
    score = X.iloc[:, :5].rank(pct=True).sum(axis=1)
    y = (score + rng.normal(size=len(X)) > 3.8).astype(int)
    print(
        f"\ndefault fits of 2,000 rows and 30 columns, 4 of them texts ({y.mean():.1%} "
        f"rare); times are the least of {n_rounds} rounds, one thread"
    )
    print(
        f"{'':28s} {'graph':>8s} {'pickle':>8s}   microseconds per row: onnxruntime, "
        "predict_proba"
    )
    models = default_contenders(X, quick=True, random_state=0)
    for name, model in models.items():
        print_size_and_time(name, model.fit(X, y), X, n_rounds)
    numbers = X.iloc[:, :26].to_numpy()
    print_size_and_time(
        "ours, an array of numbers", models[OURS].fit(numbers, y), numbers, n_rounds
    )


def print_size_and_time(name, model, X, n_rounds):
    size = len(to_onnx(model).SerializeToString()) / 1e6
    pickled = len(pickle.dumps(model)) / 1e6
    session, parts = session_of(model), []
    for n_rows, calls in ((1, 50), (1_000, 2)):
        run = partial(session.run, None, feed(session, X[:n_rows]))
        ways = run, partial(model.predict_proba, X[:n_rows])
        seconds = [[timed(way, calls) for way in ways] for _ in range(n_rounds)]
        # Other work on the machine can only add to a time.
        own, other = 1e6 * np.min(seconds, axis=0) / n_rows
        parts.append(f"{n_rows:5,} at a time {own:8.1f} {other:8.1f}")
    print(f"{name:28s} {size:5.2f} MB {pickled:5.2f} MB   {';  '.join(parts)}")


def timed(call, n_calls):
    """Seconds per call."""
    call()
    start = time.perf_counter()
    for _ in range(n_calls):
        call()
    return (time.perf_counter() - start) / n_calls


# ------------------------------------------------------------------------- onnxruntime


def session_of(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        to_onnx(model).SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
    )


def feed(session, X):
    """Inputs of a graph: float32 and NaN, or texts and "" where missing."""
    if isinstance(X, np.ndarray):
        return {"X": X.astype(np.float32)}
    return {
        column.name: (
            X[[column.name]].fillna("").to_numpy(object)
            if column.type == "tensor(string)"
            else X[[column.name]].to_numpy(np.float32)
        )
        for column in session.get_inputs()
    }


if __name__ == "__main__":
    main()
