"""The share of the rare class, from scores alone."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kstest, norm

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


def test_the_figures_by_hand():
    """Nearly two bins, so that the estimate and its errors have closed forms."""
    y = np.repeat([0, 1], [800, 200])
    proba = np.repeat([0.25, 1.0, 0.5, 1.0], [760, 40, 120, 80])
    estimator = ShareEstimator(ScoredRows(y, proba, None))
    found = estimator.distribution(proba)
    edges, counts = np.array(found["edges"]), np.array(found["counts"])
    assert edges[0] == 0.5 and edges[-1] == 1.0 and len(counts) == len(edges) + 1
    assert (counts[0], counts[1:-1].sum(), counts[-1]) == (880, 120, 0)
    assert found["kind"] == "number" and found["missing"] == 0
    n = 400
    new = np.repeat([0.2, 1.0], [300, 100])
    found = estimator.estimate(new, np.full(n, 2.0), Z)
    one, gap = found.compared, 0.4 - 0.05
    assert one.value == pytest.approx((0.25 - 0.05) / gap, abs=5e-3)
    assert one.expected == 0.2 and found.fits
    # By the delta method: the binomial error of the new rows and of both rates.
    value = (0.25 - 0.05) / gap
    variance = 0.25 * 0.75 / n + value**2 * 0.4 * 0.6 / 200
    variance += (1 - value) ** 2 * 0.05 * 0.95 / 800
    half = Z * np.sqrt(variance) / gap
    assert (one.high - one.low) / 2 == pytest.approx(half, rel=0.02)
    mixed = 0.2 * 0.4 + 0.8 * 0.05
    error = np.sqrt(mixed * (1 - mixed) * (1 / n + 1 / 1000)) / gap
    assert one.expected_high == pytest.approx(0.2 + Z * error, abs=2e-3)
    assert one.expected_low == pytest.approx(0.2 - Z * error, abs=2e-3)
    assert one.statistic == pytest.approx((value - 0.2) / error, rel=0.3)
    assert one.p_value == pytest.approx(2 * norm.sf(one.statistic))


def test_few_rows_of_the_other_class_make_the_share_uncertain():
    """Their rate of scores of 1 is the least sure part of the estimate, by hand."""
    y = np.repeat([0, 1], [100, 1000])
    proba = np.repeat([0.25, 1.0, 0.5, 1.0], [85, 15, 600, 400])
    new = np.repeat([0.2, 1.0], [1450, 550])
    found = estimate((y, proba), new).compared
    assert found.value == pytest.approx(0.5, abs=5e-3)
    variance = 0.275 * 0.725 / 2000 + 0.25 * 0.4 * 0.6 / 1000
    variance += 0.25 * 0.15 * 0.85 / 100
    half = Z * np.sqrt(variance) / (0.4 - 0.15)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.03)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_many_new_rows_are_not_surer_than_a_small_training(rng, share):
    """Its bins are off by luck, which many new rows would show."""
    unlike = 0
    for _ in range(60):
        y, scores = scored(rng, 300, share)
        unlike += not estimate((y, scores), scored(rng, 20_000, share)[1]).fits
    assert unlike <= 2


@pytest.mark.parametrize(("beyond_chance", "fits"), [(0.7, True), (1.5, False)])
def test_what_chance_adds_to_the_index_is_taken_off(rng, beyond_chance, fits):
    """Else so many rows would contradict the mixture, by a p-value below 0.001."""
    y, scores = scored(rng, 50_000, 0.1)
    estimator = ShareEstimator(ScoredRows(y, scores, None))
    mixed, n = estimator._mixed(0.1), 1500
    index = 0.02 + beyond_chance * (len(mixed) - 2) / n
    moved = np.eye(len(mixed))[-1] - np.eye(len(mixed))[0]
    low, high = 0.0, mixed[0] / 2
    for _ in range(60):
        new = mixed + (low + high) / 2 * moved
        is_less = ((new - mixed) * np.log(new / mixed)).sum() < index
        low, high = ((low + high) / 2, high) if is_less else (low, (low + high) / 2)
    assert estimator._fits(new, 0.1, n) == fits
