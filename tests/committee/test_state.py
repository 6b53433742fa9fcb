"""What a fitted estimator keeps in order to go on training."""

import numpy as np
import pytest

from skadaptive._committee.state import remember, shortened


def test_latest_half_is_remembered():
    def call(n_rows):
        return np.zeros((n_rows, 1)), np.zeros(n_rows, dtype=int), np.ones(n_rows)

    def kept(*sizes):
        recent, n_seen = [], 0
        for size in sizes:
            recent = remember(recent, n_seen, *call(size))
            n_seen += size
        return [len(y) for _, y, *_ in recent]

    assert kept(100) == [100]
    assert kept(100, 100) == [100]
    assert kept(*[100] * 10) == [100] * 5
    assert kept(1000, 10) == [1000, 10]
    assert kept(10, 1000) == [1000]
    # Unless the only rows of a class would go.
    logits, y, weight = call(100)
    rare = remember([], 0, logits, y + 1, weight)
    assert len(remember(rare, 100, *call(100))) == 2


def test_no_more_than_needed_is_remembered(rng):
    y = (np.arange(300_000) < 3_000).astype(int)  # in order
    recent = [(rng.normal(size=(300_000, 1)), y, np.ones(300_000), 300_000)] * 2
    kept = shortened(recent)
    assert sum(len(labels) for _, labels, *_ in kept) == 100_000
    for _, labels, weight, _ in kept:
        assert weight.sum() == pytest.approx(300_000, rel=1e-3)
        assert np.average(labels) == pytest.approx(0.01, rel=0.2)
    assert shortened(kept) == kept


def test_calibration_uses_all_rows_of_a_fit(quick, binary, monkeypatch):
    """Though not all are remembered; rare rows may come first."""
    monkeypatch.setattr("skadaptive._committee.state._N_RECENT", 100)
    X, y = binary
    order = np.argsort(-y, kind="stable")
    model = quick().fit(X[order], y[order])
    assert len(model._state.recent[0][1]) == 100
    monkeypatch.undo()
    assert model.threshold_ == quick().fit(X[order], y[order]).threshold_
