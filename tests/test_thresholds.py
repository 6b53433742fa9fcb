"""The criteria, against scikit-learn and values made by hand."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.metrics import confusion_matrix, get_scorer

from skadaptive.thresholds import (
    OF_SCORER,
    expected_cost,
    precision_at_recall,
    recall_at_precision,
)


@pytest.mark.parametrize("name", OF_SCORER)
def test_criteria_are_the_scores_of_scikit_learn(name, rng):
    """Of weighted rows, at several thresholds at a time."""
    y, weight = rng.integers(2, size=50), rng.uniform(0.1, 2, 50)
    predicted = [rng.integers(2, size=50) for _ in range(3)]
    cells = [confusion_matrix(y, p, sample_weight=weight).ravel() for p in predicted]
    tn, fp, fn, tp = np.transpose(cells)
    metric = get_scorer(name)
    expected = [
        metric._sign * metric._score_func(y, p, sample_weight=weight, **metric._kwargs)
        for p in predicted
    ]
    assert_allclose(OF_SCORER[name](tp, fp, fn, tn), expected)


@pytest.mark.parametrize("name", OF_SCORER)
def test_criteria_of_no_rows_are_0(name):
    zero, one = np.zeros(1), np.ones(1)
    assert OF_SCORER[name](zero, zero, zero, zero) == 0
    # No row is rare and none is predicted so: only what is right of the other counts.
    right = {"accuracy": 1, "f1_macro": 0.5, "balanced_accuracy": 0.5}
    assert OF_SCORER[name](zero, zero, zero, one) == right.get(name, 0)


#: Of 10 rare rows and 10 others, by threshold: recall 1, .8, .5; precision .5, .8, 1.
COUNTS = np.array([[10, 8, 5], [10, 2, 0], [0, 2, 5], [0, 8, 10]], dtype=float)


def test_a_constraint_that_is_just_met_is_met():
    met = precision_at_recall(0.8)(*COUNTS)
    assert_allclose(met[:2], [0.5, 0.8])
    assert met[2] < 0  # worse than any that meets it
    met = recall_at_precision(0.8)(*COUNTS)
    assert_allclose(met[1:], [0.8, 0.5])
    assert met[0] < 0


def test_where_no_threshold_meets_it_the_nearest_is_best():
    below = precision_at_recall(1.0)(*COUNTS[:, 1:])
    assert below[0] > below[1] and (below < 0).all()
    below = recall_at_precision(0.9)(*COUNTS[:, :2])
    assert below[0] < below[1] < 0


def test_expected_cost_is_the_mean_cost_of_a_row():
    costs = expected_cost([[1, 2], [30, -4]])
    by_hand = [
        (0 * 1 + 10 * 2 + 0 * 30 - 10 * 4) / 20,
        (8 * 1 + 2 * 2 + 2 * 30 - 8 * 4) / 20,
        (10 * 1 + 0 * 2 + 5 * 30 - 5 * 4) / 20,
    ]
    assert_allclose(costs(*COUNTS), np.negative(by_hand))


@pytest.mark.parametrize("criterion", [precision_at_recall, recall_at_precision])
def test_a_share_is_above_0_and_at_most_1(criterion):
    # Equal criteria are one in a dict or a cache.
    assert len({criterion(1), criterion(1.0), criterion(0.5)}) == 2
    for wrong in (0, -0.1, 1.001, "0.5", None, float("nan")):
        with pytest.raises(ValueError, match=r"must be a number in \(0, 1\]"):
            criterion(wrong)


@pytest.mark.parametrize("wrong", [[[0, 1]], [[0, 1], [np.nan, 0]], [0, 1, 2, 3]])
def test_costs_are_two_by_two_finite_numbers(wrong):
    with pytest.raises(ValueError, match="2 x 2, finite"):
        expected_cost(wrong)
