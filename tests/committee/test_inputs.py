"""Which inputs each member uses, and how fast it learns them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array

from skadaptive._committee.inputs import Inputs, choose_inputs, sparse_inputs
from skadaptive._committee.rows import TrainingRows
from skadaptive._features.relevance import (
    most_relevant,
    quantile_codes,
    relative_learning_rates,
    univariate_relevance,
)
from skadaptive._features.transform import InputTransform


@pytest.fixture
def rows(rng):
    """40 features, the first of which tells the class; two members."""
    y = (rng.random(240) < 0.3).astype(int)
    X = rng.normal(size=(240, 40))
    X[:, 0] += 2 * y
    order, weight = rng.permutation(240), rng.uniform(0.5, 2, 240)
    folds = [(order[:120], order[120:]), (order[120:], order[:120])]
    return TrainingRows(X, y, weight, folds)


def relevance_by_member(rows):
    codes = quantile_codes(rows.X, rows.weight)
    return np.stack(
        [
            univariate_relevance(codes[train], rows.y[train], rows.weight[train])
            for train, _ in rows.folds
        ]
    )


@pytest.mark.parametrize("uses_relevance", [False, True])
def test_rates_follow_the_relevance_in_the_training_rows(rows, uses_relevance):
    transform = InputTransform.fit(rows.X, rows.weight, 4)
    used = np.ones((2, 40), bool)
    used[0, 5:] = used[1, 0] = False
    rates = np.ones((2, 40))
    for mask in (None, used):
        if uses_relevance:
            relevance = relevance_by_member(rows)
            relevance = relevance if mask is None else relevance * mask
            rates = np.stack([relative_learning_rates(member) for member in relevance])
        expected = rates if mask is None else np.where(mask, rates, 0.0)
        found = choose_inputs(Inputs(transform, mask), rows, False, uses_relevance)
        assert_allclose(found.rates[:, :40], expected)
        assert_allclose(found.rates, expected[:, transform.input_features])
        assert found.transform is transform and found.used is mask


def test_of_many_features_each_member_encodes_the_most_relevant(rows):
    """512 bins are 32 features of 16 bins, chosen by either member."""
    transform = InputTransform.fit(rows.X, rows.weight, 16)
    found = choose_inputs(Inputs(transform), rows, True, False)
    encoded = most_relevant(relevance_by_member(rows), 32)
    kept = np.flatnonzero(encoded.any(axis=0))
    assert_array_equal(found.transform.encoding.columns, kept)
    assert 0 < len(kept) <= 32 and encoded[:, 0].all()
    assert_array_equal(found.rates[:, :40], 1)
    of_bins = found.rates[:, 40:].reshape(2, len(kept), 16)
    assert_array_equal(of_bins, np.repeat(encoded[:, kept, None], 16, axis=2))
    # Few features, or a number of bins that was asked for, are all encoded.
    for few, auto_bins in (
        (transform, False),
        (transform.with_encoded(np.arange(40) < 32), True),
    ):
        same = choose_inputs(Inputs(few), rows, auto_bins, False)
        assert same.transform is few


def test_of_a_wide_sparse_table_the_relevant_columns_are_taken(rng, monkeypatch):
    y = np.arange(60) % 4 == 0
    X = np.where(rng.random((60, 9)) < 0.5, rng.random((60, 9)), 0.0)
    X[:, 7] = y * rng.uniform(1, 2, 60)
    folds = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    rows = TrainingRows(csr_array(X), y.astype(int), np.ones(60), folds)
    every = sparse_inputs(rows.X, rows.weight, rows, 4)
    assert every.used is None and every.transform.columns is None
    monkeypatch.setattr("skadaptive._committee.inputs.most_columns", lambda n_rows: 2)
    some = sparse_inputs(rows.X, rows.weight, rows, 4)
    columns = some.transform.columns
    assert 7 in columns and len(columns) <= 2
    assert some.used.shape == (2, len(columns)) and some.used[:, columns == 7].all()
