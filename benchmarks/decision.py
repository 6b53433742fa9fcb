"""What the threshold, the calibration and the under-sampled committee are worth.

Stratified folds of every table; contenders in turn on the same fold, with the same
seed. A row per table, fold and contender goes to a CSV file, and an interrupted run is
taken up where it stopped.

    python benchmarks/decision.py --data DIR [--sets NAME ...] [--out FILE]
"""

import argparse
import dataclasses
import os
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.over_sampling import SMOTE
from imblearn.under_sampling import RandomUnderSampler
from scikeras.wrappers import KerasClassifier
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    roc_auc_score,
)
from sklearn.model_selection import StratifiedKFold, TunedThresholdClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tables import Results, add_folder_argument, load, names, preprocessor

from skadaptive import AdaptiveHybridClassifier as Ours

#: What distorts probabilities.
DISTORTED = {
    "focal": {"loss_weights": (0, 1, 0)},
    "dice": {"loss_weights": (0.1, 0.1, 0.8)},
    "balanced": {"class_weight": "balanced"},
    "smote": {"sampler": SMOTE()},
}
N_BAGS = 10
KERAS_BAG = "BalancedBaggingClassifier(scikeras)"


def keras_network(meta):
    network = keras.Sequential([keras.Input((meta["n_features_in_"],))])
    for units in (128, 128, 128):
        network.add(keras.layers.Dense(units, activation="selu"))
    network.add(keras.layers.Dense(1, activation="sigmoid"))
    return network


def keras_bag(seed):
    """Ten of the same layers, trained by ``keras.Model.fit``; slow: one fold only."""
    network = KerasClassifier(
        keras_network,
        loss="binary_crossentropy",
        optimizer="adam",
        epochs=48,
        batch_size=64,
        verbose=0,
        random_state=seed,
    )
    return BalancedBaggingClassifier(
        make_pipeline(StandardScaler(), network), n_estimators=N_BAGS, random_state=seed
    )


def contenders(seed):
    plain = {"threshold": None, "calibration": None, "random_state": seed}
    return {
        "tuned": Ours(random_state=seed),
        "TunedThresholdClassifierCV": TunedThresholdClassifierCV(
            Ours(random_state=seed, threshold=None), scoring="f1", random_state=seed
        ),
        **{
            name: Ours(random_state=seed, **parameters)
            for name, parameters in DISTORTED.items()
        },
        "undersampled": Ours(
            sampler=RandomUnderSampler(), cv=N_BAGS, random_state=seed
        ),
        "BalancedBaggingClassifier": BalancedBaggingClassifier(
            Ours(cv=None, **plain), n_estimators=N_BAGS, random_state=seed
        ),
        **({KERAS_BAG: keras_bag(seed)} if seed == 0 else {}),
    }


def measures(model, X, y):
    proba = model.predict_proba(X)[:, 1]
    found = {
        "average_precision": average_precision_score(y, proba),
        "roc_auc": roc_auc_score(y, proba),
        "f1": f1_score(y, model.predict(X), zero_division=0),
        "f1_at_half": f1_score(y, proba > 0.5, zero_division=0),
        "brier": brier_score_loss(y, proba),
        "log_loss": log_loss(y, proba),
    }
    if isinstance(model, Ours):
        # The same network without its calibration.
        calibrated, model._committee = (
            model._committee,
            dataclasses.replace(model._committee, calibration=None),
        )
        found["brier_before"] = brier_score_loss(y, model.predict_proba(X)[:, 1])
        model._committee = calibrated
    return found


def run(options):
    results = Results(options.out, ["set", "fold", "contender"])
    for name in names(options.data, options.sets, options.max_rows):
        X, y, _ = load(options.data, name)
        split = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
        for fold, (train, test) in enumerate(split):
            prepare = preprocessor()
            X_train = prepare.fit_transform(X.iloc[train])
            X_test = prepare.transform(X.iloc[test])
            for contender, model in contenders(seed=fold).items():
                if (name, fold, contender) in results:
                    continue
                start = time.perf_counter()
                model.fit(X_train, y[train])
                seconds = time.perf_counter() - start
                results.add(
                    set=name,
                    fold=fold,
                    contender=contender,
                    seconds=seconds,
                    **measures(model, X_test, y[test]),
                )
        print(name, flush=True)
    return results.table


def report(table):
    by_contender = table.groupby(["set", "contender"])
    mean = by_contender.mean(numeric_only=True)
    # The first fit of an architecture in a process compiles; the others do not.
    mean["seconds"] = by_contender["seconds"].median()
    ours, around = (
        mean.xs("tuned", level=1),
        mean.xs("TunedThresholdClassifierCV", level=1),
    )
    print("\nF1 of predict, means over five folds")
    f1 = ours[["f1_at_half", "f1"]].assign(TunedThresholdClassifierCV=around["f1"])
    f1["time"] = ours["seconds"] / around["seconds"]
    f1.loc["mean"] = f1.mean()
    print(f1.round(3).to_string())

    print("\nBrier score after calibration / before")
    ratio = (mean["brier"] / mean["brier_before"]).unstack()[list(DISTORTED)]
    print(ratio.round(3).to_string())
    values = ratio.to_numpy().ravel()
    print(
        f"lower in {(values < 1).sum()} of {values.size}, worse by more than 2 % in "
        f"{(values > 1.02).sum()}; geometric mean {np.exp(np.log(values).mean()):.3f}"
    )

    print(f"\nUnder-sampled committee of {N_BAGS}, and as many in a bag")
    one, bag = (
        mean.xs("undersampled", level=1),
        mean.xs("BalancedBaggingClassifier", level=1),
    )
    pairs = {
        f"{measure} {who}": frame[measure]
        for measure in ("average_precision", "roc_auc", "f1", "brier")
        for who, frame in (("committee", one), ("bag", bag))
    }
    both = one[[]].assign(**pairs, time=one["seconds"] / bag["seconds"])
    keras = mean.xs(KERAS_BAG, level=1)
    both["average_precision Keras"] = keras["average_precision"]
    both["time Keras"] = one["seconds"] / keras["seconds"]
    both.loc["mean"] = both.mean()
    print(both.round(3).to_string())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_folder_argument(parser)
    parser.add_argument("--max-rows", type=int, default=20_000)
    parser.add_argument("--out", type=Path, default="results/decision.csv")
    warnings.simplefilter("ignore")
    report(run(parser.parse_args()))


if __name__ == "__main__":
    main()
