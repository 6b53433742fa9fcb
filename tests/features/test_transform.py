"""From features to the inputs of a network."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skadaptive._features.piecewise import PiecewiseLinearEncoding
from skadaptive._features.scaling import RobustScaler
from skadaptive._features.transform import InputTransform


@pytest.fixture
def table(rng):
    """A feature as usual, one with heavy tails, one with gaps, and a flag."""
    X = np.c_[rng.normal(size=300), rng.standard_t(1, 300), rng.normal(size=300)]
    X[::7, 2] = np.nan
    return np.c_[X, np.arange(300) % 9 == 0]


def test_inputs_are_the_scaled_features_and_their_encoding(table):
    transform = InputTransform.fit(table, np.ones(300), 4)
    scaler = RobustScaler.fit(table, np.ones(300))
    scaled = scaler.transform(table)
    encoding = PiecewiseLinearEncoding.fit(scaler, table, np.ones(300), 4)
    inputs = transform(table)
    assert_array_equal(inputs, np.hstack([scaled, encoding.transform(scaled)]))
    assert (transform.n_features, transform.n_inputs) == (4, 4 + 1 + 1 + 3 * 4)
    encoded = np.repeat([0, 1, 2], 4)
    assert_array_equal(transform.input_features, [0, 1, 2, 3, 1, 2, *encoded])
    out = np.zeros((300, 18), np.float32)
    assert transform(table, out=out) is out
    assert_array_equal(out, inputs.astype(np.float32))
    some = transform.with_encoded(np.array([True, False, True]))
    assert_array_equal(some.input_features[6:], np.repeat([0, 2], 4))


def test_rows_of_weight_0_do_not_count(table):
    weight = (np.arange(300) % 4 > 0).astype(float)
    for kept, w in ((weight > 0, weight), (slice(None), np.ones(300))):
        fitted = InputTransform.fit(table, w, 4)
        alone = InputTransform.fit(table[kept], w[kept], 4)
        assert_array_equal(fitted(table), alone(table))
        again = fitted.updated(table[:90] * 3, w[:90], 0.25)
        chunk = RobustScaler.fit(table[:90][w[:90] > 0] * 3, w[:90][w[:90] > 0])
        averaged = fitted.scaler.averaged_with(chunk, 0.25)
        assert_allclose(again.scaler.scale, averaged.scale)
        assert again.encoding is fitted.encoding


def test_what_float64_cannot_scale_is_no_constant():
    X = np.c_[
        np.full(9, 7.0), np.arange(9.0) * 1e-310, np.full(9, np.nan), np.arange(9)
    ]
    assert_array_equal(InputTransform.fit(X, np.ones(9), None).unscalable(X), [1])


def test_of_some_sparse_columns_those_of_few_values_are_not_encoded(rng):
    """Half of the rows filled is enough."""
    X = rng.normal(size=(40, 4))
    X[1::2, 0] = X[:21, 1] = X[::8, 3] = 0.0  # 20, 19, 40 and 35 values
    table, columns = csr_array(X), np.array([0, 1, 3])
    some = InputTransform.fit_sparse(table, columns, np.ones(40), 4)
    encoded = some.scaler.feature_of_column[some.encoding.columns]
    assert_array_equal(np.sort(encoded), [0, 2])
    assert_array_equal(some.take(table), X[:, columns])
    assert some.n_columns == 4
    every = InputTransform.fit_sparse(table, np.arange(4), np.ones(40), 4)
    assert every.columns is None and every.encoding.n_encoded == 4
    assert_array_equal(every.take(table), X)
