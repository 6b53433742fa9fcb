"""Criteria and tuned thresholds of generated rows, against scikit-learn."""

import numpy as np
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn import metrics

from skadaptive._committee.threshold_tuning import best_score, tune_threshold
from skadaptive.thresholds import (
    OF_SCORER,
    expected_cost,
    precision_at_recall,
    recall_at_precision,
)

#: The metric of scikit-learn that each criterion computes.
METRICS = {
    "f1": lambda *rows, **w: metrics.f1_score(*rows, **w, zero_division=0),
    "f1_macro": lambda *rows, **w: metrics.f1_score(
        *rows, **w, average="macro", zero_division=0
    ),
    "accuracy": metrics.accuracy_score,
    "balanced_accuracy": metrics.balanced_accuracy_score,
    "jaccard": lambda *rows, **w: metrics.jaccard_score(*rows, **w, zero_division=0),
    "matthews_corrcoef": metrics.matthews_corrcoef,
}
CRITERIA = [*OF_SCORER.values(), expected_cost([[0, 1], [10, -2]])]
CRITERIA += [precision_at_recall(0.9), recall_at_precision(1.0)]


@st.composite
def scored_rows(draw):
    """Labels of both classes, probabilities with ties and ends, and weights.

    The weights sum to about 1, apart from a power of 2, which comes last.
    """
    size = draw(st.integers(2, 60))
    kind = draw(st.sampled_from(["any", "ties", "constant", "ends", "tiny", "apart"]))
    weights = draw(st.sampled_from(["ones", "any", "far apart", "zeros"]))
    unit = 2.0 ** draw(st.sampled_from([0, -900, -300, 300, 900]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    y = rng.permutation(np.r_[0, 1, (rng.random(size - 2) < rng.random()).astype(int)])
    proba = {
        "any": rng.random(size),
        "ties": rng.integers(0, 4, size) / 4,
        "constant": np.full(size, rng.choice([0.0, 0.3, 0.5, 1.0])),
        "ends": rng.integers(0, 2, size).astype(float),
        "tiny": 10.0 ** rng.uniform(-320, -1, size),
        "apart": (y + rng.random(size)) / 2,
    }[kind]
    weight = {
        "ones": np.ones(size),
        "any": rng.uniform(0.1, 3, size),
        "far apart": 10.0 ** rng.uniform(-6, 0, size),
        "zeros": rng.integers(0, 2, size).astype(float),
    }[weights]
    for label in (0, 1):
        if not weight[y == label].any():
            weight[np.flatnonzero(y == label)[0]] = 1.0
    return y, proba, weight / weight.sum(), unit


def counts_at(thresholds, y, proba, weight):
    """tp, fp, fn, tn at each threshold."""
    found = proba > np.asarray(thresholds)[:, None]
    cells = [found & (y == 1), found & (y == 0), ~found & (y == 1), ~found & (y == 0)]
    return [np.where(cell, weight, 0).sum(axis=1) for cell in cells]


def between(proba):
    """A threshold between any two probabilities, below and above all."""
    levels = np.unique(proba)
    return np.r_[-1.0, levels]


@bounded(60)
@given(scored_rows())
def test_criteria_are_the_metrics_of_scikit_learn_for_weights_of_any_unit(case):
    y, proba, weight, unit = case
    thresholds = between(proba)
    counts = counts_at(thresholds, y, proba, weight * unit)
    for name, criterion in OF_SCORER.items():
        expected = [
            METRICS[name](y, (proba > at).astype(int), sample_weight=weight)
            for at in thresholds[:9]
        ]
        scores = criterion(*counts)
        assert scores.shape == thresholds.shape
        assert np.isfinite(scores).all()
        assert_allclose(scores[:9], expected, rtol=1e-7, atol=1e-7, err_msg=name)


@bounded(40)
@given(scored_rows(), st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), st.data())
def test_costs_are_means_over_rows(case, costs, data):
    y, proba, weight, unit = case
    matrix = np.reshape(costs, (2, 2))
    at = data.draw(st.sampled_from(list(between(proba))))
    cost = matrix[y, (proba > at).astype(int)]
    scores = expected_cost(matrix)(*counts_at([at], y, proba, weight * unit))
    assert_allclose(scores, -np.average(cost, weights=weight), rtol=1e-9, atol=1e-6)


@bounded(40)
@given(scored_rows(), st.floats(1e-6, 1))
def test_constraints_come_first(case, least):
    y, proba, weight, unit = case
    tp, fp, fn, tn = counts_at(between(proba), y, proba, weight * unit)
    recall = tp / (tp + fn)
    precision = np.divide(tp, tp + fp, out=np.zeros_like(tp), where=tp + fp > 0)
    for criterion, value, constraint in (
        (precision_at_recall(least), precision, recall),
        (recall_at_precision(least), recall, precision),
    ):
        best = np.argmax(criterion(tp, fp, fn, tn))
        kept = constraint >= least
        if kept.any():
            assert kept[best] and value[best] == value[kept].max()
        else:
            assert constraint[best] == constraint.max()


@bounded(60)
@given(
    scored_rows(),
    st.sampled_from(CRITERIA),
    st.booleans(),
    st.sampled_from([0.5, 1e-9, 0.999]),
)
def test_a_threshold_is_always_found_and_has_no_unit(case, criterion, calibrated, near):
    y, proba, weight, unit = case
    given = {"neutral": near, "calibrated": calibrated}
    found = tune_threshold(criterion, y, proba, weight, **given)
    assert 0 < found < 1
    # A power of 2 rounds nothing.
    assert tune_threshold(criterion, y, proba, weight * 2.0**40, **given) == found
    best = best_score(criterion, y, proba, weight)
    reached = criterion(*counts_at(between(proba), y, proba, weight))
    assert reached.min() - 1e-12 <= best <= reached.max() + 1e-12
