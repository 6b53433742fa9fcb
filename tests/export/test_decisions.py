"""What a graph says of its decisions: classes, threshold and class weights."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skadaptive._export.decision import _just_below, decision_properties


def properties(model, labels, rng):
    X = rng.normal(size=(60, 2))
    y = np.asarray(labels)[np.arange(60) % len(labels)]
    model.fit(X, y)
    found = decision_properties(model)
    return {name: json.loads(text) for name, text in found.items()}, model


def test_classifiers_without_a_threshold(rng):
    found, _ = properties(LogisticRegression(), ["no", "yé"], rng)
    assert found == {"classes": ["no", "yé"], "rare_class": "yé", "threshold": 0.5}
    found, _ = properties(LogisticRegression(), [3, 1, 2], rng)
    assert found == {"classes": [1, 2, 3], "class_weights": [1.0, 1.0, 1.0]}


@pytest.mark.parametrize(
    ("threshold", "pos_label", "rare", "expected"),
    [
        (0.3, None, 1, 0.3),
        (0.3, "no", 0, 0.3),
        (0.25, "yes", 1, 0.25),
        ("auto", None, 1, 0.5),
    ],
)
def test_a_fixed_threshold_is_reached_by_what_equals_it(
    threshold, pos_label, rare, expected, rng
):
    """scikit-learn compares by >=, and a graph by >."""
    model = FixedThresholdClassifier(
        make_pipeline(StandardScaler(), LogisticRegression()),
        threshold=threshold,
        pos_label=pos_label,
        response_method="predict_proba",
    )
    found, _ = properties(model, ["no", "yes"], rng)
    assert found["rare_class"] == found["classes"][rare]
    assert found["threshold"] == _just_below(expected) < expected


def test_a_tuned_threshold_is_that_of_the_class_it_was_tuned_for(rng):
    model = TunedThresholdClassifierCV(
        LogisticRegression(), response_method="predict_proba", cv=2
    )
    found, model = properties(model, [0, 1], rng)
    assert found["rare_class"] == 1
    assert found["threshold"] == _just_below(model.best_threshold_)


def test_a_threshold_that_is_no_probability_is_refused(rng):
    model = FixedThresholdClassifier(
        LogisticRegression(), response_method="decision_function"
    )
    with pytest.raises(
        ValueError, match="FixedThresholdClassifier with response_method"
    ):
        properties(model, [0, 1], rng)


def test_nothing_lies_between_a_threshold_and_the_number_just_below():
    for threshold in (0.5, 0.25, 1.0):  # which float32 holds
        below = np.float32(_just_below(threshold))
        assert below < threshold == np.nextafter(below, np.float32(1))
    for threshold in (0.3, 0.1, np.float64(0.7)):
        below = _just_below(threshold)
        assert below < threshold == np.nextafter(below, 1)
