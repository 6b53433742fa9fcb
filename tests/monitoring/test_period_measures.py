"""Measures, their errors and their tests, against scikit-learn and the bootstrap."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import kstest
from sklearn.metrics import average_precision_score, brier_score_loss, precision_score

from skadaptive._assessment.measures import bootstrap_measures
from skadaptive._assessment.threshold_counts import ScoredRows
from skadaptive._monitoring.measures import (
    LABELLED,
    DecidedRows,
    LabelledComparison,
    average_precision,
    compare_shares,
)

Z = 1.96


def decided(rng, n_rows, share, *, skill=2.0, weight=None, threshold=0.25):
    y = (rng.random(n_rows) < share).astype(int)
    proba = expit(rng.normal(skill * y - 3))
    return DecidedRows(ScoredRows(y, proba, weight), threshold)


def classes_of(rows):
    return [rows.of_class(0), rows.of_class(1)]


def test_values_are_those_of_scikit_learn(rng):
    weight = rng.integers(1, 4, 800).astype(float)
    old = decided(rng, 3000, 0.1)
    for new in (decided(rng, 800, 0.15), decided(rng, 800, 0.15, weight=weight)):
        found = LabelledComparison(old, Z).measures(new)
        assert set(found) == set(LABELLED)
        y, proba, w = new.rows.y, new.rows.proba, new.rows.weight
        labels = proba > new.threshold
        expected = {
            "share": np.average(y, weights=w),
            "average_precision": average_precision_score(y, proba, sample_weight=w),
            "recall": np.average(labels[y == 1], weights=w[y == 1]),
            "precision": precision_score(y, labels, sample_weight=w),
            "brier_score": brier_score_loss(y, proba, sample_weight=w),
            "calibration": np.average(y, weights=w) / np.average(proba, weights=w),
        }
        assert_allclose([found[name].value for name in expected], [*expected.values()])
        for one in found.values():
            assert one.low <= one.value <= one.high
            assert one.expected_low <= one.expected <= one.expected_high


def test_the_training_is_weighted_to_the_share_of_the_period(rng):
    old, new = decided(rng, 3000, 0.1), decided(rng, 200_000, 0.3)
    found = LabelledComparison(old, Z).measures(new)
    y, proba = old.rows.y, old.rows.proba
    weight = np.where(y == 1, 0.3 / y.mean(), 0.7 / (1 - y.mean()))
    score = average_precision_score(y, proba, sample_weight=weight)
    precision = precision_score(y, proba > old.threshold, sample_weight=weight)
    assert found["average_precision"].expected == pytest.approx(score, abs=0.005)
    assert found["precision"].expected == pytest.approx(precision, abs=0.005)


def test_the_error_of_average_precision_is_that_of_the_bootstrap(rng):
    rows = decided(rng, 2000, 0.1)
    value, variances = average_precision(classes_of(rows), rows.rows.share)
    sizes = np.bincount(rows.rows.y)
    error = np.sqrt(variances[0] / sizes[0] + variances[1] / sizes[1])
    y, proba = rows.rows.y, rows.rows.proba
    drawn, _ = bootstrap_measures(
        y, proba, np.zeros(len(y), int), np.ones(len(y)), 600, rng
    )
    assert value == pytest.approx(average_precision_score(y, proba))
    assert error == pytest.approx(drawn[:, 0].std(), rel=0.12)


def test_small_samples_have_a_greater_average_precision(rng):
    old = decided(rng, 60_000, 0.1, skill=1.0)
    sizes = [90, 10]
    expected, _ = average_precision(classes_of(old), 0.1, n_rows=sizes)
    plain, _ = average_precision(classes_of(old), 0.1)
    scores = []
    for _ in range(500):
        y = np.repeat([0, 1], sizes)
        scores.append(average_precision_score(y, rng.normal(1.0 * y)))
    error = np.std(scores) / np.sqrt(len(scores))
    assert abs(np.mean(scores) - expected) < 4 * error < expected - plain


def test_levels_are_true(global_random_seed):
    rng = np.random.default_rng([global_random_seed, 3])
    p_values = {name: [] for name in LABELLED}
    for _ in range(250):
        old, new = decided(rng, 4000, 0.1), decided(rng, 600, 0.1)
        for name, one in LabelledComparison(old, Z).measures(new).items():
            p_values[name].append(one.p_value)
    for name, found in p_values.items():
        found = np.array(found)
        assert np.mean(found < 0.05) < 0.1, name
        assert np.mean(found < 0.01) < 0.035, name
        if name != "precision":  # which is tested with a smaller level
            assert kstest(found, "uniform").statistic < 0.12, name


def test_another_share_alone_changes_nothing_but_the_share_and_calibration(rng):
    old, new = decided(rng, 20_000, 0.05), decided(rng, 5000, 0.15)
    found = LabelledComparison(old, Z).measures(new)
    changed = {name for name, one in found.items() if one.p_value < 1e-4}
    assert changed == {"share", "calibration"}


def test_a_worse_model_changes_the_measures(rng):
    old, new = decided(rng, 20_000, 0.1), decided(rng, 3000, 0.1, skill=0.5)
    found = LabelledComparison(old, Z).measures(new)
    for name in ("average_precision", "recall", "precision"):
        assert found[name].p_value < 1e-4 and found[name].statistic < 0
        assert found[name].value < found[name].expected_low


def test_few_rows_are_not_judged(rng):
    old = decided(rng, 3000, 0.1)
    y = np.repeat([0, 1], [40, 3])
    new = DecidedRows(ScoredRows(y, rng.random(43), None), 0.25)
    assert set(LabelledComparison(old, Z).measures(new)) <= {"share", "calibration"}


def test_without_alarms_there_is_no_precision(rng):
    old = decided(rng, 3000, 0.1)
    new = decided(rng, 3000, 0.1, threshold=1.0)
    found = LabelledComparison(old, Z).measures(new)
    assert "precision" not in found and found["recall"].value == 0


def test_a_perfect_training_has_intervals(rng):
    y = np.repeat([0, 1], [900, 100])
    perfect = DecidedRows(ScoredRows(y, 0.1 + 0.8 * y, None), 0.5)
    found = LabelledComparison(perfect, Z).measures(perfect)
    for one in found.values():
        assert np.isfinite([*vars(one).values()]).all()
        assert one.p_value == 1


@pytest.mark.parametrize(("n", "n_old", "share"), [(2000, 5000, 0.2), (40, 90, 0.03)])
def test_shares_have_at_most_the_level(rng, n, n_old, share):
    p_values = []
    for _ in range(800):
        new, old = ((rng.random(m) < share, np.ones(m)) for m in (n, n_old))
        p_values.append(compare_shares(new, old, Z).p_value)
    assert np.mean(np.array(p_values) < 0.05) < 0.07
