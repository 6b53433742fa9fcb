"""Counts by threshold, and calibration."""

import numpy as np
import pytest

from skadaptive._assessment.threshold_counts import ScoredRows, calibration_bins

# ----------------------------------------------------------------------- what is shown


def binned(rare, proba, weight):
    bins = calibration_bins(ScoredRows(rare, proba, weight))
    return bins["observed"].to_numpy(), bins["predicted"].to_numpy()


def test_calibration_counts_weights(rng):
    """Right on average where the probabilities are, and wrong where they are not."""
    proba = rng.beta(0.5, 3, 40_000)
    rare = rng.random(40_000) < proba
    weight = rng.uniform(0.5, 2, 40_000) * np.where(rare, 3, 1)
    share, mean = binned(rare, proba, np.ones(40_000))
    assert len(share) == 10 and (np.diff(mean) > 0).all()
    np.testing.assert_allclose(share, mean, atol=0.05)
    weighted, mean = binned(rare, proba, weight)
    np.testing.assert_allclose(weighted, 3 * mean / (1 + 2 * mean), atol=0.1)
    # Few rare rows, few values, and none but 0.
    few = np.flatnonzero(rare)[:15]
    share, mean = binned(np.ones(15, bool), proba[few], np.ones(15))
    assert len(share) == 3
    share, mean = binned(np.r_[True, False, False], np.zeros(3), np.ones(3))
    assert share == pytest.approx([1 / 3]) and mean == [0.0]
