"""Measures, their errors and their tests, against scikit-learn and the bootstrap."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import binomtest, fisher_exact, kstest, norm
from sklearn.metrics import average_precision_score, brier_score_loss, precision_score

from skadaptive._assessment.measures import bootstrap_measures
from skadaptive._assessment.threshold_counts import ScoredRows
from skadaptive._monitoring.measures import (
    LABELLED,
    DecidedRows,
    LabelledComparison,
    average_precision,
    compare_shares,
    effective_size,
    two_sided,
    z_of_ratio,
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


@pytest.mark.parametrize("n_alarms", [0, 3, 50, 200])
def test_intervals_of_shares_are_those_of_wilson(n_alarms):
    """And the p-value of few rows is that of Fisher's exact test."""
    z = norm.ppf(0.975)
    new, old = np.arange(200) < n_alarms, np.arange(1000) < 100
    found = compare_shares((new, np.full(200, 0.5)), (old, np.full(1000, 3.0)), z)
    interval = binomtest(n_alarms, 200).proportion_ci(method="wilson")
    assert_allclose([found.low, found.high], interval, atol=1e-12)
    assert (found.value, found.expected) == (n_alarms / 200, 0.1)
    # As many rows of the new ones as of both samples tell as much.
    n = 1 / (1 / 200 + 1 / 1000)
    middle = 0.1 + z**2 / (2 * n)
    half = z * np.sqrt(0.1 * 0.9 / n + z**2 / (4 * n**2))
    ends = np.array([middle - half, middle + half]) / (1 + z**2 / n)
    assert_allclose([found.expected_low, found.expected_high], ends)
    if 200 * (n_alarms + 100) / 1200 >= 20:
        angles = np.arcsin(np.sqrt(n_alarms / 200)) - np.arcsin(np.sqrt(0.1))
        statistic = 2 * angles * np.sqrt(n)
        assert found.statistic == pytest.approx(statistic)
        assert found.p_value == pytest.approx(2 * norm.sf(abs(statistic)))
    else:
        table = [[n_alarms, 200 - n_alarms], [100, 900]]
        assert found.p_value == pytest.approx(fisher_exact(table).pvalue)
        assert found.statistic == pytest.approx(-norm.isf(found.p_value / 2))


def test_numbers_of_rows_and_errors_by_hand():
    assert effective_size(np.full(7, 0.3)) == pytest.approx(7)
    assert effective_size(np.array([1.0, 3.0])) == pytest.approx(16 / 10)
    assert effective_size(np.zeros(3)) == 0
    assert two_sided(-Z) == two_sided(Z) == pytest.approx(0.05, abs=1e-4)
    assert z_of_ratio(0.25, 0.25, 0.0) == 0 and z_of_ratio(0.2, 0.25, 0.0) == np.inf
    # Near the expected value, the difference in standard errors.
    assert z_of_ratio(0.2501, 0.25, 0.001) == pytest.approx(0.1, rel=1e-3)
    assert z_of_ratio(0.36, 0.25, 0.1) == pytest.approx(2 * (0.6 - 0.5) * 0.5 / 0.1)


def test_the_expected_interval_of_precision_counts_the_rows_of_the_training(rng):
    """So many new rows that all of its width is the error of the training's rates."""
    n_other, n_rare, pi = 3000, 150, 0.2
    y = np.repeat([0, 1], [n_other, n_rare])
    proba = np.r_[np.arange(n_other) < 0.04 * n_other, np.arange(n_rare) < 0.6 * n_rare]
    old = DecidedRows(ScoredRows(y, proba * 0.9, None), 0.5)
    y = np.repeat([0, 1], [80_000, 20_000])
    proba = np.r_[np.arange(80_000) < 4000, np.arange(20_000) < 15_000]
    new = DecidedRows(ScoredRows(y, proba * 0.9, np.full(100_000, 1e3)), 0.5)
    found = LabelledComparison(old, Z).measures(new)["precision"]
    assert found.value == pytest.approx(15 / 19)
    false_rate = rng.binomial(n_other, 0.04, 20_000) / n_other
    recall = rng.binomial(n_rare, 0.6, 20_000) / n_rare
    drawn = pi * recall / (pi * recall + (1 - pi) * false_rate)
    assert found.expected == pytest.approx(drawn.mean(), rel=5e-3)
    width = found.expected_high - found.expected_low
    assert width == pytest.approx(2 * Z * drawn.std(), rel=0.06)
    assert found.high - found.low < width / 3


def test_calibration_is_of_enough_expected_rows(rng):
    y = (np.arange(100) < 30).astype(int)
    old = DecidedRows(ScoredRows(y, np.full(100, 0.2), None), 0.5)
    for level, is_measured in ((0.199, False), (0.2001, True)):
        new = DecidedRows(ScoredRows(y, np.full(100, level), None), 0.5)
        found = LabelledComparison(old, Z).measures(new)
        assert ("calibration" in found) == is_measured
    one = found["calibration"]
    assert (one.value, one.expected) == pytest.approx((1.5, 1.5), rel=1e-3)
    error = np.sqrt(0.3 * 0.7 / 100) / 0.2
    roots = np.sqrt(1.5) + np.array([-1, 1]) * Z * error / (2 * np.sqrt(1.5))
    assert_allclose([one.low, one.high], roots**2, rtol=1e-3)
    roots = np.sqrt(1.5) + np.array([-1, 1]) * Z * error / np.sqrt(3)
    assert_allclose([one.expected_low, one.expected_high], roots**2, rtol=1e-3)
    assert abs(one.statistic) < 0.01 < 0.99 < one.p_value


@pytest.mark.parametrize(("n_rare", "is_measured"), [(9, False), (10, True)])
def test_ten_rows_of_each_class_are_enough(n_rare, is_measured):
    few = np.repeat([0, 1], [300, n_rare])
    many = np.repeat([0, 1], [300, 50])
    few, many = (
        DecidedRows(ScoredRows(y, 0.2 + 0.5 * y, None), 0.5) for y in (few, many)
    )
    for old, new in ((few, many), (many, few)):
        assert ("recall" in LabelledComparison(old, Z).measures(new)) == is_measured
