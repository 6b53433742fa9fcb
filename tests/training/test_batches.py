"""Batches of an epoch."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skadaptive._committee.rows import TrainingRows
from skadaptive._training.batches import (
    Batches,
    auto_batch_size,
    epoch_batches,
    stratified_order,
)
from skadaptive._training.plan import plan_fit

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


@pytest.fixture
def planned(rng):
    """Make batches of rows of two classes, as ``fit`` plans them."""

    def make(n_rows, n_rare):
        y = np.zeros(n_rows, dtype=int)
        y[rng.choice(n_rows, n_rare, replace=False)] = 1
        parts = np.array_split(rng.permutation(n_rows), 3)
        folds = [(np.concatenate(parts[:i] + parts[i + 1 :]), parts[i]) for i in (0, 2)]
        rows = TrainingRows(np.zeros((n_rows, 1)), y, np.ones(n_rows), folds)
        settings = SimpleNamespace(batch_size="auto", class_totals=np.ones(2))
        plan = plan_fit(rows, settings, None)
        batches = Batches(y, folds, plan, plan.batch_size, rng)
        return rows, plan, lambda: batches.draw().transpose(1, 0, 2).reshape(2, -1)

    return make


def test_an_epoch_of_few_rows_passes_over_all(planned):
    rows, plan, draw = planned(24_000, 500)
    assert_array_equal(plan.drawn_shares, [1, 1])
    for (train, _), drawn in zip(rows.folds, draw(), strict=True):
        assert_array_equal(np.sort(drawn[drawn < len(rows)]), np.sort(train))


def test_an_epoch_of_many_rows_passes_over_the_rare_class_and_a_part_of_the_other(
    planned,
):
    rows, plan, draw = planned(150_000, 3_000)
    n_most = 40_000  # sqrt(16,000 * 100,000)
    assert plan.n_steps == pytest.approx(n_most / plan.batch_size, abs=1)
    assert plan.drawn_shares[1] == 1
    epochs = [draw() for _ in range(3)]
    for member, (train, _) in enumerate(rows.folds):
        passes = [epoch[member][epoch[member] < len(rows)] for epoch in epochs]
        for drawn in passes:
            # Members differ in their rows, and the plan is that of the largest.
            assert abs(len(drawn) / n_most - 1) < 0.01
            assert np.isin(drawn, train).all()
            assert_array_equal(np.unique(drawn).size, drawn.size)
            assert np.isin(train[rows.y[train] == 1], drawn).all()
            # Rare rows and weighted others have the weight of all training rows.
            weight = 1 / plan.drawn_shares[rows.y[drawn]]
            assert abs(weight.sum() / len(train) - 1) < 0.001
        # Over two passes of a share of 0.38 no other row comes twice.
        first_two = np.concatenate(passes[:2])
        of_others = first_two[rows.y[first_two] == 0]
        assert np.unique(of_others).size == of_others.size
        # The third one begins anew, in another order.
        first, third = (set(p[rows.y[p] == 0].tolist()) for p in (passes[0], passes[2]))
        assert 0.2 < len(first & third) / len(first) < 0.6
