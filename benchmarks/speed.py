"""Speed as ratios between contenders, measured in turn in one run.

Every contender gets the same rows, layers, batch size and number of epochs, and has
run once before it is timed, so that compilation is not counted where it says "warm".
Absolute times depend on the machine and are not shown: a figure is the time of the
reference divided by ours, the median over the rounds, with the lowest and highest.

    python benchmarks/speed.py [--rounds 5] [--epochs 3] [--quick]
"""

import argparse
import os
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from skadaptive import AdaptiveHybridClassifier

LAYERS, BATCH = (128, 64, 32), 256


def make_data(n_rows, n_features, prevalence, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n_rows) < prevalence).astype(int)
    X = rng.normal(size=(n_rows, n_features)) + y[:, None] * rng.normal(size=n_features)
    return X, y


def ours(epochs, **parameters):
    defaults = {
        "hidden_layer_sizes": LAYERS,
        "activation": "relu",
        "n_bins": None,  # the same layers as the others
        "batch_size": BATCH,
        "max_epochs": epochs,
        "early_stopping": False,
        # The others neither calibrate nor tune a threshold.
        "calibration": None,
        "threshold": None,
        "random_state": 0,
    }
    return AdaptiveHybridClassifier(**{**defaults, **parameters})


def multilayer_perceptron(epochs, **parameters):
    return MLPClassifier(
        LAYERS,
        batch_size=BATCH,
        max_iter=epochs,
        n_iter_no_change=epochs,
        random_state=0,
        **parameters,
    )


def keras_model(n_features, dropout):
    model = keras.Sequential([keras.Input((n_features,))])
    for units in LAYERS:
        model.add(keras.layers.Dense(units, activation="relu"))
        if dropout:
            model.add(keras.layers.Dropout(dropout))
    model.add(keras.layers.Dense(1, activation="sigmoid"))
    model.compile("adam", "binary_crossentropy")
    return model


def interleave(contenders, rounds):
    """Seconds of each contender in each round, after one round that is not counted."""
    seconds = {name: [] for name in contenders}
    for turn in range(rounds + 1):
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def report(title, seconds, comparisons):
    print(f"\n{title}")
    for reference, contender in comparisons:
        ratio = seconds[reference] / seconds[contender]
        print(
            f"  {reference} / {contender}: {np.median(ratio):.2f} "
            f"({ratio.min():.2f} to {ratio.max():.2f})"
        )


def epochs_per_second(rounds, quick, epochs):
    n_rows = 20_000 if quick else 182_276
    X, y = make_data(n_rows, 29, 0.0017)
    for dropout in (0.0, 0.3):
        network = keras_model(29, dropout)
        contenders = {
            "keras.Model.fit": lambda: network.fit(  # noqa: B023
                X, y, batch_size=BATCH, epochs=epochs, verbose=0
            ),
            "ours, one member": lambda: ours(epochs, cv=None, dropout=dropout).fit(
                X, y
            ),
            "ours, one member judged on a fifth": lambda: ours(
                epochs, cv=0.2, dropout=dropout
            ).fit(X, y),
            "ours, five members": lambda: ours(epochs, cv=5, dropout=dropout).fit(X, y),
        }
        comparisons = [
            ("keras.Model.fit", "ours, one member"),
            ("keras.Model.fit", "ours, five members"),
            ("ours, five members", "ours, one member"),
            ("ours, five members", "ours, one member judged on a fifth"),
        ]
        if not dropout:
            contenders["MLPClassifier"] = lambda: multilayer_perceptron(epochs).fit(
                X, y
            )
            comparisons.append(("MLPClassifier", "ours, one member"))
        report(
            f"fit, {epochs} epochs of {n_rows:,} x 29, batch {BATCH}, dropout "
            f"{dropout}, warm",
            interleave(contenders, rounds),
            comparisons,
        )


def grid_of_27_fits(rounds, quick):
    X, y = make_data(3_000, 12, 0.05)
    epochs, folds = 10, 3
    grids = {
        "ours, one member": GridSearchCV(
            ours(epochs, cv=0.2),
            {
                "gamma": [0.5, 1.0, 2.0],
                "alpha": [0.25, 0.5, 0.75],
                "adaptation_rate": [0.1],
            },
            scoring="average_precision",
            cv=folds,
            refit=False,
        ),
        "MLPClassifier": GridSearchCV(
            multilayer_perceptron(epochs),
            {"alpha": [1e-5, 1e-4, 1e-3], "learning_rate_init": [1e-3, 2e-3, 3e-3]},
            scoring="average_precision",
            cv=folds,
            refit=False,
        ),
    }
    contenders = {name: lambda g=g: g.fit(X, y) for name, g in grids.items()}
    comparisons = [("MLPClassifier", "ours, one member")]
    title = f"grid of 27 fits, {epochs} epochs of 3,000 x 12, warm"
    report(title, interleave(contenders, rounds), comparisons)
    try:
        from scikeras.wrappers import KerasClassifier
    except ImportError:
        print("  scikeras is not installed")
        return
    # A ninth of the grid: scikeras builds a model anew for every fit.
    contenders = {
        "scikeras": lambda: [
            KerasClassifier(
                lambda: keras_model(12, 0), epochs=epochs, batch_size=BATCH, verbose=0
            ).fit(X, y)
            for _ in range(folds)
        ],
        "ours, one member": lambda: [
            ours(epochs, cv=0.2).fit(X, y) for _ in range(folds)
        ],
    }
    title = f"{folds} fits in a row, {epochs} epochs of 3,000 x 12"
    seconds = interleave(contenders, min(rounds, 2))
    report(title, seconds, [("scikeras", "ours, one member")])


def prediction(rounds, quick):
    X, y = make_data(57_000, 29, 0.05)
    models = {
        "MLPClassifier": multilayer_perceptron(1).fit(X, y),
        "ours, one member": ours(1, cv=None).fit(X, y),
        "ours, five members": ours(1, cv=5).fit(X, y),
    }
    for title, rows, repeats in (("one row", X[:1], 300), ("57,000 rows", X, 1)):
        contenders = {
            name: lambda m=m: [m.predict_proba(rows) for _ in range(repeats)]
            for name, m in models.items()
        }
        report(
            f"predict_proba, {title}",
            interleave(contenders, rounds),
            [
                ("MLPClassifier", "ours, one member"),
                ("MLPClassifier", "ours, five members"),
            ],
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--epochs", type=int, default=3, help="of the large fit")
    parser.add_argument("--quick", action="store_true", help="smaller data")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("Above 1, ours is faster by that factor; five / one is what members cost.")
    prediction(arguments.rounds, arguments.quick)
    grid_of_27_fits(arguments.rounds, arguments.quick)
    epochs_per_second(arguments.rounds, arguments.quick, arguments.epochs)


if __name__ == "__main__":
    main()
