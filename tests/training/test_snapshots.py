"""The snapshot ensemble and the moving average, without a network."""

import pytest
from numpy.testing import assert_allclose

from skadaptive._training.snapshots import DISTANCE, SnapshotEnsemble, moving_average


def kept(best_epochs, n_epochs, max_epochs=20, earlier=()):
    """Epochs whose averages are kept, each epoch's average being its number."""
    snapshots = SnapshotEnsemble(list(earlier), max_epochs)
    for epoch in range(1, n_epochs + 1):
        snapshots.offer(epoch, epoch, epoch in best_epochs)
    return snapshots.averages


@pytest.mark.parametrize(
    ("best", "n_epochs", "expected"),
    [
        (7, 13, [7, 4, 10]),
        (13, 13, [13, 10]),  # training ends before there is a later one
        (3, 13, [3, 6]),  # there is no earlier one
        (1, 13, [1, 4]),
        (7, 9, [7, 4]),
    ],
)
def test_neighbours_of_the_best_epoch_are_kept(best, n_epochs, expected):
    assert kept({best}, n_epochs) == expected
    # An earlier best epoch leaves nothing behind.
    assert kept({max(1, best - 2), best}, n_epochs) == expected


def test_a_short_training_keeps_one_network():
    assert kept({4, 7}, 11, max_epochs=4 * DISTANCE - 1) == [7]
    assert kept({4, 7}, 12, max_epochs=4 * DISTANCE) == [7, 4, 10]


def test_without_a_better_epoch_the_earlier_training_is_kept():
    assert kept(set(), 15, earlier=["start", "before", "after"]) == [
        "start",
        "before",
        "after",
    ]
    # The average to continue from is one that lies before the best epoch.
    assert kept({3}, 9, earlier=["start", "before"]) == [3, "start", 6]
    assert kept({2}, 9, earlier=["start", "before"]) == [2, 5]


def test_moving_average(rng):
    parameters = rng.normal(size=(40, 3))
    average = None
    for epoch, now in enumerate(parameters, start=1):
        before, average = average, moving_average(average, now, epoch)
        if before is None:
            assert_allclose(average, now)
            continue
        share = (average - before) / (now - before)
        assert_allclose(share, max(0.3, 9 / (10 + epoch)))
    assert_allclose(moving_average(average, average, 99), average)
