"""Properties of the adaptation rules."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive.adaptation import (
    FLOOR,
    RULES,
    TERM_TITLES,
    TERMS,
    WINDOW,
    next_weights,
    smooth,
)

INITIAL = np.array([0.4, 0.4, 0.2])


def run(rule, scores, initial=INITIAL, rate=0.2):
    """Loss weights of all epochs, the initial ones first."""
    weights = [np.asarray(initial)]
    for epoch in range(1, len(scores) + 1):
        weights.append(
            next_weights(rule, scores[:epoch], weights[-1], weights[0], rate)
        )
    return np.array(weights)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_weights_sum_to_1_and_stay_above_the_floor(rule, rate, rng):
    for _ in range(20):
        initial = rng.dirichlet([1, 1, 1])
        weights = run(rule, list(rng.uniform(size=50)), initial, rate)
        assert_allclose(weights.sum(axis=1), 1)
        assert (weights >= np.minimum(FLOOR, initial) - 1e-12).all()


@pytest.mark.parametrize("rule", [*RULES, lambda scores, *_: np.array([1, 0, 0])])
def test_rate_zero_keeps_the_weights_to_the_bit(rule, rng):
    initial = rng.dirichlet([1, 1, 1])
    weights = run(rule, list(rng.uniform(size=30)), initial, rate=0)
    assert_array_equal(weights, np.tile(initial, (31, 1)))


@pytest.mark.parametrize(
    "scores",
    [[0.1] * 20, [0.0] * 20, [-3.0] * 20, list(np.linspace(0.9, 0.2, 20))],
    ids=["low", "zero", "negative", "falling"],
)
def test_low_or_falling_score_never_raises_cross_entropy(scores):
    share = run("performance", scores)[:, 0]
    assert (np.diff(share) <= 1e-12).all()
    assert share[-1] < 0.2


def test_weights_return_towards_the_start_when_the_score_rises():
    weights = run("performance", [0.5] * 10 + list(np.linspace(0.5, 0.9, 30)))
    distance = np.abs(weights - INITIAL).sum(axis=1)
    farthest = distance[10]
    assert farthest > 0.3
    # A rise changes the running median two epochs later.
    assert (np.diff(distance[12:]) < 0).all()
    assert distance[-1] < 0.01 * farthest


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shift", [-5.0, 0.0])
def test_performance_does_not_depend_on_the_unit_of_the_score(scale, shift, rng):
    scores = rng.integers(10, size=40).astype(float)
    assert_array_equal(
        np.sign(np.diff(run("performance", list(scores))[:, 0]).round(12)),
        np.sign(
            np.diff(run("performance", list(scale * scores + shift))[:, 0]).round(12)
        ),
    )


@pytest.mark.parametrize(
    ("score", "row"),
    [
        (0.0, (0.3, 0.5, 0.2)),
        (0.69, (0.3, 0.5, 0.2)),
        (0.7, (0.4, 0.4, 0.2)),
        (0.79, (0.4, 0.4, 0.2)),
        (0.8, (0.5, 0.3, 0.2)),
        (1.0, (0.5, 0.3, 0.2)),
    ],
)
def test_lookup_has_the_published_rows(score, row):
    assert_allclose(run("lookup", [score], rate=1.0)[-1], row)


@pytest.mark.parametrize("rule", RULES)
def test_a_term_without_initial_weight_stays_without(rule, rng):
    weights = run(rule, list(rng.uniform(size=20)), (0.5, 0.5, 0.0))
    assert (weights[:, 2] == 0).all()
    alone = run("performance", list(rng.uniform(size=20)), (1.0, 0.0, 0.0))
    assert_array_equal(alone, np.tile([1.0, 0.0, 0.0], (21, 1)))


def test_callable_sees_smoothed_scores_and_is_normalised():
    seen = []

    def rule(scores, weights, initial_weights, rate):
        seen.append((list(scores), weights.copy(), initial_weights.copy(), rate))
        return [2.0, 1.0, 1.0]

    scores = [0.2, 0.4, 0.9, 0.8]
    weights = run(rule, scores, rate=0.5)
    assert_allclose(weights[-1], [0.5, 0.25, 0.25], atol=0.02)
    assert seen[-1][0] == smooth(scores)
    assert_array_equal(seen[0][1], INITIAL)
    assert seen[0][3] == 0.5


@pytest.mark.parametrize(
    "result", [[0.5, 0.5], [np.nan, 0.5, 0.5], [-0.1, 0.6, 0.5], [0, 0, 0]]
)
def test_callable_with_a_bad_result_is_refused(result):
    with pytest.raises(ValueError, match="An adaptation rule must"):
        run(lambda *_: result, [0.5])


def test_smoothing_is_a_running_median():
    scores = [0.1, 0.5, 0.3, 0.9, 0.2]
    assert_allclose(smooth(scores), [0.1, 0.3, 0.3, 0.5, 0.3])
    assert WINDOW == 3
    # Equal scores stay exactly equal.
    assert len(set(smooth([0.1] * 9))) == 1


def test_every_term_has_a_title():
    assert list(TERM_TITLES) == list(TERMS)
