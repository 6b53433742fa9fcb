"""The share of the rare class, from scores alone."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kstest

from skadaptive._assessment.threshold_counts import ScoredRows
from skadaptive._monitoring.shares import ShareEstimator

Z = 1.96


def scored(rng, n_rows, share):
    y = (rng.random(n_rows) < share).astype(int)
    return y, rng.normal(2.0 * y)


def estimate(old, new, **keywords):
    y, proba = old
    estimator = ShareEstimator(ScoredRows(y, proba, None))
    return estimator.estimate(new, np.ones(len(new)), Z)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.3, 1.0])
def test_the_share_is_recovered_from_scores_that_are_not_calibrated(rng, share):
    y, scores = scored(rng, 20_000, 0.1)
    _, new = scored(rng, 5000, share)
    found = estimate((y, expit(scores)), expit(new))
    assert found.compared.value == pytest.approx(share, abs=0.03)
    assert found.fits
    # Scores are only ranks: any increasing function of them gives the same.
    again = estimate((y, expit(5 * scores - 4)), expit(5 * new - 4))
    assert again == found


def test_the_test_has_its_level_and_intervals_cover(global_random_seed):
    rng = np.random.default_rng([global_random_seed, 5])
    p_values, covered, unlike = [], [], 0
    for _ in range(250):
        y, scores = scored(rng, 4000, 0.1)
        found = estimate((y, scores), scored(rng, 800, 0.1)[1])
        p_values.append(found.compared.p_value)
        unlike += not found.fits
        other = estimate((y, scores), scored(rng, 800, 0.2)[1]).compared
        covered.append(other.low <= 0.2 <= other.high)
    assert kstest(p_values, "uniform").statistic < 0.12
    assert np.mean(np.array(p_values) < 0.01) < 0.035
    assert 0.9 < np.mean(covered) < 0.99
    assert unlike <= 2


def test_scores_of_neither_class_do_not_fit(rng):
    y, scores = scored(rng, 20_000, 0.1)
    found = estimate((y, scores), rng.normal(1.0, 0.3, 5000))
    assert not found.fits


def test_scores_that_tell_nothing_say_so(rng):
    y = np.repeat([0, 1], [900, 100])
    found = estimate((y, np.full(1000, 0.1)), np.full(500, 0.1)).compared
    assert (found.low, found.high, found.p_value) == (0, 1, 1)


def test_weights_count_rows(rng):
    y, scores = scored(rng, 3000, 0.1)
    weight = rng.integers(0, 3, 3000).astype(float)
    rows = np.repeat(np.arange(3000), weight.astype(int))
    weighted = ShareEstimator(ScoredRows(y, scores, weight))
    repeated = ShareEstimator(ScoredRows(y[rows], scores[rows], None))
    assert weighted.share == pytest.approx(repeated.share)
    new = scored(rng, 3000, 0.2)[1]
    values = [
        estimator.estimate(new, np.ones(3000), Z).compared.value
        for estimator in (weighted, repeated)
    ]
    assert values[0] == pytest.approx(values[1], abs=0.01)
