"""Batches of an epoch."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skadaptive._training.batches import (
    auto_batch_size,
    epoch_batches,
    stratified_order,
)

# ------------------------------------------------------------------------- batches


@pytest.mark.parametrize("sizes", [(990, 10), (500, 500), (10, 30, 60), (97, 1, 2)])
def test_order_is_a_stratified_permutation(sizes, rng):
    ends = np.cumsum(sizes)
    by_class = np.split(rng.permutation(ends[-1]), ends[:-1])
    order = stratified_order(rng, by_class)
    assert_array_equal(np.sort(order), np.arange(ends[-1]))
    y = np.empty(ends[-1], dtype=int)
    for label, rows in enumerate(by_class):
        y[rows] = label
    for n_parts in (2, 5):
        for part in np.array_split(y[order], n_parts):
            found = np.bincount(part, minlength=len(sizes))
            expected = np.array(sizes) * len(part) / ends[-1]
            # One more or less, and what other classes push over a cut.
            assert (np.abs(found - expected) <= len(sizes)).all()


def test_every_batch_of_a_rare_class_has_its_share(rng):
    order = stratified_order(rng, [np.arange(50, 12800), np.arange(50)])
    rare_rows = (order.reshape(50, 256) < 50).sum(axis=1)
    # In a random order 63 % of the batches would hold one.
    assert (rare_rows > 0).mean() > 0.65
    halves = (order.reshape(25, 512) < 50).sum(axis=1)
    assert halves.min() >= 1


def test_orders_differ_between_epochs(rng):
    by_class = [np.arange(90), np.arange(90, 100)]
    first, second = stratified_order(rng, by_class), stratified_order(rng, by_class)
    assert (first != second).any()


def test_one_epoch_is_one_pass_for_every_member(rng):
    orders = [rng.permutation(size) for size in (100, 73, 5)]
    batches = epoch_batches(orders, n_steps=7, batch_size=16, filler=100)
    assert batches.shape == (7, 3, 16)
    for member, order in enumerate(orders):
        rows = batches[:, member]
        assert_array_equal(rows[rows < 100], order)
        taken = (rows < 100).sum(axis=1)
        assert taken.max() - taken.min() <= 1


@pytest.mark.parametrize(
    ("n_rows", "batch_size"),
    [(1, 64), (300, 64), (2000, 128), (24_000, 256), (25_000, 512), (10**6, 512)],
)
def test_auto_batch_size(n_rows, batch_size):
    assert auto_batch_size(n_rows) == batch_size
