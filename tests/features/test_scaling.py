"""Robust scaling, normal scores and flags of missing values."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

from skadaptive import _threads as threads
from skadaptive._features.relevance import quantile_codes
from skadaptive._features.scaling import (
    BOUND,
    RobustScaler,
    for_column_blocks,
    quantiles,
)

# -------------------------------------------------------------------------- scaling


def test_scaling_is_robust_and_bounded(rng):
    X = np.c_[rng.normal(50, 10, 500), rng.lognormal(0, 3, 500), rng.random(500) < 0.03]
    X[0, 0] = 1e12
    scaled = RobustScaler.fit(X, np.ones(500)).transform(X)
    assert np.abs(scaled).max() <= BOUND + 1e-12
    assert 0.5 < scaled[1:, 0].std() < 1
    assert_array_equal(np.argsort(scaled[:, 1]), np.argsort(X[:, 1]))
    # A rare flag has no interquartile range but must stay visible.
    assert np.ptp(scaled[:, 2]) > 1


@pytest.mark.parametrize("n_rows", [1, 2, 7, 100, 1001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quantiles_are_those_of_numpy(rng, n_rows, dtype):
    """Also where equal weights allow a plain sort, and with missing values."""
    X = rng.normal(size=(n_rows, 3)).astype(dtype)
    X[:, 1] = np.round(X[:, 1])
    X[1::3, 0], X[:, 2] = np.nan, np.nan
    levels = np.r_[0, 0.07, np.arange(1, 30) / 30, 1]
    result = quantiles(X, levels, np.full(n_rows, 2.0))
    for feature in (0, 1):
        column = X[~np.isnan(X[:, feature]), feature]
        expected = np.quantile(column, levels, method="inverted_cdf")
        assert_array_equal(result[:, feature], expected)
    assert np.isnan(result[:, 2]).all()


def test_scaling_knows_weights(rng):
    X, weight = rng.normal(size=(300, 4)), rng.integers(1, 4, size=300)
    X[:, 2] = np.exp(3 * X[:, 2])
    X[:, 3] = np.where(X[:, 3] > 1, np.exp(6 * X[:, 3]), 0)
    weighted = RobustScaler.fit(X, weight.astype(float))
    repeated = RobustScaler.fit(X.repeat(weight, axis=0), np.ones(weight.sum()))
    assert weighted.dominant == [3] and list(weighted.normal_scores) == [2]
    assert_array_equal(weighted.center, repeated.center)
    assert_array_equal(weighted.scale, repeated.scale)
    assert_allclose(weighted.transform(X), repeated.transform(X), atol=1e-9)


def test_heavy_tails_also_get_normal_scores(rng):
    normal, heavy = rng.normal(size=2000), rng.standard_t(1, size=2000)
    flag, few = rng.random(2000) < 0.1, rng.integers(4, size=2000)
    X = np.c_[normal, heavy, flag, few, np.exp(5 * normal)]
    scaler = RobustScaler.fit(X, np.ones(2000))
    assert list(scaler.normal_scores) == [1, 4]
    scaled = scaler.transform(X)
    assert scaled.shape == (2000, scaler.n_outputs) == (2000, 7)
    for feature, column in ((1, 5), (4, 6)):
        scores = scaled[:, column]
        assert_allclose([scores.mean(), scores.std()], [0, 1], atol=0.02)
        order = np.argsort(X[:, feature])
        assert (np.diff(scores[order]) >= 0).all()
        # In the tail, where the smooth clipping leaves hardly any difference.
        tail = order[-40:]
        assert np.ptp(scores[tail]) > 3 * np.ptp(scaled[tail, feature])
    # A monotone transformation of a heavy-tailed feature changes its scores only
    # between the knots.
    cubed = X.copy()
    cubed[:, 1] **= 3
    again = RobustScaler.fit(cubed, np.ones(2000)).transform(cubed)
    assert_allclose(again[:, 5], scaled[:, 5], atol=0.2)


def test_ties_have_the_score_of_their_mean_level():
    X = np.r_[np.zeros(40), np.ones(58), np.full(2, 1000.0)][:, None]
    values, scores = RobustScaler.fit(X, np.ones(100)).normal_scores[0]
    assert_array_equal(values, [0, 1, 1000])
    assert_allclose(scores, norm.ppf([0.2, 0.69, 0.99]), atol=0.1)


def zero_inflated(rng, n_rows, values):
    """0 in nine rows of ten, and values in the others; and a mask of the others."""
    nonzero = rng.random(n_rows) < 0.1
    return np.where(nonzero, values, 0.0)[:, None], nonzero


def test_values_beside_a_dominant_one_set_the_scale(rng):
    x, nonzero = zero_inflated(rng, 3000, rng.uniform(1, 3, 3000))
    x[np.flatnonzero(nonzero)[0]] = 1e12
    scaler = RobustScaler.fit(x, np.ones(3000))
    assert scaler.dominant == [0] and not scaler.normal_scores
    assert_allclose(1 / scaler.scale, np.median(x[nonzero]), rtol=0.01)
    # Few levels keep the common scale, and so does a feature whose middle half varies.
    flag, three = rng.random(300) < 0.1, np.repeat([0, 1, 2], [270, 20, 10])
    # Missing values do not count as a level.
    gaps = np.where(np.arange(300) % 9 == 0, np.nan, three)
    levels = np.c_[flag, three, gaps, rng.poisson(1, 300)]
    scaler = RobustScaler.fit(levels, np.ones(300))
    assert not scaler.dominant
    assert_array_equal(scaler.scale[:3], [2, 1, 1])


def test_missing_values_are_in_the_middle_and_flagged(rng):
    X = rng.normal(5, 2, size=(300, 3))
    X[:, 2] = np.exp(3 * X[:, 2])
    complete = X.copy()
    missing = rng.random((300, 3)) < [0.0, 0.3, 0.3]
    X[missing] = np.nan
    scaler = RobustScaler.fit(X, np.ones(300))
    assert scaler.missing == [1, 2] and list(scaler.normal_scores) == [2]
    scaled = scaler.transform(X)
    assert_array_equal(scaled[:, 4:], missing[:, 1:])
    assert (scaled[:, :3][missing] == 0).all() and (scaled[missing[:, 2], 3] == 0).all()
    # Known values are scaled as if the missing ones had never existed.
    known = complete[~missing[:, 1]][:, [1]]
    only_known = RobustScaler.fit(known, np.ones(len(known)))
    assert_allclose(scaler.center[1], only_known.center[0])
    assert_allclose(scaler.scale[1], only_known.scale[0])
    all_missing = RobustScaler.fit(np.full((5, 1), np.nan), np.ones(5))
    scaled = all_missing.transform(np.array([[3.0], [np.nan]]))
    assert_array_equal(scaled, [[0, 0], [0, 1]])


def test_missing_values_and_weights(rng):
    X = rng.normal(size=(60, 3))
    X[:20, 1], X[:, 2] = np.nan, np.nan
    weight = rng.integers(1, 4, size=60)
    weighted = RobustScaler.fit(X, weight.astype(float))
    repeated = RobustScaler.fit(X.repeat(weight, axis=0), np.ones(weight.sum()))
    assert_array_equal(weighted.center, repeated.center)
    assert_array_equal(weighted.scale, repeated.scale)


def test_constant_feature_is_ignored(rng):
    X = np.c_[rng.normal(size=50), np.full(50, 7.0)]
    scaler = RobustScaler.fit(X, np.ones(50))
    assert_array_equal(scaler.transform(np.array([[0.0, -99.0]]))[:, 1], 0)


def test_many_rows_are_subsampled_but_a_rare_flag_stays_visible(rng, monkeypatch):
    X = np.c_[rng.normal(size=20_000), np.zeros(20_000)]
    X[19_000, 1] = 1  # probably not in the subsample
    all_rows = RobustScaler.fit(X, np.ones(20_000))
    monkeypatch.setattr("skadaptive._features.scaling._MAX_ROWS", 2000)
    some = RobustScaler.fit(X, np.ones(20_000))
    assert_allclose(some.center, all_rows.center, atol=0.1)
    assert_allclose(some.scale, all_rows.scale, rtol=0.1)
    assert some.center[0] != all_rows.center[0]
    assert some.scale[1] == all_rows.scale[1] == 2


def test_extreme_values_stay_finite(rng):
    X = np.c_[rng.normal(size=50) * 1e300, rng.normal(size=50) * 1e-300]
    scaler = RobustScaler.fit(X, np.ones(50))
    extreme = np.array([[np.finfo(float).max, -np.finfo(float).max]])
    for rows in (X, extreme, -extreme):
        assert np.isfinite(scaler.transform(rows)).all()


def test_quantiles_of_each_feature_are_its_own(rng):
    # More columns than are sorted together.
    X = rng.normal(size=(40, 5000)).round(1)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[:, 7] = np.nan
    levels = [0, 0.2, 0.5, 1]
    together = quantiles(X, levels, np.ones(40))
    for i in (0, 7, 1637, 1638, 1639, 4999):
        values = np.sort(X[~np.isnan(X[:, i]), i])
        ranks = np.maximum(np.ceil(len(values) * np.array(levels)).astype(int) - 1, 0)
        expected = values[ranks] if len(values) else np.full(4, np.nan)
        assert_array_equal(together[:, i], expected)


def test_threads_change_no_quantile(rng, monkeypatch):
    X = rng.normal(size=(20_000, 40)).round(2)
    X[rng.random(X.shape) < 0.1] = np.nan
    weight = np.ones(len(X))
    found = {}
    for n_threads in (1, 3):
        monkeypatch.setattr(threads, "effective_n_threads", lambda n=n_threads: n)
        found[n_threads] = quantiles(X, [0.1, 0.5], weight), quantile_codes(X, weight)
    for one, three in zip(found[1], found[3], strict=True):
        assert_array_equal(one, three)


def test_normal_scores_reach_from_minus_3_to_3(rng):
    x = rng.standard_t(1, size=2000)
    values, scores = RobustScaler.fit(x[:, None], np.ones(2000)).normal_scores[0]
    assert_allclose(scores[[0, -1]], [-BOUND, BOUND])
    # The third of 2000 values is where a share of 0.00135 is below.
    assert_array_equal(values[[0, -1]], np.sort(x)[[2, 1997]])


def test_scalings_of_chunks_are_averaged_by_median_and_range():
    """A feature that is constant in one of them keeps the scaling of the other."""
    scales = np.array([[1 / 4, 8.0, 0.0, 1 / 2, 0.0], [1 / 2, 4.0, 1 / 3, 0.0, 0.0]])
    one = RobustScaler(np.array([1.0, 1.0, 5.0, 7.0, 0.0]), scales[0])
    two = RobustScaler(np.array([3.0, 1.2, 9.0, 8.0, 6.0]), scales[1])
    both = one.averaged_with(two, 0.25)
    assert_allclose(both.center, [1.5, 1.05, 9.0, 7.0, 0.0])
    spread = 0.75 / 8 + 0.25 / 4
    assert_allclose(both.scale, [1 / 3.5, 1 / spread, 1 / 3, 1 / 2, 0.0])
    flagged = RobustScaler(one.center, one.scale, {0: ([0], [1])}, [1], [2])
    both = flagged.averaged_with(two, 0.25)
    assert (both.normal_scores, both.missing) == ({0: ([0], [1])}, [1])


def test_features_are_clipped_smoothly():
    scaler = RobustScaler(np.array([10.0]), np.array([0.5]))
    X = np.array([10.0, 11.0, 16.0, 4.0, np.inf, -np.inf, np.nan])[:, None]
    z = np.array([0.5, 3.0])
    expected = z / np.sqrt(1 + (z / 3) ** 2)
    result = scaler.transform(X)[:, 0]
    assert_allclose(result[:4], [0, expected[0], expected[1], -expected[1]])
    assert_allclose(result[4:], [3, -3, 0])


@pytest.mark.parametrize("shape", [(70_000, 3), (10, 20_000), (0, 2)])
def test_every_column_is_in_one_block(shape):
    X, seen = np.zeros(shape), []

    def work(part, block):
        assert block.shape == (part.stop - part.start, shape[0])
        seen.extend(range(shape[1])[part])

    for_column_blocks(X, work)
    assert sorted(seen) == list(range(shape[1]))
