import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix

from skadaptive._features.sparse import (
    canonical,
    column_relevance,
    missing_columns,
    most_columns,
    row_hashes,
    same_values,
    stacked,
)


def sparse_table(rng, shape=(200, 30), density=0.2):
    kept = rng.random(shape) < density
    return csr_array(np.where(kept, rng.random(shape), 0))


def test_one_form_for_the_same_rows(rng):
    X = sparse_table(rng, (5, 4), 0.5)
    # An entry in two parts, a stored 0, and indices that are not sorted.
    loose = csr_array(([2.0, 1.0, 0.0, 3.0], [2, 0, 1, 2], [0, 4]), shape=(1, 3))
    before = loose.copy()
    strict = canonical(loose)
    assert_array_equal(strict.indices, [0, 2])
    assert_array_equal(strict.data, [1, 5])
    assert_array_equal(loose.data, before.data)
    assert_array_equal(loose.indices, before.indices)
    assert canonical(X) is X
    # A zero that is stored, and an entry in two parts.
    for last in (-1.0, 1.0):
        stored = csr_array(([2.0, 0.0, last], [0, 1, 2], [0, 3]), shape=(1, 3))
        assert stored.has_canonical_format
        assert_array_equal(canonical(stored).data, [2, last])
    parts = csr_array(([2.0, 1.0], [1, 1], [0, 2]), shape=(1, 3))
    assert_array_equal(canonical(parts).data, [3])


def test_columns_with_missing_values():
    X = np.array([[0.0, np.nan, 1, 0], [0, 1, 2, np.nan]])
    for table in (X, csr_array(X)):
        assert_array_equal(missing_columns(table), [False, True, False, True])


def test_relevance_is_adjusted_for_one_degree_of_freedom():
    x, y = np.array([1.0, 2, 6]), np.array([0, 0, 1])
    explained = 1 - (0.5**2 * 2) / ((x - 3) ** 2).sum()
    found = column_relevance(csr_matrix(x[:, None]), y, np.ones(3))
    assert_allclose(found, [1 - (1 - explained) * 2 / 1])


def test_stacked_tables_are_sparse_if_one_is(rng):
    X = sparse_table(rng)
    both = stacked([X, X.toarray()])
    assert both.format == "csr"
    assert_array_equal(both.toarray(), np.vstack([X.toarray()] * 2))
    assert isinstance(stacked([X.toarray(), X.toarray()]), np.ndarray)


def test_same_values(rng):
    X = sparse_table(rng)
    X.data[0] = np.nan
    other = X.copy()
    assert same_values(X, other) and same_values(X, X.toarray())
    other.data[1] += 1
    assert not same_values(X, other) and not same_values(X.toarray(), other)
    assert not same_values(X, X[:-1])
    # The same numbers in other columns or rows.
    moved = csr_array(([1.0], [1], [0, 1]), shape=(1, 3))
    assert not same_values(moved, csr_array(([1.0], [2], [0, 1]), shape=(1, 3)))


def test_hashes_belong_to_the_content_of_a_row(rng):
    X = sparse_table(rng, (500, 50))
    X.data = X.data.astype(np.float32).astype(float)
    hashes = row_hashes(X)
    assert hashes.dtype == np.uint64 and len(np.unique(hashes)) == 500
    order = rng.permutation(500)
    assert_array_equal(row_hashes(X[order]), hashes[order])
    assert_array_equal(row_hashes(X.astype(np.float32)), hashes)
    # Equal shares are held out from five members.
    assert_allclose(np.bincount((hashes % 5).astype(int)), 100, atol=40)
    swapped = csr_matrix([[1.0, 2.0], [2.0, 1.0], [0.0, 0.0]])
    assert len(np.unique(row_hashes(swapped))) == 3


def test_number_of_columns_follows_the_number_of_rows():
    assert [most_columns(n) for n in (0, 100, 20_000)] == [2048] * 3
    assert most_columns(2**26 // 1000) == 1000
    assert most_columns(10**8) == 128


def test_relevance_is_the_adjusted_share_of_the_variance(rng):
    X = sparse_table(rng, (300, 8), 0.4)
    y, weight = rng.integers(0, 3, 300), rng.integers(1, 4, 300)
    relevance = column_relevance(X, y, weight.astype(float))
    dense, labels = np.repeat(X.toarray(), weight, axis=0), np.repeat(y, weight)
    means = np.array([dense[labels == k].mean(axis=0) for k in range(3)])[labels]
    unexplained = ((dense - means) ** 2).sum(axis=0) / (dense.var(axis=0) * len(dense))
    expected = 1 - unexplained * (len(dense) - 1) / (len(dense) - 3)
    assert_allclose(relevance, np.maximum(expected, 0), atol=1e-10)
    assert_allclose(column_relevance(X, y, weight * 7.0), relevance, atol=1e-10)


def test_columns_of_chance_are_not_relevant(rng):
    y = np.arange(400) % 20 == 0
    X = np.zeros((400, 5))
    X[:, 0] = y
    X[0, 1] = X[20, 1] = 1.0  # two rows, both of class 1
    X[::40, 2] = 1.0  # ten rows, all of class 1
    X[:, 3] = 1.3  # constant
    X[:, 4] = np.where(y, np.nan, 0)  # missing counts as 0
    X[1:9, 0] = np.nan
    relevance = column_relevance(csr_matrix(X), y.astype(int), np.ones(400))
    assert relevance[0] == pytest.approx(1)
    assert relevance[2] > 0.1
    assert_array_equal(relevance[[1, 3, 4]], 0)


def test_where_no_column_is_relevant_those_filled_most_are():
    X = np.zeros((8, 3))
    X[:4, 0] = X[:, 1] = X[::2, 2] = 1.0
    found = column_relevance(csr_matrix(X), np.repeat([0, 1, 0, 1], 2), np.ones(8))
    assert_array_equal(found, [0.5, 1, 0.5])


def test_without_two_classes_the_columns_filled_most_are_relevant():
    X = csr_matrix(np.triu(np.ones((4, 5))))
    relevance = column_relevance(X, np.zeros(4, int), np.ones(4))
    assert_array_equal(relevance, [0.25, 0.5, 0.75, 1, 1])
