"""
===========================================
Quickstart: a rare class, and the baselines
===========================================

``AdaptiveHybridClassifier`` beside what a data scientist would have used anyway, on
real data with a rare class: a cross-validated table, and a picture of how the mix of
losses followed the score.

Without arguments it runs on data that scikit-learn bundles. On a table of your own::

    python plot_quickstart.py --data FILE.csv --target COLUMN

The rarest value of the column is the class to be found. Columns of text are one-hot
encoded, missing numbers imputed, all inside the folds.
"""

# %%
# Arguments
# ---------

import argparse
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skadaptive import AdaptiveHybridClassifier
from skadaptive.datasets import load_rare

METRICS = ["average_precision", "f1", "recall", "precision", "roc_auc"]


def parse_arguments():
    parser = argparse.ArgumentParser(description="Compare with baselines on a table.")
    parser.add_argument("--data", type=Path, help="a CSV file, plain or gzipped")
    parser.add_argument("--target", help="its column with the classes")
    parser.add_argument("--folds", type=int, default=5, help="default: 5")
    parser.add_argument(
        "--out", type=Path, default=Path("results"), help="folder of the picture"
    )
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.target is None):
        parser.error("--data and --target go together")
    return parser, arguments


# %%
# Data
# ----


def read_table(parser, path, target):
    """A user's CSV: features and a target that is 1 for its rarest value."""
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        parser.error(f"cannot read {path}: {error}")
    if target not in frame:
        parser.error(
            f"{path} has no column {target!r}; it has {', '.join(map(str, frame))}"
        )
    labels = frame.pop(target)
    if labels.isna().any():
        parser.error(f"{labels.isna().sum()} rows have no value in {target!r}")
    counts = labels.value_counts()
    if not 2 <= len(counts) <= 20:
        parser.error(
            f"{target!r} has {len(counts)} values; it should have the two classes, or "
            "a few of which the rarest is to be found"
        )
    rare = counts.index[-1]
    return frame, (labels == rare).astype(int), f"{rare!s}"


def data_sets(parser, arguments):
    """Name, features, target and name of the rare class of each set to be shown."""
    if arguments.data is not None:
        yield arguments.data.name, *read_table(parser, arguments.data, arguments.target)
        return
    for name in ("breast_cancer", "digits"):
        bunch = load_rare(name, as_frame=True)
        yield name, bunch.data, bunch.target, bunch.target_names[1]


# %%
# Contenders
# ----------
#
# All get the same features. Ours scales inside; networks and linear models get a
# scaler. None is tuned.


def preprocessing():
    categories = make_pipeline(
        SimpleImputer(strategy="constant", fill_value="missing"),
        OneHotEncoder(handle_unknown="ignore", min_frequency=10, sparse_output=False),
    )
    return make_column_transformer(
        (
            SimpleImputer(strategy="median"),
            make_column_selector(dtype_include=["number", "bool"]),
        ),
        (categories, make_column_selector(dtype_exclude=["number", "bool"])),
    )


def contenders(n_rare):
    """Pipelines by name, for training parts with this many rare rows."""
    ours = AdaptiveHybridClassifier(random_state=0)
    logistic = LogisticRegression(max_iter=1000)
    network = MLPClassifier((128, 64), random_state=0)
    smote = SMOTE(k_neighbors=min(5, n_rare - 1), random_state=0)
    steps = {
        "AdaptiveHybridClassifier": [ours],
        "HistGradientBoostingClassifier": [
            HistGradientBoostingClassifier(random_state=0)
        ],
        "RandomForestClassifier": [RandomForestClassifier(random_state=0)],
        "LogisticRegression": [StandardScaler(), logistic],
        "MLPClassifier": [StandardScaler(), network],
        "SMOTE + LogisticRegression": [StandardScaler(), smote, logistic],
        "SMOTE + MLPClassifier": [StandardScaler(), smote, network],
    }
    return {
        name: make_pipeline(preprocessing(), *steps) for name, steps in steps.items()
    }


# %%
# The table
# ---------


def compare(X, y, n_folds):
    """Mean scores over the folds, the best average precision first."""
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    rows = {}
    n_rare = int(y.sum() * (1 - 1 / n_folds))
    for name, model in contenders(n_rare).items():
        print(f"  {name}", file=sys.stderr)
        found = cross_validate(model, X, y, cv=folds, scoring=METRICS)
        row = {metric: found[f"test_{metric}"].mean() for metric in METRICS}
        rows[name] = {**row, "seconds": found["fit_time"].mean()}
    table = pd.DataFrame(rows).T.sort_values("average_precision", ascending=False)
    table.index.name = "mean of the folds"
    return table


# %%
# The picture
# -----------


def draw(history, best_epoch, ax):
    """Shares of the three losses by epoch, and the out-of-fold score over them."""
    terms = ("cross_entropy", "focal", "dice")
    shares = [history[f"weight_{term}"] for term in terms]
    colours = ("#9ecae1", "#3182bd", "#08519c")
    labels = ("cross-entropy", "focal", "Dice")
    ax.stackplot(history["epoch"], shares, colors=colours, labels=labels, alpha=0.75)
    ax.plot(history["epoch"], history["score"], color="black", label="out-of-fold F1")
    ax.axvline(best_epoch, color="black", linestyle=":", label="epoch kept")
    ax.set(xlabel="epoch", ylim=(0, 1), xlim=(1, max(2, history["epoch"][-1])))


def main():
    parser, arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    # A baseline that finds no rare row at all has no precision: shown as 0.
    warnings.simplefilter("ignore", UndefinedMetricWarning)
    sets = list(data_sets(parser, arguments))
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(
        1, len(sets), figsize=(6 * len(sets), 4), squeeze=False, layout="constrained"
    )
    for ax, (name, X, y, rare) in zip(axes[0], sets, strict=True):
        if y.sum() < max(arguments.folds, 4):
            parser.error(
                f"the rarest class, {rare}, has {y.sum()} rows: too few for "
                f"{arguments.folds} folds"
            )
        print(f"\n{name}: {len(y):,} rows, rare class {rare}, {y.mean():.1%} of them")
        table = compare(X, y, arguments.folds)
        print(table.to_string(float_format="{:.3f}".format))
        model = contenders(y.sum())["AdaptiveHybridClassifier"].fit(X, y)[-1]
        draw(model.history_, model.best_epoch_, ax)
        ax.set_title(f"{name}: how the mix followed the score")
    axes[0, 0].set_ylabel("share of the loss, score")
    axes[0, -1].legend(loc="lower right")
    picture = arguments.out / "quickstart.png"
    figure.savefig(picture, dpi=120)
    print(f"\nThe mix and the score, epoch by epoch: {picture}")


if __name__ == "__main__":
    sys.exit(main())
