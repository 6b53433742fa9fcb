"""The uses that the package exists for: real fits inside the tools around it."""

import joblib
import numpy as np
import pandas as pd
import pytest
from imblearn.combine import SMOTETomek
from imblearn.ensemble import BalancedBaggingClassifier
from imblearn.over_sampling import ADASYN, SMOTE, RandomOverSampler
from imblearn.pipeline import Pipeline
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import AdaBoostClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
    train_test_split,
)
from sklearn.preprocessing import StandardScaler

from skadaptive import AdaptiveHybridClassifier


@pytest.fixture(scope="module")
def split(digits):
    X, y = digits
    return train_test_split(X, y, test_size=0.4, stratify=y, random_state=0)


def average_precision(model, split):
    X_train, X_test, y_train, y_test = split
    model.fit(X_train, y_train)
    return average_precision_score(y_test, model.predict_proba(X_test)[:, 1])


@pytest.mark.parametrize(
    "sampler",
    [
        SMOTE(random_state=0),
        ADASYN(random_state=0),
        SMOTETomek(random_state=0),
        RandomOverSampler(random_state=0),
        RandomUnderSampler(random_state=0),
    ],
    ids=lambda sampler: type(sampler).__name__,
)
def test_pipeline_with_a_sampler(sampler, learner, split):
    steps = [("scale", StandardScaler()), ("sample", sampler), ("classify", learner)]
    model = Pipeline(steps)
    # Under-sampled, 72 rows are left to train on; the prevalence is 0.036.
    enough = 0.35 if isinstance(sampler, RandomUnderSampler) else 0.6
    assert average_precision(model, split) > enough
    X_test, y_test = split[1], split[3]
    assert f1_score(y_test, model.predict(X_test)) > enough - 0.2


def test_grid_search_over_the_pipeline_in_two_processes(learner, split):
    X, _, y, _ = split
    grid = GridSearchCV(
        Pipeline(
            [
                ("scale", StandardScaler()),
                ("smote", SMOTE(random_state=0)),
                ("classify", learner.set_params(max_epochs=4)),
            ]
        ),
        {
            "classify__gamma": [0.5, 2.0],
            "classify__alpha": [0.25, 0.75],
            "classify__adaptation_rate": [0.0, 0.2],
        },
        scoring="average_precision",
        cv=2,
        n_jobs=2,
    ).fit(X, y)
    scores = grid.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all() and len(np.unique(scores)) > 2
    # The same numbers as in one process.
    alone = GridSearchCV(
        grid.estimator,
        {name: [value] for name, value in grid.best_params_.items()},
        scoring="average_precision",
        cv=2,
    ).fit(X, y)
    assert_allclose(alone.best_score_, grid.best_score_, rtol=1e-6)


def test_balanced_bagging(learner, split):
    bag = BalancedBaggingClassifier(learner, n_estimators=3, random_state=0)
    assert average_precision(bag, split) > 0.35
    # Bags are balanced, and the members differ: in their rows and in their seeds.
    X_test = split[1]
    for member in bag.estimators_:
        assert 0.3 < np.nanmean(member[-1].oof_proba_[:, 1]) < 0.7
    first, second = (m[-1].predict_proba(X_test) for m in bag.estimators_[:2])
    assert (first != second).any()


def test_boosting_goes_on_or_says_why_it_ends(quick, rng):
    """A threshold tuned for F1 calls nearly all rows rare once they are reweighted."""
    y = (rng.random(600) < 0.15).astype(int)
    X = rng.normal(size=(600, 5)) + y[:, None] * [1.5, 1, 0, 0, 0]

    def boosted(**parameters):
        model = quick(hidden_layer_sizes=(16,), cv=10, max_epochs=12, **parameters)
        return AdaBoostClassifier(model, n_estimators=3, random_state=0).fit(X, y)

    with pytest.warns(UserWarning, match="Boosting.* threshold=None") as told:
        assert len(boosted().estimators_) < 3
    assert told[0].filename == __file__
    found = boosted(threshold=None)  # a warning would be an error
    assert len(found.estimators_) == 3
    assert average_precision_score(y, found.predict_proba(X)[:, 1]) > 2 * y.mean()


def test_tuned_threshold(learner, split):
    X_train, X_test, y_train, y_test = split
    model = TunedThresholdClassifierCV(learner, scoring="f1", cv=2).fit(
        X_train, y_train
    )
    assert 0 < model.best_threshold_ < 1
    assert f1_score(y_test, model.predict(X_test)) > 0.4


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibrated(method, learner, split):
    model = CalibratedClassifierCV(learner, method=method, cv=2)
    assert average_precision(model, split) > 0.6


def test_cross_validate_with_weights(learner, digits):
    X, y = digits
    found = cross_validate(
        learner,
        X,
        y,
        scoring=["average_precision", "f1", "roc_auc"],
        cv=2,
        params={"sample_weight": np.where(y == 1, 5.0, 1.0)},
    )
    assert (found["test_average_precision"] > 0.6).all()
    assert (found["test_roc_auc"] > 0.9).all()


def test_groups_routed_as_metadata_are_held_out_together(quick, binary):
    X, y = binary
    groups = np.arange(len(y)) // 4
    judged = []

    def scorer(estimator, X, y):
        judged.append(X[:, 0])  # told apart by their first feature
        return 0.5

    with config_context(enable_metadata_routing=True):
        model = quick(cv=0.3, scoring=scorer, max_epochs=1)
        found = cross_validate(
            model.set_fit_request(groups=True),
            X,
            y,
            cv=2,
            scoring="roc_auc",
            params={"groups": groups},
            return_indices=True,
        )
    assert len(judged) == 2
    for train, seen in zip(found["indices"]["train"], judged, strict=True):
        held_out = np.isin(X[train, 0], seen)
        assert 0.2 < held_out.mean() < 0.4
        shares = pd.Series(held_out).groupby(groups[train]).mean()
        assert set(shares) == {0, 1}


def test_stacked_and_cross_val_predicted(learner, digits):
    X, y = digits
    proba = cross_val_predict(learner, X, y, cv=2, method="predict_proba")
    assert average_precision_score(y, proba[:, 1]) > 0.6
    stack = StackingClassifier([("net", learner), ("prior", DummyClassifier())], cv=2)
    assert stack.fit(X, y).predict(X).shape == y.shape


def test_the_defaults_find_a_rare_class(digits, global_random_seed):
    """Far above chance; who is better than whom is a question for the benchmarks."""
    X, y = digits
    model = AdaptiveHybridClassifier(random_state=global_random_seed)
    scoring = ["average_precision", "f1"]
    found = cross_validate(model, X, y, cv=3, scoring=scoring)
    assert found["test_average_precision"].min() > 15 * y.mean()
    # The best that can be done without looking at the features: all rows are rare.
    assert found["test_f1"].min() > 5 * f1_score(y, np.ones_like(y))


def test_thread_jobs_agree_with_one(quick, binary):
    X, y = binary
    one = cross_validate(quick(), X, y, cv=3, scoring="roc_auc")["test_score"]
    with joblib.parallel_backend("threading", n_jobs=2):
        two = cross_validate(quick(), X, y, cv=3, scoring="roc_auc", n_jobs=2)
    assert_array_equal(two["test_score"], one)


def test_real_table(tabular_data):
    """Mammography: 11,183 rows, 2.3 % rare, on raw features."""
    frame = pd.read_csv(tabular_data / "mammography.csv.gz")
    y = frame.pop("target")
    X_train, X_test, y_train, y_test = train_test_split(
        frame, y, stratify=y, test_size=0.3, random_state=0
    )
    model = AdaptiveHybridClassifier(max_epochs=20, random_state=0)
    model.fit(X_train, y_train)
    found = average_precision_score(y_test, model.predict_proba(X_test)[:, 1])
    linear = LogisticRegression(max_iter=1000).fit(X_train, y_train)
    base = average_precision_score(y_test, linear.predict_proba(X_test)[:, 1])
    assert found > base + 0.05
