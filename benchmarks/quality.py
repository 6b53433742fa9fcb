"""Quality against the neighbours, on every table of a folder.

Stratified cross-validation, 5 folds twice (once above 20,000 rows, of which 50,000 at
most are used); every contender with its default settings, on the same folds with the
same seeds. Label measures are at a threshold that each contender tuned for the measure
inside the training part: ours out of fold in its one fit, for F1 or, where its name
says so, for another measure; the others on a fifth held out, before they are fitted,
and timed, on all of it. Tuned ones take the inner folds of their search. Ensembles made
for balanced classes have the threshold of their own for balanced accuracy. Seconds are
of the processor, so that a neighbour on the machine does not count.

A row per table, contender and fold goes to results/quality.csv; an interrupted run is
taken up where it stopped. Then come the means, mean ranks, a critical-difference
diagram (Demšar, 2006, "Statistical comparisons of classifiers over multiple data
sets", JMLR 7) and Wilcoxon signed-rank tests over the tables.

    python benchmarks/quality.py --data DIR [--quick] [--sets ...] [--contenders ...]

Contenders that are not installed are left out, and said so:
``pip install ".[benchmark]"``. Those of imbalanced-ensemble 0.2.3 need an environment
with scikit-learn 1.6.0, which may append to the same file. ``--report`` runs nothing
and compares by the rows that are there already, whatever is installed.
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
from contenders import IMBALANCE_ENSEMBLES, OURS, OURS_FOR, contenders
from scipy.stats import rankdata, wilcoxon
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    roc_auc_score,
)
from sklearn.model_selection import StratifiedKFold, train_test_split
from tables import Results, add_folder_argument, load, names, preprocessor, raw_columns

from skadaptive import AdaptiveHybridClassifier as Ours
from skadaptive.thresholds import OF_SCORER

#: Measures by column of the results; the second says whether less is better.
MEASURES = {
    "average_precision": False,
    "f1": False,
    "macro_f1": False,
    "balanced_accuracy": False,
    "brier": True,
    "roc_auc": False,
    "seconds": True,
}
#: Those of labels, by the criterion that the threshold is tuned for.
OF_LABELS = {
    "f1": "f1",
    "macro_f1": "f1_macro",
    "balanced_accuracy": "balanced_accuracy",
}


# ---------------------------------------------------------------------------- the run


def best_threshold(criterion, y, proba):
    """The probability at and above which rows are rare, of highest criterion."""
    thresholds = np.unique(proba)
    n_rare = np.sum(y == 1)
    tp = n_rare - np.searchsorted(np.sort(proba[y == 1]), thresholds)
    fp = len(y) - np.searchsorted(np.sort(proba), thresholds) - tp
    score = OF_SCORER[criterion](tp, fp, n_rare - tp, len(y) - n_rare - fp)
    return thresholds[score.argmax()]


def held_out(make, seed, X, y):
    """Labels and probabilities of a fifth of the rows, by a fit to the others."""
    X_part, X_held, y_part, y_held = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=seed
    )
    return y_held, make(seed).fit(X_part, y_part).predict_proba(X_held)[:, 1]


def measure(name, make, seed, train, test):
    """Measures of one contender on one fold."""
    (X, y), (X_test, y_test) = train, test
    model = make(seed)
    start = time.process_time()
    model.fit(X, y)
    proba = model.predict_proba(X_test)[:, 1]
    seconds = time.process_time() - start
    if isinstance(model, Ours):
        labels = dict.fromkeys(OF_LABELS, model.predict(X_test))
    else:
        tried = getattr(model, "out_of_fold_", None) or held_out(make, seed, X, y)
        labels = {
            measure_: proba >= best_threshold(criterion, *tried)
            for measure_, criterion in OF_LABELS.items()
        }
        if name in IMBALANCE_ENSEMBLES:
            labels["balanced_accuracy"] = model.predict(X_test)
    return {
        "average_precision": average_precision_score(y_test, proba),
        "f1": f1_score(y_test, labels["f1"], zero_division=0),
        "macro_f1": f1_score(
            y_test, labels["macro_f1"], average="macro", zero_division=0
        ),
        "balanced_accuracy": balanced_accuracy_score(
            y_test, labels["balanced_accuracy"]
        ),
        "brier": brier_score_loss(y_test, np.clip(proba, 0, 1)),
        "roc_auc": roc_auc_score(y_test, proba),
        "seconds": seconds,
        "trials": getattr(model, "trials_", np.nan),
    }


def run(options):
    chosen = {}
    known = contenders(options.jobs, options.tuning_seconds)
    if unknown := set(options.contenders or ()) - set(known):
        raise SystemExit(f"There is no contender {', '.join(sorted(unknown))}.")
    for name, contender in known.items():
        if options.contenders and name not in options.contenders:
            continue
        if contender.module and find_spec(contender.module) is None:
            print(f"{name} is left out: {contender.module} is not installed.")
            continue
        chosen[name] = contender
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
            numbers = [
                (np.asarray(X_part, dtype=float), y[rows])
                for X_part, rows in [
                    (prepare.fit_transform(X.iloc[train]), train),
                    (prepare.transform(X.iloc[test]), test),
                ]
            ]
            raw = [(raw_columns(X.iloc[rows]), y[rows]) for rows in (train, test)]
            for contender in missing:
                make, data = chosen[contender].make, numbers
                if chosen[contender].raw:
                    data = raw
                found = measure(contender, make, fold, *data)
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


def report(table, out, ours=OURS):
    summary, n_sets = {}, len(mean_by_set(table, "average_precision"))
    for measure_, less in MEASURES.items():
        if measure_ not in table:  # of an earlier release
            continue
        means = mean_by_set(table, measure_)
        if measure_ != "seconds":
            summary[measure_] = means.mean()
            summary[f"{measure_} rank"] = ranks(means, less).mean()
        elif len(means) == n_sets:  # not known of what ran on a GPU
            summary[measure_] = means.mean()
    summary = pd.DataFrame(summary).sort_values("average_precision rank")
    print(f"\nMeans and mean ranks over {n_sets} sets")
    print(summary.round(3).to_string())
    for measure_ in [m for m in MEASURES if m in table and m != "seconds"]:
        means = mean_by_set(table, measure_)
        print(f"\n{measure_} by set")
        print(means[summary.index].T.round(3).to_string())
        scored_by_it = OURS_FOR.get(measure_)
        subject = scored_by_it if scored_by_it in means else ours
        if subject in means and len(means) > 1:
            print(f"\n{subject} against the others by {measure_}")
            print(pairwise(means, MEASURES[measure_], subject).to_string())
        if len(means) > 2:
            draw(means, MEASURES[measure_], out.with_name(f"cd_{measure_}.png"))


def pairwise(means, less_is_better, ours=OURS):
    """Wins, ties and losses by set, and the Wilcoxon signed-rank test."""
    rows = {}
    for other in means.columns.drop(ours):
        gain = (means[ours] - means[other]) * (-1 if less_is_better else 1)
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
    parser.add_argument(
        "--tuning-seconds",
        type=float,
        default=20.0,
        help="processor time for a search on a fold, the running trial not counted",
    )
    parser.add_argument("--ours", default=OURS, help="the one held against the others")
    parser.add_argument("--out", type=Path, default="results/quality.csv")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    table = recorded(options) if options.report else run(options)
    report(table, options.out, options.ours)


if __name__ == "__main__":
    main()
