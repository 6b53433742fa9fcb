"""Quality against the neighbours, on every table of a folder.

Stratified cross-validation, 5 folds twice (once above 20,000 rows, of which 50,000 at
most are used); every contender with its default settings, on the same folds with the
same seeds. Label measures are at a threshold that each contender tuned inside the
training part: ours out of fold in its one fit, the others on a fifth held out, before
they are fitted, and timed, on all of it. Seconds are of the processor, so that a
neighbour on the machine does not count.

A row per table, contender and fold goes to results/quality.csv; an interrupted run is
taken up where it stopped. Then come the means, mean ranks, a critical-difference
diagram (Demšar, 2006, "Statistical comparisons of classifiers over multiple data
sets", JMLR 7) and Wilcoxon signed-rank tests over the tables.

    python benchmarks/quality.py --data DIR [--quick] [--sets ...] [--contenders ...]

Contenders that are not installed are left out, and said so:
``pip install ".[benchmark]"``. ``--report`` runs nothing and compares by the rows that
are there already, whatever is installed.
"""

import argparse
import os
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import pandas as pd
from imblearn.ensemble import BalancedBaggingClassifier, BalancedRandomForestClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from scipy.stats import rankdata, wilcoxon
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_recall_curve,
    roc_auc_score,
)
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from tables import Results, add_folder_argument, load, names, preprocessor

from skadaptive import AdaptiveHybridClassifier as Ours

#: Measures by column of the results; the second says whether less is better.
MEASURES = {
    "average_precision": False,
    "f1": False,
    "brier": True,
    "roc_auc": False,
    "seconds": True,
}
OURS = "skadaptive"


# ------------------------------------------------------------------------- contenders


def keras_network(meta):
    import keras

    layers = [keras.Input((meta["n_features_in_"],))]
    for units in (128, 64, 32):
        layers += [keras.layers.Dense(units, "relu"), keras.layers.Dropout(0.3)]
    return keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])


def scikeras(seed, loss="binary_crossentropy", **parameters):
    from scikeras.wrappers import KerasClassifier

    return KerasClassifier(
        keras_network,
        loss=loss,
        optimizer="adam",
        epochs=40,
        batch_size=64,
        verbose=0,
        random_state=seed,
        **parameters,
    )


def keras_focal(seed):
    import keras

    loss = keras.losses.BinaryFocalCrossentropy(apply_class_balancing=True)
    return scikeras(seed, loss=loss)


def pytabkit(name, seed):
    import pytabkit

    # By class error, their default, an epoch that finds no rare row may be the best.
    options = {"val_metric_name": "cross_entropy", "n_threads": 1, "device": "cpu"}
    if name.startswith("RealMLP"):
        options["use_ls"] = False  # no label smoothing, as its authors advise with it
    return getattr(pytabkit, name)(random_state=seed, **options)


def contenders(n_jobs):
    """Factories by name: from a seed to a classifier of prepared features.

    Returns
    -------
    dict of str to (str, callable)
        The module that it needs beyond those of the project, and the factory.
    """

    def scaled(*steps):
        return make_pipeline(StandardScaler(), *steps)

    return {
        "logistic regression": (
            "",
            lambda s: scaled(LogisticRegression(max_iter=2000)),
        ),
        "random forest": (
            "",
            lambda s: RandomForestClassifier(random_state=s, n_jobs=n_jobs),
        ),
        "balanced random forest": (
            "",
            lambda s: BalancedRandomForestClassifier(random_state=s, n_jobs=n_jobs),
        ),
        "histogram boosting": (
            "",
            lambda s: HistGradientBoostingClassifier(random_state=s),
        ),
        "XGBoost": ("xgboost", lambda s: boosted("XGBClassifier", s, n_jobs)),
        "LightGBM": ("lightgbm", lambda s: boosted("LGBMClassifier", s, n_jobs)),
        "CatBoost": ("catboost", lambda s: boosted("CatBoostClassifier", s, n_jobs)),
        "MLPClassifier": ("", lambda s: scaled(MLPClassifier(random_state=s))),
        "scikeras": ("scikeras", lambda s: scaled(scikeras(s))),
        "scikeras, focal loss": ("scikeras", lambda s: scaled(keras_focal(s))),
        "scikeras, balanced": (
            "scikeras",
            lambda s: scaled(scikeras(s, class_weight="balanced")),
        ),
        "scikeras, SMOTE": (
            "scikeras",
            lambda s: scaled(SMOTE(random_state=s), scikeras(s)),
        ),
        "scikeras, balanced bagging": (
            "scikeras",
            lambda s: scaled(BalancedBaggingClassifier(scikeras(s), random_state=s)),
        ),
        "RealMLP": ("pytabkit", lambda s: pytabkit("RealMLP_TD_Classifier", s)),
        "TabM": ("pytabkit", lambda s: pytabkit("TabM_D_Classifier", s)),
        OURS: ("", lambda s: Ours(random_state=s)),
        # The arms of the ablation: what the adaptation itself contributes.
        f"{OURS}, cross-entropy": (
            "",
            lambda s: Ours(loss_weights=(1, 0, 0), random_state=s),
        ),
        f"{OURS}, static mix": ("", lambda s: Ours(adaptation_rate=0, random_state=s)),
        f"{OURS}, balanced weights": (
            "",
            lambda s: Ours(
                loss_weights=(1, 0, 0), class_weight="balanced", random_state=s
            ),
        ),
        f"{OURS}, lookup": ("", lambda s: Ours(adaptation="lookup", random_state=s)),
    }


def boosted(name, seed, n_jobs):
    if name == "XGBClassifier":
        from xgboost import XGBClassifier

        return XGBClassifier(random_state=seed, n_jobs=n_jobs)
    if name == "LGBMClassifier":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(random_state=seed, n_jobs=n_jobs, verbose=-1)
    from catboost import CatBoostClassifier

    return CatBoostClassifier(
        random_state=seed, thread_count=n_jobs, verbose=0, allow_writing_files=False
    )


# ---------------------------------------------------------------------------- the run


def best_threshold(y, proba):
    precision, recall, thresholds = precision_recall_curve(y, proba)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return thresholds[f1[:-1].argmax()]


def measure(make, seed, X, y, X_test, y_test):
    """Measures of one contender on one fold."""
    model = make(seed)
    threshold = None
    if not isinstance(model, Ours):
        X_part, X_held, y_part, y_held = train_test_split(
            X, y, test_size=0.2, stratify=y, random_state=seed
        )
        tried = make(seed).fit(X_part, y_part)
        threshold = best_threshold(y_held, tried.predict_proba(X_held)[:, 1])
    start = time.process_time()
    model.fit(X, y)
    proba = model.predict_proba(X_test)[:, 1]
    seconds = time.process_time() - start
    found = model.predict(X_test) if threshold is None else proba >= threshold
    return {
        "average_precision": average_precision_score(y_test, proba),
        "f1": f1_score(y_test, found, zero_division=0),
        "brier": brier_score_loss(y_test, np.clip(proba, 0, 1)),
        "roc_auc": roc_auc_score(y_test, proba),
        "seconds": seconds,
    }


def run(options):
    chosen = {}
    for name, (module, make) in contenders(options.jobs).items():
        if options.contenders and name not in options.contenders:
            continue
        if module and find_spec(module) is None:
            print(f"{name} is left out: {module} is not installed.")
            continue
        chosen[name] = make
    results = Results(options.out, ["set", "fold", "contender"])
    for name in names(options.data, options.sets, options.max_rows):
        X, y, _ = load(options.data, name)
        if len(X) > 50_000:
            X, _, y, _ = train_test_split(
                X, y, train_size=50_000, stratify=y, random_state=0
            )
        repeats = 1 if options.quick or len(X) > 20_000 else 2
        splits = [
            split
            for repeat in range(repeats)
            for split in StratifiedKFold(5, shuffle=True, random_state=repeat).split(
                X, y
            )
        ]
        for fold, (train, test) in enumerate(splits):
            missing = [c for c in chosen if (name, fold, c) not in results]
            if not missing:
                continue
            prepare = preprocessor()
            # Plain names: some of the contenders refuse brackets in them.
            X_train = np.asarray(prepare.fit_transform(X.iloc[train]), dtype=float)
            X_test = np.asarray(prepare.transform(X.iloc[test]), dtype=float)
            for contender in missing:
                found = measure(
                    chosen[contender], fold, X_train, y[train], X_test, y[test]
                )
                results.add(set=name, fold=fold, contender=contender, **found)
        print(name, flush=True)
    table = results.table
    return table[table["contender"].isin(chosen)]


# --------------------------------------------------------------------------- reporting


def mean_by_set(table, measure):
    """(sets, contenders), of the folds that all contenders have been through."""
    folds = table.pivot_table(
        index=["set", "fold"], columns="contender", values=measure
    )
    return folds.dropna().groupby("set").mean()


def ranks(means, less_is_better):
    """Rank of each contender on each set, 1 the best, ties shared."""
    values = means.to_numpy() if less_is_better else -means.to_numpy()
    return pd.DataFrame(rankdata(values, axis=1), means.index, means.columns)


def recorded(options):
    """Rows of an earlier run, of the contenders and sets that were named."""
    table = Results(options.out, ["set", "fold", "contender"]).table
    chosen = {"contender": options.contenders, "set": options.sets}
    for column, names_ in chosen.items():
        if names_ and (unknown := set(names_) - set(table[column])):
            raise SystemExit(f"Not in {options.out}: {', '.join(sorted(unknown))}")
        if names_:
            table = table[table[column].isin(names_)]
    return table


def report(table, out):
    summary, n_sets = {}, len(mean_by_set(table, "average_precision"))
    for measure_, less in MEASURES.items():
        means = mean_by_set(table, measure_)
        if measure_ != "seconds":
            summary[measure_] = means.mean()
            summary[f"{measure_} rank"] = ranks(means, less).mean()
        elif len(means) == n_sets:  # not known of what ran on a GPU
            summary[measure_] = means.mean()
    summary = pd.DataFrame(summary).sort_values("average_precision rank")
    print(f"\nMeans and mean ranks over {n_sets} sets")
    print(summary.round(3).to_string())
    for measure_ in ("average_precision", "f1", "brier"):
        means = mean_by_set(table, measure_)
        print(f"\n{measure_} by set")
        print(means[summary.index].T.round(3).to_string())
        if OURS in means and len(means) > 1:
            print(f"\n{OURS} against the others by {measure_}")
            print(pairwise(means, MEASURES[measure_]).to_string())
        if len(means) > 2:
            draw(means, MEASURES[measure_], out.with_name(f"cd_{measure_}.png"))


def pairwise(means, less_is_better):
    """Wins, ties and losses by set, and the Wilcoxon signed-rank test."""
    rows = {}
    for other in means.columns.drop(OURS):
        gain = (means[OURS] - means[other]) * (-1 if less_is_better else 1)
        tie = gain.abs() < 0.001
        p = wilcoxon(gain).pvalue if gain.any() else 1.0
        rows[other] = {
            "wins": ((gain > 0) & ~tie).sum(),
            "ties": tie.sum(),
            "losses": ((gain < 0) & ~tie).sum(),
            "median gain": round(gain.median(), 4),
            "p": round(p, 4),
        }
    return pd.DataFrame(rows).T


def draw(means, less_is_better, path):
    """Critical-difference diagram: who is not told apart by Nemenyi's test is tied."""
    import matplotlib

    matplotlib.use("Agg")
    import scikit_posthocs as posthocs
    from matplotlib import pyplot as plt

    order = ranks(means, less_is_better)
    p = posthocs.posthoc_nemenyi_friedman(order.to_numpy())
    p.index = p.columns = order.columns
    fig, ax = plt.subplots(figsize=(10, 0.25 * order.shape[1] + 1))
    posthocs.critical_difference_diagram(order.mean(), p, ax=ax)
    title = path.stem.removeprefix("cd_").replace("_", " ")
    ax.set_title(f"Mean rank by {title}, {len(means)} sets; bars: no difference at 5 %")
    fig.savefig(path, dpi=120, bbox_inches="tight")
    plt.close(fig)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_folder_argument(parser)
    parser.add_argument("--contenders", nargs="+", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="5 folds, once")
    parser.add_argument("--report", action="store_true", help="run nothing")
    parser.add_argument("--max-rows", type=int, default=np.inf)
    parser.add_argument("--jobs", type=int, default=1, help="threads of tree ensembles")
    parser.add_argument("--out", type=Path, default="results/quality.csv")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table = recorded(options) if options.report else run(options)
    report(table, options.out)


if __name__ == "__main__":
    main()
