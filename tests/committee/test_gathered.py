"""Rows of a stream that wait to be learnt from."""

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, issparse

from skadaptive._committee.gathered import GatheredRows


def frame(X):
    return pd.DataFrame(X, columns=["a", "b"])


def numbers(X):
    return X.toarray() if issparse(X) else np.asarray(X)


KINDS = {
    "array": np.asarray,
    "list": lambda X: X.tolist(),
    "sparse": csr_array,
    "frame": frame,
    "polars": lambda X: polars.DataFrame(X, schema=["a", "b"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_several_calls_are_those_of_one(kind, rng):
    X, y, weight = rng.normal(size=(9, 2)), rng.integers(2, size=9), rng.random(9) + 0.1
    weight[[2, 7]] = 0.0  # these are absent
    kept, gathered = np.flatnonzero(weight), GatheredRows()
    for i, rows in enumerate(np.split(np.arange(9), [1, 2, 3, 6])):
        table = KINDS[kind](X[rows])
        gathered = gathered.append(table, y[rows], weight[rows], is_weighted=i == 1)
    assert gathered.n_rows == 7 and gathered.is_weighted
    whole = gathered.joined()
    assert (len(whole.tables), whole.n_rows) == (1, 7) and whole.joined() is whole
    for rows, expected in (
        (whole, kept),
        (gathered.split(4)[0], kept[:4]),
        (gathered.split(4)[1], kept[4:]),
    ):
        assert_array_equal(numbers(rows.tables[0]), X[expected])
        assert_array_equal(rows.labels[0], y[expected])
        assert_array_equal(rows.weights[0], weight[expected])
        assert rows.is_weighted
    assert isinstance(whole.tables[0], pd.DataFrame) == (kind in ("frame", "polars"))
    assert issparse(whole.tables[0]) == (kind == "sparse")
    nothing = gathered.split(7)[1]
    assert nothing.n_rows == 0 and nothing.tables == ()


def test_frames_beside_arrays_are_arrays(rng):
    X, y, ones = rng.normal(size=(4, 2)), np.arange(4) % 2, np.ones(2)
    gathered = GatheredRows().append(X[:2], y[:2], ones, False)
    gathered = gathered.append(frame(X[2:]), y[2:], ones, False)
    (table,) = gathered.joined().tables
    assert isinstance(table, np.ndarray) and not gathered.is_weighted
    assert_array_equal(table, X)


def test_shares_of_the_classes_are_the_prediction():
    """In units of the greatest weight of a row, and never 0 or 1."""
    gathered = GatheredRows()
    for label, weight in (("b", 2.0), ("a", 8.0), ("b", 6.0)):
        gathered = gathered.append([[1.0]], np.array([label]), np.array([weight]), True)
    two, three = np.array(["a", "b"]), np.array(["a", "b", "c"])
    assert_allclose(gathered.class_totals(two), [1, 1])
    assert_allclose(gathered.class_totals(three), [1, 1, 0])
    assert_allclose(gathered.logits(two), [[0.0]])
    assert_allclose(gathered.logits(three), np.log([[0.5, 0.5, 1e-15]]))
    none = GatheredRows().append([[1.0]] * 3, np.array(["a"] * 3), np.ones(3), False)
    assert_allclose(none.logits(two), [[np.log(1e-15)]], rtol=1e-3)
    assert_allclose(none.logits(np.array(["0", "a"])), [[-np.log(1e-15)]], rtol=1e-2)
