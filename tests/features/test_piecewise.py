"""The piecewise linear encoding, and interpolation between knots."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive._features.piecewise import (
    PiecewiseLinearEncoding,
    auto_bins,
    interpolate,
)
from skadaptive._features.scaling import RobustScaler


def zero_inflated(rng, n_rows, values):
    """0 in nine rows of ten, and values in the others; and a mask of the others."""
    nonzero = rng.random(n_rows) < 0.1
    return np.where(nonzero, values, 0.0)[:, None], nonzero


@pytest.mark.parametrize("exponent", [1, 3, 5])
def test_interpolation_in_keras_is_that_of_numpy(exponent, rng):
    from keras import ops

    x = rng.standard_cauchy(size=(2000, 1)) ** exponent
    values, scores = RobustScaler.fit(x, np.ones(2000)).normal_scores[0]
    result = interpolate(ops.convert_to_tensor(x), values, scores, ops)
    assert_allclose(result, np.interp(x, values, scores), atol=1e-6)


def test_of_a_single_knot_its_value_is_everywhere():
    from keras import ops

    x = ops.convert_to_tensor([[-1.0], [0.0], [7.0]])
    result = interpolate(x, np.array([2.0]), np.array([0.5]), ops)
    assert_array_equal(result, [[0.5]] * 3)


# -------------------------------------------------------------------------- encoding


def encoded(X, n_bins, weight=None):
    """A fitted encoding and encoded features, (n_samples, n_encoded, n_bins)."""
    weight = np.ones(len(X)) if weight is None else weight
    scaler = RobustScaler.fit(X, weight)
    encoding = PiecewiseLinearEncoding.fit(scaler, X, weight, n_bins)
    columns = encoding.transform(scaler.transform(X))
    return encoding, columns.reshape(len(X), encoding.n_encoded, n_bins)


def test_encoding_is_the_published_one(rng):
    """Equation 1 of Gorishniy et al., 2022, but from -1 to 1."""
    x = rng.normal(size=(400, 1))
    x[0] = 0.1  # the median, where the smooth clipping is closest to linear
    _, columns = encoded(x / 100, n_bins=4)
    edges = np.quantile(x[:, 0], np.arange(5) / 4, method="inverted_cdf")
    expected = np.clip((x - edges[:-1]) / np.diff(edges), 0, 1) * 2 - 1
    inside = (x >= edges[:-1]) & (x < edges[1:])
    assert_allclose(2 * columns[:, 0][~inside], expected[~inside], atol=1e-9)
    # The smooth clipping is not linear within a bin.
    assert_allclose(2 * columns[:, 0][inside], expected[inside], atol=0.35)
    assert (np.diff(columns[np.argsort(x[:, 0])], axis=0) >= 0).all()


def test_encoding_weighs_as_much_as_a_feature(rng):
    for n_bins in (3, 7, 16):
        _, columns = encoded(rng.normal(size=(1000, 2)), n_bins)
        size = np.square(columns).sum(axis=2)
        assert (size <= 1 + 1e-9).all() and (size > 1 - 1.01 / n_bins).all()


def test_flags_and_constants_are_not_encoded(rng):
    flag, few = rng.random(300) < 0.1, rng.integers(5, size=300)
    heavy = rng.standard_t(1, size=300)
    X = np.c_[
        rng.normal(size=300), flag, few, np.ones(300), np.full(300, np.nan), heavy
    ]
    encoding, columns = encoded(X, n_bins=8)
    # Scaled column 6 holds the normal scores of the last feature.
    assert_array_equal(encoding.columns, [0, 2, 6])
    # Five values have four bins between them.
    assert ((np.ptp(columns[:, 1], axis=0) > 0) == (np.arange(8) < 4)).all()
    scaler = RobustScaler.fit(X[:, [1, 3]], np.ones(300))
    none = PiecewiseLinearEncoding.fit(scaler, X[:, [1, 3]], np.ones(300), n_bins=8)
    assert none.n_encoded == 0


def test_encoding_of_tensors_is_that_of_arrays(rng):
    from keras import ops

    X = rng.normal(size=(30, 2))
    scaler = RobustScaler.fit(X, np.ones(30))
    encoding = PiecewiseLinearEncoding.fit(scaler, X, np.ones(30), 3)
    x = np.stack([scaler.transform(X), scaler.transform(-X)])  # of two members
    tensors = encoding.transform(ops.convert_to_tensor(x), ops)
    assert tensors.shape == (2, 30, 6)
    assert_allclose(tensors, encoding.transform(x), atol=1e-6)


def test_without_bins_nothing_is_encoded(rng):
    X = rng.normal(size=(50, 2))
    scaler = RobustScaler.fit(X, np.ones(50))
    none = PiecewiseLinearEncoding.fit(scaler, X, np.ones(50), None)
    assert none.n_encoded == none.n_bins == none.n_outputs == 0
    whole = PiecewiseLinearEncoding.fit(scaler, X, np.ones(50), 5)
    assert (whole.n_encoded, whole.n_bins, whole.n_outputs) == (2, 5, 10)
    second = whole.only(np.array([False, True]))
    x = scaler.transform(X)
    assert_array_equal(second.transform(x), whole.transform(x)[:, 5:])


def test_four_values_are_encoded_and_three_are_not():
    X = np.c_[np.arange(30) % 3, np.arange(30) % 4].astype(float)
    encoding, _ = encoded(X, n_bins=4)
    assert_array_equal(encoding.columns, [1])


def test_a_dominant_value_takes_up_no_bin(rng):
    x, nonzero = zero_inflated(rng, 4000, rng.uniform(-1, 2, 4000))
    _, columns = encoded(x, n_bins=8)
    columns = columns[:, 0]
    assert (np.ptp(columns, axis=0) > 0).all()
    assert len(np.unique(columns[~nonzero], axis=0)) == 1
    # The other values spread evenly over the bins. A value is in the bin whose column
    # is not at either end of its range.
    distance = np.abs(columns[nonzero])
    inside = distance.min(axis=1) < 8**-0.5 - 1e-9
    bins = distance[inside].argmin(axis=1)
    assert np.bincount(bins).max() < nonzero.sum() / 6


@pytest.mark.parametrize(
    ("n_features", "n_bins"),
    [(0, 16), (1, 16), (32, 16), (33, 15), (57, 8), (128, 4), (999, 4)],
)
def test_automatic_number_of_bins(n_features, n_bins, rng):
    assert auto_bins(n_features) == n_bins
    if n_features:
        X, weight = rng.normal(size=(40, n_features)), np.ones(40)
        scaler = RobustScaler.fit(X, weight)
        encoding = PiecewiseLinearEncoding.fit(scaler, X, weight, "auto")
        assert encoding.centers.shape == (n_features, n_bins)


def test_encoding_knows_weights(rng):
    X, weight = rng.normal(size=(60, 3)), rng.integers(1, 4, size=60)
    X[:, 2] = np.where(X[:, 2] > 0.8, X[:, 2], 0)
    weighted, _ = encoded(X, 5, weight.astype(float))
    repeated, _ = encoded(X.repeat(weight, axis=0), 5)
    assert_array_equal(weighted.centers, repeated.centers)
    assert_array_equal(weighted.slopes, repeated.slopes)


def test_single_thresholds_are_learnt_with_it(quick, rng):
    """A narrow band in one of many features, which smooth units learn slowly."""
    X = rng.normal(size=(2000, 8))
    y = ((X[:, 3] > 1.0) & (X[:, 3] < 1.3)).astype(int)
    scores = {
        n_bins: quick(n_bins=n_bins, max_epochs=12).fit(X, y).best_score_
        for n_bins in (None, 16)
    }
    assert scores[16] > scores[None] + 0.2


def test_a_band_beside_a_dominant_value_is_learnt(quick, rng):
    """Amounts, 0 in most rows; rows are rare if theirs is neither small nor large."""
    amount = np.where(rng.random(3000) < 0.8, 0, np.exp(rng.normal(3, 5, 3000)))
    X = np.c_[amount, rng.normal(size=(3000, 3))]
    y = ((amount > 20) & (amount < 60)).astype(int)
    assert quick(max_epochs=12).fit(X, y).best_score_ > 0.85
