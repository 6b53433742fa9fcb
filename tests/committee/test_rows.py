"""Which rows of each class are drawn, where there are more than enough."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive._committee.rows import TrainingRows, drawn_shares, n_drawn


@pytest.mark.parametrize(
    "counts", [(100, 100_000), (40_000, 60_000), (5, 30, 70_000, 900), (0, 9_000)]
)
@pytest.mark.parametrize("n_most", [10, 1_000, 50_000])
def test_common_classes_are_thinned_out_first(counts, n_most):
    counts = np.array(counts)
    shares = drawn_shares(counts, n_most)
    drawn = n_drawn(counts, shares)
    all_in_all = min(n_most, counts.sum())
    assert all_in_all - len(counts) <= drawn.sum() <= all_in_all
    assert (drawn[counts > 0] > 0).all()
    # The classes of which rows are left out are drawn equally often.
    thinned = drawn < counts
    if thinned.any():
        assert np.ptp(drawn[thinned]) <= 1
        assert drawn[~thinned].max(initial=0) <= drawn[thinned].min() + 1


def test_nothing_is_left_out_of_few_rows():
    assert_array_equal(drawn_shares(np.array([10, 990]), 1000), [1, 1])
    assert_array_equal(n_drawn(np.array([0, 1, 7]), np.ones(3)), [0, 1, 7])
    assert n_drawn(3, 0.01) == 1


@pytest.fixture
def rows(rng):
    y = (rng.random(6000) < 0.02).astype(int)
    weight = rng.uniform(0.5, 1.5, 6000)
    order = rng.permutation(6000)
    # The last member holds out rows that others hold out, too.
    tests = [order[:2000], order[2000:4000], order[4000:], order[1000:3000]]
    folds = [(np.setdiff1d(order, test), test) for test in tests]
    return TrainingRows(np.zeros((6000, 1)), y, weight, folds)


def test_every_held_out_row_counts_once(rows):
    assert_array_equal(rows.held_out, np.arange(6000))
    some = replace(rows, folds=rows.folds[2:])
    assert_array_equal(some.held_out, np.union1d(*(test for _, test in some.folds)))
    nothing = replace(rows, folds=[(train, test[:0]) for train, test in rows.folds])
    assert nothing.held_out.size == 0


def test_a_sample_of_the_held_out_rows_stands_for_them(rows):
    sample = rows.scored_sample(500, seed=0)
    held_out = sample.held_out
    assert 495 <= len(held_out) <= 500
    n_rare = rows.y.sum()
    assert rows.y[held_out].sum() == n_rare
    assert_array_equal(sample.weight[rows.y == 1], rows.weight[rows.y == 1])
    # It weighs as much as all rows, and is no better than chance allows.
    total = rows.weight[rows.y == 0].sum()
    assert_allclose(
        sample.weight[held_out][rows.y[held_out] == 0].sum(), total, rtol=0.1
    )
    for (train, test), (old_train, old_test) in zip(
        sample.folds, rows.folds, strict=True
    ):
        assert_array_equal(train, old_train)
        assert_array_equal(test, old_test[np.isin(old_test, held_out)])
    again, other = rows.scored_sample(500, seed=0), rows.scored_sample(500, seed=1)
    assert_array_equal(again.held_out, held_out)
    assert not np.array_equal(other.held_out, held_out)


def test_few_held_out_rows_are_all_scored(rows):
    assert rows.scored_sample(6000, seed=0) is rows
    assert rows.scored_sample(5999, seed=0) is not rows


def test_a_class_may_be_missing_from_the_held_out_rows(rows):
    y = rows.y.copy()
    train, test = rows.folds[0]
    y[train[:50]] = 2
    sample = replace(rows, y=y, folds=[(train, test)]).scored_sample(500, seed=0)
    assert len(sample.held_out) <= 500
    assert np.isfinite(sample.weight).all()


def test_training_rows_are_counted_and_weighed_by_member_and_class():
    y, weight = np.array([0, 1, 2, 1, 0]), np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    train = [np.array([0, 1, 2]), np.array([1, 3]), np.array([0, 1, 3, 4])]
    folds = [(rows, np.setdiff1d(np.arange(5), rows)) for rows in train]
    rows = TrainingRows(np.zeros((5, 1)), y, weight, folds)
    counts = [[1, 1, 1, 0], [0, 2, 0, 0], [2, 2, 0, 0]]
    np.testing.assert_array_equal(rows.training_counts(4), counts)
    np.testing.assert_array_equal(rows.class_totals(4), [18, 22, 4, 0])
    assert rows.most_trained_on == 4
    halved = rows.with_weight(weight / 2)
    np.testing.assert_array_equal(halved.class_totals(3), [9, 11, 2])
    two = TrainingRows(rows.X[:2], y[:2], weight[:2], [(np.arange(2), np.arange(0))])
    np.testing.assert_array_equal(two.with_classes_swapped().class_totals(2), [2, 1])
