"""Tests over folds and exact intervals, against SciPy where it has the same."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skadaptive._assessment.statistics import (
    corrected_t_test,
    effective_size,
    half_width,
    holm,
    least_share_of_all,
)


@pytest.mark.parametrize("n_folds", [2, 3, 10])
def test_without_a_correction_it_is_the_test_of_student(n_folds, rng):
    values = rng.normal(0.5, 1, n_folds)
    plain = stats.ttest_1samp(values, 0)
    assert corrected_t_test(values, 0) == pytest.approx(plain.pvalue)
    for level in (0.95, 0.8):
        low, high = plain.confidence_interval(level)
        assert half_width(values, 0, level) == pytest.approx((high - low) / 2)


def test_the_variance_grows_by_the_share_of_test_rows(rng):
    values = rng.normal(0.5, 1, 5)
    ratio = half_width(values, 0.25) / half_width(values, 0)
    assert ratio == pytest.approx(np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))
    t = values.mean() / np.sqrt(values.var(ddof=1) * (1 / 5 + 1 / 4))
    assert corrected_t_test(values, 0.25) == pytest.approx(2 * stats.t.sf(abs(t), 4))


def test_one_fold_and_folds_that_are_alike():
    assert np.isnan(corrected_t_test([0.3], 0.25)) and np.isnan(half_width([0.3], 0.25))
    assert corrected_t_test([0.0, 0.0], 0.25) == 1
    assert corrected_t_test([0.5, 0.5], 0.25) == 0
    assert corrected_t_test([0.1, 0.1, 0.1], 0.25) < 1e-6  # but for rounding


def test_holm_by_hand():
    assert_allclose(holm([0.04, 0.01, 0.8, 0.03]), [0.09, 0.04, 0.8, 0.09])
    assert_allclose(holm([0.6, 0.7]), [1, 1])
    assert holm([]).shape == (0,)


def test_adjusted_p_values_keep_their_order(rng):
    p_values = rng.random(6) / 10
    adjusted = holm(p_values)
    order = np.argsort(p_values)
    assert_allclose(adjusted[order[0]], 6 * p_values[order[0]])
    assert (adjusted >= p_values).all() and (np.diff(adjusted[order]) >= 0).all()


def test_the_least_share_of_all_is_the_exact_interval():
    for n, level in ((1, 0.95), (37, 0.95), (37, 0.8)):
        ends = stats.binomtest(n, n).proportion_ci(level, "exact")
        assert least_share_of_all(n, level) == pytest.approx(ends.low)
    assert least_share_of_all(0) == 0


def test_the_effective_number_of_rows():
    assert effective_size(np.ones(7)) == pytest.approx(7)
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(16 / 10)
    assert effective_size(np.zeros(3)) == 0
