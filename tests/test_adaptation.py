"""Properties that every adaptation rule keeps (design, section 4)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive.adaptation import FLOOR, RULES, WINDOW, next_weights, smooth

PUBLISHED = np.array([0.4, 0.4, 0.2])


def run(rule, scores, initial=PUBLISHED, rate=0.2):
    """Mixes of all epochs, the initial one first."""
    weights = [np.asarray(initial)]
    for epoch in range(1, len(scores) + 1):
        weights.append(
            next_weights(rule, scores[:epoch], weights[-1], weights[0], rate)
        )
    return np.array(weights)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_mix_stays_on_the_simplex_above_the_floor(rule, rate, rng):
    for _ in range(20):
        initial = rng.dirichlet([1, 1, 1])
        weights = run(rule, list(rng.uniform(size=50)), initial, rate)
        assert_allclose(weights.sum(axis=1), 1)
        assert (weights >= np.minimum(FLOOR, initial) - 1e-12).all()


@pytest.mark.parametrize("rule", [*RULES, lambda scores, *_: np.array([1, 0, 0])])
def test_rate_zero_is_static_to_the_bit(rule, rng):
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


def test_recovering_score_relaxes_towards_the_start():
    weights = run("performance", [0.5] * 10 + list(np.linspace(0.5, 0.9, 30)))
    distance = np.abs(weights - PUBLISHED).sum(axis=1)
    pressed = distance[10]
    assert pressed > 0.3
    # The first new value moves the running median after two more.
    assert (np.diff(distance[12:]) < 0).all()
    assert distance[-1] < 0.01 * pressed


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shift", [-5.0, 0.0])
def test_performance_knows_no_unit_of_the_score(scale, shift, rng):
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
def test_a_term_switched_off_stays_off(rule, rng):
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
    assert_array_equal(seen[0][1], PUBLISHED)
    assert seen[0][3] == 0.5


@pytest.mark.parametrize(
    "answer", [[0.5, 0.5], [np.nan, 0.5, 0.5], [-0.1, 0.6, 0.5], [0, 0, 0]]
)
def test_callable_with_a_bad_answer_is_told(answer):
    with pytest.raises(ValueError, match="An adaptation rule must"):
        run(lambda *_: answer, [0.5])


def test_smoothing_is_a_running_median():
    scores = [0.1, 0.5, 0.3, 0.9, 0.2]
    assert_allclose(smooth(scores), [0.1, 0.3, 0.3, 0.5, 0.3])
    assert WINDOW == 3
    # A score that stands still stands still after smoothing too.
    assert len(set(smooth([0.1] * 9))) == 1
