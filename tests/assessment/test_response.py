"""The answers of fitted classifiers, also of those that wrap or combine others."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import BaggingClassifier, StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skadaptive._assessment.response import (
    class_probabilities,
    deciding_at,
    estimator_name,
    find_threshold,
    positive_index,
    predicted,
    response,
    unwrap,
)


def fixed(estimator, threshold=0.2, pos_label=None):
    return FixedThresholdClassifier(
        estimator,
        threshold=threshold,
        pos_label=pos_label,
        response_method="predict_proba",
    )


def tuned(estimator, pos_label=1):
    scoring = make_scorer(f1_score, pos_label=pos_label)
    options = {"cv": "prefit", "refit": False, "response_method": "predict_proba"}
    return TunedThresholdClassifierCV(estimator, scoring=scoring, **options)


def stacked(estimator):
    return StackingClassifier([("one", estimator)], LogisticRegression(), cv="prefit")


# Each wrapper around a fitted classifier, and the classes inside of it that decide.
WRAPPERS = {
    "none": (lambda model: model, []),
    "frozen": (FrozenEstimator, []),
    "pipeline": (
        lambda model: make_pipeline(StandardScaler(), FrozenEstimator(model)),
        ["Pipeline"],
    ),
    "search": (
        lambda model: GridSearchCV(fixed(FrozenEstimator(model)), {}, cv=2),
        ["GridSearchCV", "FixedThresholdClassifier"],
    ),
    "fixed": (
        lambda model: fixed(FrozenEstimator(model)),
        ["FixedThresholdClassifier"],
    ),
    "tuned": (
        lambda model: tuned(FrozenEstimator(model)),
        ["TunedThresholdClassifierCV"],
    ),
}
# Combinations of classifiers, which hide what they are made of.
ENSEMBLES = {
    "stacking": stacked,
    "one versus rest": lambda model: OneVsRestClassifier(FrozenEstimator(model)),
    "bagging": lambda model: BaggingClassifier(FrozenEstimator(model), 2),
}


def threshold_found(model, X, index):
    """Threshold for the class of an index, which has to explain every prediction."""
    proba, _ = response(model, X, index)
    labels = predicted(model, X, np.array([0, 1]), index)
    threshold = find_threshold(model, index, proba, labels)
    if threshold is not None:
        clear = np.abs(proba - threshold) > 1e-9
        np.testing.assert_array_equal(proba[clear] > threshold, labels[clear] == 1)
    return threshold


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_are_opened(name, binary):
    wrap, layers = WRAPPERS[name]
    model = wrap(LogisticRegression().fit(*binary))
    model.fit(*binary)
    names = [type(layer).__name__ for layer in unwrap(model)]
    assert names == [*layers, "LogisticRegression"]
    assert estimator_name(model) == "LogisticRegression"


@pytest.mark.parametrize("name", ENSEMBLES)
def test_ensembles_are_not_opened(name, binary, quick):
    """No member of them decides alone, nor does its rare class or its threshold."""
    X, y = binary
    model = ENSEMBLES[name](quick(max_epochs=1, threshold=0.3).fit(X, 1 - y))
    model.fit(X, 1 - y)
    assert list(unwrap(model)) == [model]
    # The member's rare class is class 0; the weights say class 1.
    assert positive_index(None, model.classes_, np.array([9.0, 1.0]), model) == 1
    if name == "stacking":
        assert threshold_found(model, X, 0) == threshold_found(model, X, 1) == 0.5


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("name", WRAPPERS)
def test_threshold_of_wrapped_classifiers(name, index, binary):
    X, y = binary
    model = WRAPPERS[name][0](LogisticRegression().fit(X, y)).fit(X, y)
    threshold = {"search": 0.2, "fixed": 0.2}.get(name, 0.5)
    if name == "tuned":
        threshold = model.best_threshold_
        assert abs(threshold - 0.5) > 0.01
    expected = threshold if index == 1 else 1 - threshold
    assert threshold_found(model, X, index) == pytest.approx(expected)


@pytest.mark.parametrize("pos_label", [0, 1])
@pytest.mark.parametrize("wrap", [fixed, tuned])
def test_threshold_of_either_class(wrap, pos_label, binary):
    """A wrapper may decide for the first class; scorers keep that to themselves."""
    X, y = binary
    inner = FrozenEstimator(LogisticRegression().fit(X, y))
    model = wrap(inner, pos_label=pos_label).fit(X, y)
    threshold = getattr(model, "best_threshold_", 0.2)
    assert threshold_found(model, X, pos_label) == pytest.approx(threshold)
    assert threshold_found(model, X, 1 - pos_label) == pytest.approx(1 - threshold)


@pytest.mark.parametrize("rare", [0, 1])
@pytest.mark.parametrize("name", WRAPPERS)
def test_ours_is_recognized_inside_wrappers(name, rare, binary, quick):
    """Its rare class counts, whatever the weights say, and so does its threshold."""
    X, y = binary
    y = y if rare == 1 else 1 - y
    ours = quick().fit(X, y)
    assert abs(ours.threshold_ - 0.5) > 0.01
    model = WRAPPERS[name][0](ours).fit(X, y)
    shares = np.where(np.arange(2) == rare, 9.0, 1.0)
    assert positive_index(None, ours.classes_, shares, model) == rare
    assert positive_index(1 - rare, ours.classes_, shares, model) == 1 - rare
    if name in ("none", "frozen"):
        threshold = ours.threshold_
        assert threshold_found(model, X, rare) == pytest.approx(threshold)
        assert threshold_found(model, X, 1 - rare) == pytest.approx(1 - threshold)
    elif name != "pipeline":  # which scales what ours was fitted to without
        assert threshold_found(model, X, rare) is not None


def test_a_wrapper_decides_which_class_is_positive(binary, quick):
    X, y = binary
    ours = FrozenEstimator(quick(max_epochs=1).fit(X, y))
    model = fixed(ours, pos_label=0).fit(X, y)
    assert positive_index(None, model.classes_, np.array([9.0, 1.0]), model) == 0
    plain = fixed(ours).fit(X, y)
    assert positive_index(None, model.classes_, np.array([1.0, 9.0]), plain) == 1


def test_no_threshold_that_predictions_contradict(binary):
    X, y = binary
    model = fixed(LogisticRegression()).fit(X, y)
    proba, _ = response(model, X, 1)
    labels = predicted(model, X, model.classes_, 1)
    assert find_threshold(model, 1, proba, labels) == 0.2
    assert find_threshold(model, 1, proba, (proba > 0.8).astype(int)) is None
    # The inner classifier decides at 0.5.
    assert find_threshold(model, 1, proba, (proba > 0.5).astype(int)) == 0.5


class Says(ClassifierMixin, BaseEstimator):
    """A fitted classifier that gives the probabilities it is made with."""

    def __init__(self, proba):
        self.proba = proba
        self.classes_ = np.array([0, 1])

    def fit(self, X, y):
        return self

    def predict_proba(self, X):
        return self.proba


@pytest.mark.parametrize(
    ("proba", "message"),
    [
        (np.full((3, 2), "0.5"), "numbers of shape .*got <U3"),
        (np.full((3, 3), 0.5), r"got float64 of shape \(3, 3\)"),
        (0.5, "got 0.5"),
        (np.array([[0.5, 0.5], [np.nan, 1], [0, 1]]), "gave 1 of 3 rows"),
        (np.array([[0.0, 1.0], [-0.01, 1], [0, 1]]), "from -0.01 to 1"),
        (np.array([[0.0, 1.0], [0, 1.01], [0, 1]]), "from 0 to 1.01"),
    ],
)
def test_what_are_no_probabilities(proba, message):
    with pytest.raises(ValueError, match=message):
        class_probabilities(Says(proba), np.zeros((3, 1)))


def test_rounding_beyond_0_and_1_is_a_probability():
    proba = np.array([[1 + 1e-7, -1e-7], [0.0, 1.0]])
    assert_array_equal(class_probabilities(Says(proba), np.zeros((2, 1))), proba)


def test_a_row_at_the_threshold_is_no_alarm():
    at = 0.25
    high = np.array([np.nextafter(at, 0), at, np.nextafter(at, 1)])
    model = deciding_at(Says(np.column_stack([1 - high, high])), at, 1)
    assert_array_equal(model.predict(np.zeros((3, 1))), [0, 0, 1])


class Decides(ClassifierMixin, BaseEstimator):
    """A fitted classifier that gives the scores it is made with."""

    def __init__(self, scores):
        self.scores = scores
        self.classes_ = np.array([0, 1])

    def decision_function(self, X):
        return self.scores


def test_scores_that_are_not_finite_are_counted():
    model = Decides(np.array([0.1, np.nan, np.inf, 2.0, 3.0]))
    with pytest.raises(ValueError, match="gave 2 of 5 rows a score that is not"):
        response(model, np.zeros((5, 1)), 1)


def test_a_last_digit_does_not_hide_a_threshold(binary):
    X, y = binary
    model = fixed(LogisticRegression(), 0.2).fit(X, y)
    proba = np.array([0.1, 0.2 + 1e-12, 0.2 - 1e-12, 0.3])
    assert find_threshold(model, 1, proba, np.array([0, 0, 1, 1])) == 0.2
    assert find_threshold(model, 1, proba + 1e-6, np.array([0, 0, 1, 1])) is None
