"""Calibration and threshold from out-of-fold logits."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit

from skadaptive._committee.calibration import SigmoidCalibration
from skadaptive._committee.decision import DecisionRule, decide, is_tuned
from skadaptive._committee.threshold_tuning import tune_threshold
from skadaptive.thresholds import OF_SCORER, f1


def rule(**changes):
    parameters = {
        "threshold": "tune",
        "calibration": None,
        "scoring": "f1",
        "class_factors": np.ones(2),
        "rare": 1,
    }
    return DecisionRule(**{**parameters, **changes})


@pytest.fixture
def rows(rng):
    """300 rows, a fifth of them rare; the logit is that of the second class."""
    y = (np.arange(300) % 5 == 0).astype(int)
    logits = rng.normal(3.0 * y - 2, 1.5)[:, None]
    return SimpleNamespace(logits=logits, y=y, weight=rng.uniform(0.5, 2, 300))


def other_way_round(rows):
    """The same rows with the rare class first."""
    return SimpleNamespace(logits=-rows.logits, y=1 - rows.y, weight=rows.weight)


def test_what_asks_for_tuning():
    assert is_tuned("tune") and is_tuned(f1)
    assert not is_tuned(None) and not is_tuned(0.5)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("rare", [0, 1])
def test_the_offset_is_the_threshold_on_logits(rows, threshold, rare):
    if rare == 0:
        rows = other_way_round(rows)
    found = decide(rows, rule(threshold=threshold, rare=rare), True)
    assert found.threshold == threshold and found.calibration is None
    proba = expit(rows.logits[:, 0])
    proba = proba if rare == 1 else 1 - proba
    second = rows.logits[:, 0] + found.offset > 0
    assert_array_equal(second == (rare == 1), proba > threshold)


def test_without_tuning_class_weights_are_costs_of_errors(rows):
    factors = np.array([1.0, 3.0])
    found = decide(rows, rule(threshold=None, class_factors=factors), True)
    assert found.threshold == 0.25
    swapped = rule(threshold=None, class_factors=factors[::-1], rare=0)
    assert decide(other_way_round(rows), swapped, True).threshold == 0.25
    # Also where a class is missing, so that nothing can be tuned or calibrated.
    found = decide(rows, rule(class_factors=factors, calibration="sigmoid"), False)
    assert found.threshold == 0.25 and found.calibration is None


@pytest.mark.parametrize("calibration", [None, "sigmoid"])
@pytest.mark.parametrize("rare", [0, 1])
def test_the_threshold_is_tuned_on_calibrated_probabilities(rows, calibration, rare):
    rare_logits, y = rows.logits, rows.y
    if calibration:
        rare_logits = SigmoidCalibration.fit(rare_logits, y, rows.weight)(rare_logits)
    expected = tune_threshold(
        f1,
        y,
        expit(rare_logits[:, 0]),
        rows.weight,
        calibrated=calibration is not None,
    )
    if rare == 0:
        rows = other_way_round(rows)
    # Class weights are no part of the criterion.
    for factors in (np.ones(2), np.array([1.0, 30.0])):
        asked = rule(calibration=calibration, class_factors=factors, rare=rare)
        assert decide(rows, asked, True).threshold == pytest.approx(expected, rel=1e-4)
    found = decide(rows, asked, True)
    assert (found.calibration is None) == (calibration is None)


def test_only_a_rare_class_calls_for_tuning_but_a_criterion_does(rows):
    """At a share of 45 % by weight the tuning ends."""
    weight = np.where(rows.y == 1, 4.0, 1.0)  # 240 to 240
    even = SimpleNamespace(logits=rows.logits, y=rows.y, weight=weight)
    assert decide(even, rule(), True).threshold == 0.5
    assert decide(even, rule(threshold=f1), True).threshold != 0.5
    even.weight = np.where(rows.y == 1, 3.2, 1.0)  # 192 to 240, or 44.4 %
    assert decide(even, rule(), True).threshold != 0.5
    some = np.r_[np.flatnonzero(rows.y)[:9], np.flatnonzero(rows.y == 0)[:11]]
    limit = SimpleNamespace(
        logits=rows.logits[some], y=rows.y[some], weight=np.ones(20)
    )
    assert decide(limit, rule(), True).threshold == 0.5


def test_more_than_two_classes_are_chosen_by_their_weights(rng):
    logits, factors = rng.normal(size=(60, 3)), np.array([1.0, 2.0, 5.0])
    rows = SimpleNamespace(logits=logits, y=np.arange(60) % 3, weight=np.ones(60))
    found = decide(rows, rule(class_factors=factors, rare=2), True)
    assert_allclose(found.offset, np.log(factors))
    assert found.threshold == pytest.approx(1 - 5 / 8)


def test_the_criterion_is_that_of_the_scoring():
    assert rule(scoring="balanced_accuracy").criterion is OF_SCORER["balanced_accuracy"]
    assert rule(scoring="roc_auc").criterion is f1
    assert rule(scoring=lambda *_: 0).criterion is f1
    assert rule(threshold=OF_SCORER["jaccard"]).criterion is OF_SCORER["jaccard"]
