"""
=========================================================
An adaptive loss that did not adapt, and two that really do
=========================================================

A published "adaptive hybrid loss" mixes cross-entropy, focal loss and Dice, .4, .4 and
.2 at first, and after each epoch looks the next mix up by the F1 of validation rows:
below .7 it is .3, .5, .2, below .8 .4, .4, .2, else .5, .3, .2. It sets the new numbers
on the loss object, as Python floats. By then Keras has compiled the old ones into the
training step as constants: **the mix never changes**. Here that can be seen; then the
same rule runs with a loss that holds its mix in a variable, and beside both
``AdaptiveHybridClassifier``, with the published rule and with its own::

    python adaptive_against_lookup.py [--data FILE.csv --target COLUMN]
                                           [--weight COLUMN] [--seeds 5] [--quick]

Without arguments it runs on the digits that scikit-learn bundles. The original ran on
the credit card fraud set and shows no figures.

What else can be questioned in the original, apart from the mix that stands still:

- The rows that steer it are a validation part: 15 % of the rare rows, lost to training.
  ``AdaptiveHybridClassifier`` steers by out-of-fold predictions of all of them.
- It steers by F1 at 0.5, which tells a poor ranking from a wrong threshold no better
  than the F1 at 0.5 that it reports in the end. Average precision stands beside it
  here, and F1 at a threshold tuned without the test rows.
- It reports one split with one seed.
"""

# %%
# Arguments
# ---------

import argparse
import os
import sys
from math import ceil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from keras import ops
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    RocCurveDisplay,
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skadaptive import AdaptiveHybridClassifier
from skadaptive.adaptation import TERMS
from skadaptive.callbacks import AdaptiveLossWeights
from skadaptive.datasets import load_rare
from skadaptive.losses import HybridLoss

AS_IT_RAN, LIVE = "published, as it ran", "published, made live"
LOOKUP, OURS, TREE = "ours, published rule", "ours", "HistGradientBoosting"
FIRST_SEED = 42


def parse_arguments():
    parser = argparse.ArgumentParser(description="The published adaptive loss, live.")
    parser.add_argument("--data", type=Path, help="a CSV file, plain or gzipped")
    parser.add_argument("--target", help="its column with the classes")
    parser.add_argument("--weight", help="its column with weights of the rows, if any")
    parser.add_argument(
        "--seeds", type=int, default=5, help="splits, each with its own networks"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one split, too few epochs: a trial run"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of the picture"
    )
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.target is None):
        parser.error("--data and --target go together")
    if arguments.weight is not None and arguments.data is None:
        parser.error("--weight needs --data and --target")
    if arguments.seeds < 1:
        parser.error(f"--seeds must be at least 1; got {arguments.seeds}")
    return parser, arguments


# %%
# Data
# ----


def read_table(parser, path, target, weight):
    """Features, a target that is 1 for its rarest value, and weights of the rows."""
    try:
        frame = pd.read_csv(path).dropna(axis=1, how="all")
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {path}: {error}")
    for name in filter(None, (target, weight)):
        if name not in frame:
            parser.error(
                f"{path} has no column {name!r}; it has {', '.join(map(str, frame))}"
            )
        if frame[name].isna().any():
            parser.error(f"{frame[name].isna().sum()} rows have no value in {name!r}")
    labels = frame.pop(target)
    counts = labels.value_counts()
    if not 2 <= len(counts) <= 20 or counts.iloc[-1] < 20:
        parser.error(
            f"{target!r} has {len(counts)} values, the rarest in {counts.iloc[-1]} "
            "rows; it should have two classes, or a few, with 20 rows or more each"
        )
    y = (labels == counts.index[-1]).to_numpy(dtype=int)
    weights = np.ones(len(y))
    if weight is not None:
        weights = pd.to_numeric(frame.pop(weight), errors="coerce").to_numpy(float)
        if not (weights > 0).all():
            parser.error(f"the column {weight!r} must hold positive numbers throughout")
    for name in frame.select_dtypes("number"):
        # A weight that restores class shares is the usual case.
        if roc_auc_score(y, frame[name].fillna(frame[name].median())) in (0, 1):
            parser.error(
                f"the column {name!r} alone tells the classes apart. If it holds "
                f"weights of the rows, pass --weight {name}; otherwise take it out"
            )
    return frame, y, weights / weights.mean()


def load(parser, arguments):
    """Name, features, labels and weights of the set to be shown."""
    if arguments.data is None:
        bunch = load_rare("digits", as_frame=True)
        return "digits", bunch.data, bunch.target.to_numpy(), np.ones(len(bunch.data))
    name = arguments.data.name.partition(".")[0]
    return name, *read_table(parser, arguments.data, arguments.target, arguments.weight)


def split(X, y, weight, seed):
    """70 % to train on, 15 % for validation, 15 % for the test: (X, y, weight) each."""
    X_train, X_rest, *others = train_test_split(
        X, y, weight, test_size=0.3, stratify=y, random_state=seed
    )
    y_train, y_rest, weight_train, weight_rest = others
    X_val, X_test, y_val, y_test, weight_val, weight_test = train_test_split(
        X_rest, y_rest, weight_rest, test_size=0.5, stratify=y_rest, random_state=seed
    )
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", min_frequency=10, sparse_output=False),
    )
    prepare = make_column_transformer(
        (
            make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
            make_column_selector(dtype_include=["number", "bool"]),
        ),
        (categories, make_column_selector(dtype_exclude=["number", "bool"])),
    )
    return (
        (prepare.fit_transform(X_train).astype("float32"), y_train, weight_train),
        (prepare.transform(X_val).astype("float32"), y_val, weight_val),
        (prepare.transform(X_test).astype("float32"), y_test, weight_test),
    )


# %%
# The original as it really ran
# -----------------------------
#
# The same loss and the same loop. Its focal loss weighs both classes .25.


class PublishedLoss(keras.losses.Loss):
    """Cross-entropy, focal loss and Dice, mixed by three Python floats."""

    def __init__(self):
        super().__init__(name="published")
        self.mix = (0.4, 0.4, 0.2)

    def call(self, y_true, y_pred):
        cross_entropy = keras.losses.binary_crossentropy(y_true, y_pred)
        focal = 0.25 * (1 - ops.exp(-cross_entropy)) ** 2 * cross_entropy
        overlap, total = ops.sum(y_true * y_pred), ops.sum(y_true) + ops.sum(y_pred)
        dice = 1 - (2 * overlap + 1e-6) / (total + 1e-6)
        terms = (cross_entropy, focal, dice)
        return sum(w * term for w, term in zip(self.mix, terms, strict=True))


def look_up(f1):
    if f1 < 0.7:
        return 0.3, 0.5, 0.2
    return (0.4, 0.4, 0.2) if f1 < 0.8 else (0.5, 0.3, 0.2)


def network(n_features, loss, seed):
    """MLP 64-32, its seed set."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((n_features,)),
            keras.layers.Dense(64, "relu"),
            keras.layers.Dense(32, "relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    f1 = keras.metrics.F1Score(average="micro", threshold=0.5, name="f1")
    model.compile("adam", loss, weighted_metrics=[f1])
    return model


def keras_rows(X, y, weight):
    return X, y.astype("float32")[:, None], weight


def probabilities(model, X):
    return ops.convert_to_numpy(model(X))[:, 0]


def train_as_it_ran(train, val, n_epochs, seed, rule=look_up):
    """The model, and by epoch the mix that the floats said."""
    loss = PublishedLoss()
    X, y, weight = keras_rows(*train)
    X_val, y_val, weight_val = val
    model = network(X.shape[1], loss, seed)
    said = []
    for _ in range(n_epochs):
        said.append(loss.mix)
        model.fit(X, y, sample_weight=weight, batch_size=256, verbose=0)
        found = probabilities(model, X_val) > 0.5
        loss.mix = rule(
            f1_score(y_val, found, sample_weight=weight_val, zero_division=0)
        )
    return model, np.array(said)


# %%
# The rule made live
# ------------------
#
# ``HybridLoss`` holds the mix in a variable. With these parameters it is the published
# loss. ``AdaptiveLossWeights`` follows the running median of three scores, where the
# original took the last.


def train_live(train, val, n_epochs, seed, rate=1.0):
    """The model, and by epoch the mix that it trained with."""
    X, y, weight = keras_rows(*train)
    loss = HybridLoss((0.4, 0.4, 0.2), gamma=2.0, alpha=(0.25, 0.25), smooth=1e-6)
    model = network(X.shape[1], loss, seed)
    history = model.fit(
        X,
        y,
        sample_weight=weight,
        batch_size=256,
        epochs=n_epochs,
        validation_data=keras_rows(*val),
        verbose=0,
        callbacks=[AdaptiveLossWeights("val_f1", "max", "lookup", rate)],
    ).history
    return model, np.column_stack([history[f"weight_{term}"] for term in TERMS])


# %%
# Seeing it
# ---------
#
# First, all three weights are set to 0 after one epoch. A loss that listens is 0 from
# then on. Second, each training runs twice with one seed, with the rule and without.
# If the rule does anything, the predictions differ.


def what_listens(train, val, n_epochs, seed):
    """Loss without weights, and what the rule does to validation probabilities."""
    X, y, weight = keras_rows(*train)
    rows = {AS_IT_RAN: {}, LIVE: {}}
    for name, loss in ((AS_IT_RAN, PublishedLoss()), (LIVE, HybridLoss())):
        model = network(X.shape[1], loss, seed)
        model.fit(X, y, sample_weight=weight, batch_size=256, verbose=0)
        if name == AS_IT_RAN:
            loss.mix = (0.0, 0.0, 0.0)
        else:
            loss.loss_weights.assign((0.0, 0.0, 0.0))
        again = model.fit(X, y, sample_weight=weight, batch_size=256, verbose=0)
        rows[name]["loss, all weights 0"] = again.history["loss"][0]

    def difference(train_it, **without):
        probas = [
            probabilities(train_it(train, val, n_epochs, seed, **rule)[0], val[0])
            for rule in ({}, without)
        ]
        return np.abs(probas[0] - probas[1]).max()

    column = "greatest difference made by the rule"
    rows[AS_IT_RAN][column] = difference(
        train_as_it_ran, rule=lambda f1: (0.4, 0.4, 0.2)
    )
    rows[LIVE][column] = difference(train_live, rate=0.0)
    return pd.DataFrame.from_dict(rows, orient="index")


# %%
# Measures
# --------
#
# The original's networks train on 70 % and have their 15 % of validation rows for the
# rule; here for the threshold as well. ``AdaptiveHybridClassifier`` is given the 85 %
# in one piece: its folds take the part of the validation rows. The boosted tree is
# fitted on the 70 % to tune its threshold, and then on the 85 %.


def best_threshold(y, proba, weight):
    precision, recall, thresholds = precision_recall_curve(
        y, proba, sample_weight=weight
    )
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return thresholds[f1[:-1].argmax()]


def contend(name, train, val, test, n_epochs, seed, quick):
    """Test probabilities, the threshold, and the mix by epoch if there is one."""
    X, y, weight = (np.concatenate(parts) for parts in zip(train, val, strict=True))
    if name in (AS_IT_RAN, LIVE):
        train_it = train_as_it_ran if name == AS_IT_RAN else train_live
        model, mix = train_it(train, val, n_epochs, seed)
        val_proba, proba = (probabilities(model, part[0]) for part in (val, test))
        return proba, best_threshold(val[1], val_proba, val[2]), mix
    if name == TREE:
        model = HistGradientBoostingClassifier(random_state=seed)
        model.fit(train[0], train[1], train[2])
        val_proba = model.predict_proba(val[0])[:, 1]
        model.fit(X, y, weight)
        threshold = best_threshold(val[1], val_proba, val[2])
        return model.predict_proba(test[0])[:, 1], threshold, None
    model = AdaptiveHybridClassifier(
        adaptation="lookup" if name == LOOKUP else "performance",
        max_epochs=6 if quick else "auto",
        random_state=seed,
    ).fit(X, y, weight)
    mix = np.column_stack([model.history_[f"weight_{term}"] for term in TERMS])
    return model.predict_proba(test[0])[:, 1], model.threshold_, mix


def measures(y, proba, threshold, weight):
    tuned = proba >= threshold
    keywords = {"sample_weight": weight}
    return {
        "accuracy": accuracy_score(y, tuned, **keywords),
        "precision": precision_score(y, tuned, zero_division=0, **keywords),
        "recall": recall_score(y, tuned, zero_division=0, **keywords),
        "F1 tuned": f1_score(y, tuned, zero_division=0, **keywords),
        "F1 at 0.5": f1_score(y, proba > 0.5, zero_division=0, **keywords),
        "ROC AUC": roc_auc_score(y, proba, **keywords),
        "average precision": average_precision_score(y, proba, **keywords),
    }


def epochs(n_rows, quick):
    """10 are 7,800 steps on the table of the original, and 20 on a small one.

    There the average precision of validation rows rises until 500.
    """
    return 3 if quick else max(10, ceil(500 / ceil(n_rows / 256)))


def run(X, y, weight, seeds, quick):
    """Every contender on every split.

    Returns
    -------
    results : DataFrame
        One row per contender and seed.
    first : dict of str to (ndarray, float, ndarray or None)
        Test probabilities, threshold and mix of the first split.
    (y_test, weight_test) : tuple of ndarray
        Its labels and weights.
    """
    rows, first = {}, {}
    for seed in seeds:
        parts = split(X, y, weight, seed)
        n_epochs = epochs(len(parts[0][1]), quick)
        if seed == seeds[0]:
            truth = parts[2][1], parts[2][2]
        for name in (AS_IT_RAN, LIVE, LOOKUP, OURS, TREE):
            print(f"  seed {seed}: {name}", file=sys.stderr)
            found = contend(name, *parts, n_epochs, seed, quick)
            rows[name, seed] = measures(parts[2][1], *found[:2], parts[2][2])
            keras.backend.clear_session()  # or every network stays in memory
            if seed == seeds[0]:
                first[name] = found
    return pd.DataFrame(rows).T.rename_axis(["contender", "seed"]), first, truth


def against_the_best(results):
    """Ours, the best other network and the tree: means, and paired differences."""
    rows = {}
    for measure in ("F1 tuned", "average precision"):
        by_seed = results[measure].unstack("contender")
        means = by_seed.mean()
        for kind, rivals in (
            ("best other network", [AS_IT_RAN, LIVE, LOOKUP]),
            ("boosted tree", [TREE]),
        ):
            best = means[means.index.intersection(rivals)].idxmax()
            difference = by_seed[OURS] - by_seed[best]
            rows[measure, kind] = {
                "name": best,
                "its mean": means[best],
                "ours": means[OURS],
                "difference": difference.mean(),
                "standard error": difference.sem(),
                "splits with ours ahead": (difference > 0).sum(),
            }
    return pd.DataFrame.from_dict(rows, orient="index")


# %%
# The picture
# -----------


def draw(first, truth, path):
    """First split: ROC curves, confusion matrices, and the mixes by epoch."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    (roc, mixes), matrices = axes
    y, weight = truth
    for name, (proba, _, _) in first.items():
        RocCurveDisplay.from_predictions(
            y,
            proba,
            sample_weight=weight,
            name=name,
            ax=roc,
            plot_chance_level=name == TREE,
        )
    roc.set(title="ROC curve")
    roc.legend(loc="lower right", fontsize="small")
    for name, colour, line in (
        (LIVE, "tab:orange", "-"),
        (LOOKUP, "tab:green", "-"),
        (OURS, "tab:red", "-"),
        (AS_IT_RAN, "tab:blue", "--"),
    ):
        mix = first[name][2][:, 0]
        label = f"{name} (said, not done)" if name == AS_IT_RAN else name
        epochs = np.arange(1, len(mix) + 1) / len(mix)
        mixes.step(epochs, mix, line, where="mid", color=colour, label=label)
    mixes.axhline(0.4, color="tab:blue", zorder=1, label=f"{AS_IT_RAN} (done)")
    mixes.set(title="How the mix moved", xlabel="share of the epochs", ylim=(0, 0.7))
    mixes.set_ylabel("share of cross-entropy in the loss")
    mixes.legend(fontsize="small")
    for ax, name in zip(matrices, (AS_IT_RAN, OURS), strict=True):
        proba, threshold, _ = first[name]
        ConfusionMatrixDisplay.from_predictions(
            y, proba >= threshold, ax=ax, cmap="Blues", colorbar=False
        )
        ax.set_title(f"{name}, threshold tuned")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def main():
    parser, arguments = parse_arguments()
    name, X, y, weight = load(parser, arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    n_seeds = 1 if arguments.quick else arguments.seeds
    seeds = range(FIRST_SEED, FIRST_SEED + n_seeds)
    share = np.average(y, weights=weight)
    print(f"{name}: {len(y):,} rows, {y.sum()} rare, {share:.2%}", end="")
    print(", weighted." if len(np.unique(weight)) > 1 else ".")
    train, val, _ = split(X, y, weight, FIRST_SEED)
    n_epochs = epochs(len(train[1]), arguments.quick)
    print(f"The networks of the original train for {n_epochs} epochs.")
    listens = what_listens(train, val, min(n_epochs, 10), FIRST_SEED)
    print(listens.to_string(float_format="{:.4g}".format))
    results, first, truth = run(X, y, weight, seeds, arguments.quick)
    print(
        f"\nMeans over {n_seeds} splits, {truth[0].sum()} rare test rows in the first;"
    )
    print("accuracy, precision and recall at the tuned threshold")
    shown = "{:.3f}".format
    table = results.groupby("contender", sort=False).mean()
    print(table.to_string(float_format=shown))
    print("\nAdaptiveHybridClassifier, ours, against the best of the others:")
    print(against_the_best(results).to_string(float_format=shown, na_rep="-"))
    results.to_csv(arguments.out / f"adaptive_against_lookup_{name}.csv")
    picture = arguments.out / f"adaptive_against_lookup_{name}.png"
    draw(first, truth, picture)
    print(f"Curves, mixes and confusion matrices: {picture}")


if __name__ == "__main__":
    sys.exit(main())
