"""The classifiers that ``quality.py`` and ``speed.py`` measure ours against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imblearn.ensemble import BalancedBaggingClassifier, BalancedRandomForestClassifier
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from skadaptive import AdaptiveHybridClassifier as Ours
from skadaptive.contenders import CatBoost

OURS = "skadaptive"
#: Ours with the scorer of a label measure other than F1, by the measure.
OURS_FOR = {
    "macro_f1": f"{OURS}, macro F1",
    "balanced_accuracy": f"{OURS}, balanced accuracy",
}
#: The mean of the probabilities of both.
OURS_AND_CATBOOST = f"{OURS} and CatBoost"


@dataclass(frozen=True)
class Contender:
    """A classifier with its default settings.

    Attributes
    ----------
    make : callable
        From a seed to the classifier.
    module : str
        What it needs beyond the requirements of the project.
    raw : bool
        Whether it takes the columns as they are, categories as texts, and not one-hot
        encoded numbers.
    """

    make: Callable[[int], Any]
    module: str = ""
    raw: bool = False


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


def contenders(n_jobs, tuning_seconds=20.0):
    """Classifiers by name.

    Parameters
    ----------
    n_jobs : int
        Threads of tree ensembles.
    tuning_seconds : float
        Processor time after which the tuned ones start no more trial.

    Returns
    -------
    dict of str to Contender
    """

    def scaled(*steps):
        return make_pipeline(StandardScaler(), *steps)

    def trees(name):
        return lambda s: boosted(name, s, n_jobs)

    def ours(raw=False, **parameters):
        return Contender(lambda s: Ours(random_state=s, **parameters), raw=raw)

    def network(**parameters):
        return Contender(lambda s: scaled(scikeras(s, **parameters)), "scikeras")

    cross_entropy = (1, 0, 0)
    return {
        "logistic regression": Contender(
            lambda s: scaled(LogisticRegression(max_iter=2000))
        ),
        "random forest": Contender(
            lambda s: RandomForestClassifier(random_state=s, n_jobs=n_jobs)
        ),
        "balanced random forest": Contender(
            lambda s: BalancedRandomForestClassifier(random_state=s, n_jobs=n_jobs)
        ),
        "histogram boosting": Contender(
            lambda s: HistGradientBoostingClassifier(random_state=s)
        ),
        "XGBoost": Contender(trees("XGBClassifier"), "xgboost"),
        "LightGBM": Contender(trees("LGBMClassifier"), "lightgbm"),
        "CatBoost": Contender(trees("CatBoostClassifier"), "catboost"),
        "CatBoost, native categories": Contender(
            lambda s: CatBoost(random_state=s, options={"thread_count": n_jobs}),
            "catboost",
            raw=True,
        ),
        "EBM": Contender(explainable_boosting, "interpret", raw=True),
        "soft vote": Contender(
            lambda s: VotingClassifier(
                [
                    (name, boosted(name, s, n_jobs))
                    for name in ("CatBoostClassifier", "LGBMClassifier")
                ],
                voting="soft",
            ),
            "catboost",
        ),
        OURS_AND_CATBOOST: Contender(
            lambda s: VotingClassifier(
                [
                    ("ours", Ours(random_state=s)),
                    ("catboost", boosted("CatBoostClassifier", s, n_jobs)),
                ],
                voting="soft",
            ),
            "catboost",
        ),
        "LightGBM, tuned": Contender(
            lambda s: tuned("lightgbm", s, tuning_seconds), "optuna"
        ),
        "CatBoost, tuned": Contender(
            lambda s: tuned("catboost", s, tuning_seconds), "optuna", raw=True
        ),
        "MLPClassifier": Contender(lambda s: scaled(MLPClassifier(random_state=s))),
        "scikeras": network(),
        "scikeras, focal loss": Contender(lambda s: scaled(keras_focal(s)), "scikeras"),
        "scikeras, balanced": network(class_weight="balanced"),
        "scikeras, SMOTE": Contender(
            lambda s: scaled(SMOTE(random_state=s), scikeras(s)), "scikeras"
        ),
        "scikeras, balanced bagging": Contender(
            lambda s: scaled(BalancedBaggingClassifier(scikeras(s), random_state=s)),
            "scikeras",
        ),
        "RealMLP": Contender(
            lambda s: pytabkit("RealMLP_TD_Classifier", s), "pytabkit"
        ),
        "TabM": Contender(lambda s: pytabkit("TabM_D_Classifier", s), "pytabkit"),
        **{
            name: Contender(lambda s, c=class_name: imbalance_ensemble(c, s), "imbens")
            for name, class_name in IMBALANCE_ENSEMBLES.items()
        },
        OURS: ours(),
        f"{OURS}, raw columns": ours(raw=True),
        OURS_FOR["macro_f1"]: ours(scoring="f1_macro"),
        OURS_FOR["balanced_accuracy"]: ours(scoring="balanced_accuracy"),
        # The arms of the ablation: what the adaptation itself contributes.
        f"{OURS}, cross-entropy": ours(loss_weights=cross_entropy),
        f"{OURS}, static mix": ours(adaptation_rate=0),
        f"{OURS}, balanced weights": ours(
            loss_weights=cross_entropy, class_weight="balanced"
        ),
        f"{OURS}, lookup": ours(adaptation="lookup"),
    }


#: Algorithms of imbalanced-ensemble 0.2.3, which needs an environment with
#: scikit-learn 1.6.0. Their predictions are made for balanced classes.
IMBALANCE_ENSEMBLES = {
    "self-paced ensemble": "SelfPacedEnsembleClassifier",
    "balance cascade": "BalanceCascadeClassifier",
    "under-bagging": "UnderBaggingClassifier",
    "EasyEnsemble": "EasyEnsembleClassifier",
    "RUSBoost": "RUSBoostClassifier",
    "SMOTEBoost": "SMOTEBoostClassifier",
    "AdaUBoost": "AdaUBoostClassifier",
    "AdaCost": "AdaCostClassifier",
}


def imbalance_ensemble(class_name, seed):
    import imbens.ensemble

    return getattr(imbens.ensemble, class_name)(random_state=seed)


def explainable_boosting(seed):
    from interpret.glassbox import ExplainableBoostingClassifier

    return ExplainableBoostingClassifier(random_state=seed, n_jobs=1)


def tuned(library, seed, seconds):
    from tuned import TunedBoosting

    return TunedBoosting(library, seconds, random_state=seed)


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
