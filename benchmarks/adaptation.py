"""What the adaptation of the loss weights does for decisions at 0.5.

    python benchmarks/adaptation.py --data DIR [--seeds 0 1 2] [--arms NAME ...]
    python benchmarks/adaptation.py --data DIR --keras     # plain Keras, the callback
    python benchmarks/adaptation.py --data DIR --committee tune   # or 0.5
    python benchmarks/adaptation.py --report FILE ...      # the table of recorded rows

One network of 64-32 with a fifth of the rows held out (`cv=0.2`), no calibration,
decisions at 0.5. Arms differ in the losses, their weights or the rule; all networks of
a fold have one seed. Five stratified folds per seed, tables thinned to 10,000 rows. A
row per table, seed, fold and arm goes to a CSV file, and an interrupted run is taken up
where it stopped. With --committee it is the default estimator instead, with
this threshold. Column `f1_shifted` is F1 after a logit shift: the threshold whose
expected F1 on the held-out rows is best.
"""

import argparse
import os
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd
from scipy.special import logit
from scipy.stats import wilcoxon
from sklearn.metrics import (
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
)
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import Results, add_folder_argument, load, names, preprocessor

from skadaptive import AdaptiveHybridClassifier
from skadaptive._committee.threshold_tuning import at_thresholds
from skadaptive.adaptation import FLOOR
from skadaptive.thresholds import f1

_N_ROWS, _N_FOLDS = 10_000, 5
_KEYS = ["table", "seed", "fold", "arm"]
#: The weights that all other arms are compared with.
_REFERENCE = "static"

ARMS = {
    "static": {"adaptation_rate": 0},
    "threshold": {"adaptation": "threshold"},
    "cross-entropy": {"loss_weights": (1, 0, 0), "adaptation_rate": 0},
    "balanced": {
        "loss_weights": (1, 0, 0),
        "adaptation_rate": 0,
        "class_weight": "balanced",
    },
    "focal": {"loss_weights": (0, 1, 0), "adaptation_rate": 0},
    "Dice": {"loss_weights": (0.05, 0.05, 0.9), "adaptation_rate": 0},
    "lookup": {"adaptation": "lookup", "adaptation_rate": 1},
    "performance, 0.1": {"adaptation": "performance", "adaptation_rate": 0.1},
    "performance, 0.5": {"adaptation": "performance", "adaptation_rate": 0.5},
}


class Rival:
    """A rule of the literature, by the losses of the held-out rows.

    ``score`` is passed as ``scoring`` and ``rule`` as ``adaptation``: the score is F1
    at 0.5, as in the other arms, and notes the losses that the rule uses.

    Parameters
    ----------
    weights : callable
        From the losses of all epochs so far, (n_epochs, 3), and their gradients to new
        weights.
    """

    def __init__(self, weights):
        self.weights, self.losses, self.gradients = weights, [], []

    def score(self, estimator, X, y):
        p = estimator.predict_proba(X)[:, 1]
        of_truth = np.where(y == 1, p, 1 - p).clip(1e-12)
        alpha, n_rows = np.where(y == 1, 0.75, 0.25), len(y)
        cross_entropy = -np.log(of_truth)
        both = y.sum() + p.sum() + 1
        self.losses.append(
            [
                cross_entropy.mean(),
                (alpha * cross_entropy * (1 - of_truth) ** 2).mean(),
                1 - (2 * (y * p).sum() + 1) / both,
            ]
        )
        # Norms of the gradients by the logits; that of focal loss to leading order.
        self.gradients.append(
            [
                np.linalg.norm(1 - of_truth) / n_rows,
                np.linalg.norm(alpha * (1 - of_truth) ** 3) / n_rows,
                np.linalg.norm(2 * p * (1 - p)) / both,
            ]
        )
        return f1_score(y, p > 0.5, zero_division=0)

    def rule(self, scores, weights, initial_weights, rate):
        new = self.weights(np.array(self.losses), np.array(self.gradients))
        return FLOOR + (1 - 3 * FLOOR) * new / new.sum()


def _softadapt(losses, gradients):
    """Heydari, Thompson & Mehmood, 2019, with a temperature of 0.1."""
    rise = np.diff(losses[-2:] / losses[0], axis=0).sum(axis=0)
    return np.exp((rise - rise.max()) / 0.1)


def _dwa(losses, gradients):
    """Dynamic weight average (Liu, Johns & Davison, 2019), temperature 2."""
    return np.exp(losses[-1] / losses[max(-2, -len(losses))] / 2)


def _uncertainty(losses, gradients):
    """Kendall, Gal & Cipolla, 2018: the best variances for these losses."""
    return losses[0] / losses[-1]


def _gradnorm(losses, gradients):
    """Chen et al., 2018, solved for the weights instead of learnt; exponent 1.5."""
    return (losses[-1] / losses[0]) ** 1.5 / np.maximum(gradients[-1], 1e-9)


def _random(losses, gradients):
    """Random loss weighting (Lin et al., 2022), the same draws for every network."""
    return np.random.default_rng(len(losses)).dirichlet(np.ones(3))


RIVALS = {
    "SoftAdapt": _softadapt,
    "DWA": _dwa,
    "uncertainty": _uncertainty,
    "GradNorm": _gradnorm,
    "random weights": _random,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--report", type=Path, nargs="+", metavar="FILE")
    chosen, _ = parser.parse_known_args()
    if chosen.report:
        return report(pd.concat(map(pd.read_csv, chosen.report)))
    add_folder_argument(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arms", nargs="+", default=[*ARMS, *RIVALS])
    parser.add_argument("--keras", action="store_true", help="plain Keras models")
    parser.add_argument("--committee", choices=["tune", "0.5"])
    parser.add_argument("--out", type=Path, default=Path("results/adaptation.csv"))
    chosen = parser.parse_args()
    results = Results(chosen.out, _KEYS)
    arms = ["static", "threshold"] if chosen.keras else chosen.arms
    for seed in chosen.seeds:
        for table in names(chosen.data, chosen.sets):
            measure(table, seed, arms, chosen, results)
    return report(results.table)


def measure(table, seed, arms, chosen, results):
    """Add a row for each fold and arm of a table."""
    keys = [(table, seed, k, arm) for k in range(_N_FOLDS) for arm in arms]
    keys = [key for key in keys if key not in results]
    if not keys:
        return
    X, y, _ = load(chosen.data, table)
    if len(y) > _N_ROWS:
        kept = np.sort(np.random.default_rng(seed).permutation(len(y))[:_N_ROWS])
        X, y = X.iloc[kept].reset_index(drop=True), y[kept]
    splitter = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=seed)
    folds = list(splitter.split(X, y))
    for key in keys:
        train, test = folds[key[2]]
        data = X.iloc[train], y[train], X.iloc[test]
        if chosen.keras:
            proba, decided, best, history = _with_keras(key[3], seed, *data)
        else:
            proba, decided, best, history = _with_ours(
                key[3], seed, *data, **_estimator(chosen.committee)
            )
        results.add(
            **dict(zip(_KEYS, key, strict=True)),
            **scores(y[test], proba, decided, best),
            **moves(history),
        )


def _estimator(committee):
    """Parameters of the estimator: one network at 0.5, or the default."""
    if committee is None:
        return {
            "hidden_layer_sizes": (64, 32),
            "cv": 0.2,
            "calibration": None,
            "threshold": 0.5,
        }
    return {"threshold": "tune" if committee == "tune" else float(committee)}


def _with_ours(arm, seed, X, y, X_test, **estimator):
    """Probabilities and decisions of ours, the best threshold and the history."""
    if arm in RIVALS:
        rival = Rival(RIVALS[arm])
        parameters = {"scoring": rival.score, "adaptation": rival.rule}
    else:
        parameters = ARMS[arm]
    model = AdaptiveHybridClassifier(**estimator, **parameters, random_state=seed)
    model.fit(_with_categories(X), y)
    of_held_out = model.oof_proba_[:, 1]
    known = ~np.isnan(of_held_out)
    best = _best_threshold(y[known], of_held_out[known])
    X_test = _with_categories(X_test)
    proba = model.predict_proba(X_test)[:, 1]
    return proba, model.predict(X_test), best, model.history_


def _with_keras(arm, seed, X, y, X_test):
    """The same of a Keras model with ``HybridLoss`` and ``AdaptiveLossWeights``."""
    import keras

    from skadaptive.callbacks import AdaptiveLossWeights
    from skadaptive.losses import HybridLoss

    keras.utils.set_random_seed(seed)
    prepare = make_pipeline(preprocessor(), StandardScaler())
    X, X_test = prepare.fit_transform(X), prepare.transform(X_test)
    X, X_val, y, y_val = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=seed
    )
    layers = [keras.layers.Dense(units, "silu") for units in (64, 32)]
    model = keras.Sequential(
        [keras.Input(X.shape[1:]), *layers, keras.layers.Dense(1, "sigmoid")]
    )
    model.compile(keras.optimizers.Adam(0.003), HybridLoss())
    callbacks = []
    if arm == "threshold":
        callbacks = [
            AdaptiveLossWeights(adaptation=arm, validation_data=(X_val, y_val))
        ]
    history = model.fit(
        X, y, batch_size=128, epochs=24, verbose=0, callbacks=callbacks
    ).history
    proba = model.predict(np.r_[X_val, X_test], verbose=0)[:, 0]
    best = _best_threshold(y_val, proba[: len(y_val)])
    proba = proba[len(y_val) :]
    return proba, (proba > 0.5).astype(int), best, history


def _with_categories(X):
    texts = X.select_dtypes(exclude="number").columns
    return X.astype(dict.fromkeys(texts, "category"))


def _best_threshold(y, proba):
    logits = logit(np.clip(proba, 1e-7, 1 - 1e-7))
    return at_thresholds(f1, y, logits)["best_threshold"]


def scores(y, proba, decided, best):
    """F1 of the decisions and at the best threshold, and further measures."""
    return {
        "f1": f1_score(y, decided, zero_division=0),
        "f1_shifted": f1_score(y, proba > best, zero_division=0),
        "average_precision": average_precision_score(y, proba),
        "recall": recall_score(y, decided, zero_division=0),
        "precision": precision_score(y, decided, zero_division=0),
        "best_log_odds": logit(best),
    }


def moves(history):
    """Last weight of Dice, and how often per epoch the weight turned round."""
    dice = np.array(history.get("weight_dice", [0.2]))
    direction = np.sign(np.diff(dice).round(6))
    direction = direction[direction != 0]
    turns = np.count_nonzero(direction[1:] != direction[:-1])
    return {"dice": dice[-1], "turns_per_epoch": turns / len(dice)}


def report(rows):
    """Print means over the tables, and Wilcoxon tests against the static weights."""
    rows = rows.drop_duplicates(_KEYS).set_index(_KEYS)
    static = rows.xs(_REFERENCE, level="arm")
    for arm in rows.index.unique("arm"):
        own = rows.xs(arm, level="arm")
        both = own.index.intersection(static.index)
        mean = own.loc[both].groupby("table").mean()
        change = (own.loc[both] - static.loc[both]).groupby("table").mean()
        shifted = own["f1_shifted"].loc[both] - static["f1"].loc[both]
        print(
            f"{arm:18} {len(mean)} tables  F1 {mean['f1'].mean():.4f} "
            f"({_against(change['f1'])})  shifted {mean['f1_shifted'].mean():.4f} "
            f"({_against(shifted.groupby('table').mean())})  average precision "
            f"{mean['average_precision'].mean():.4f} "
            f"({_against(change['average_precision'])})  recall "
            f"{mean['recall'].mean():.3f}  precision {mean['precision'].mean():.3f}  "
            f"Dice {mean['dice'].mean():.2f}  "
            f"turns {mean['turns_per_epoch'].mean():.2f}"
        )


def _against(change):
    if not change.any():
        return "the same"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = wilcoxon(change).pvalue
    ahead, behind = (change > 0).sum(), (change < 0).sum()
    return f"{change.mean():+.4f}, {ahead} to {behind}, p {p:.3f}"


if __name__ == "__main__":
    main()
