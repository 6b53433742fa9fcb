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
    HeldOut,
    next_weights,
    performance,
    smooth,
    takes_held_out,
    threshold,
    thresholds_of_runaway,
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


def test_a_whole_step_leads_to_the_goal():
    """Cross-entropy at its floor, and the others as they are to each other."""
    found = performance([0.5, 0.4], np.array([0.6, 0.3, 0.1]), INITIAL, 1.0)
    others = (1 - FLOOR) * INITIAL[1:] / INITIAL[1:].sum()
    assert_allclose(found, [FLOOR, *others])
    assert_allclose(performance([0.4, 0.5], found, INITIAL, 1.0), INITIAL)


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


# ------------------------------------------------------------------------ threshold


def steered(thresholds, initial=INITIAL, rate=0.1, start=None):
    """Loss weights of all epochs with these best thresholds."""
    weights = [np.asarray(initial if start is None else start, float)]
    nothing = [0.0] * len(thresholds)
    for epoch in range(1, len(thresholds) + 1):
        held_out = HeldOut(thresholds[:epoch], *[nothing[:epoch]] * 4)
        scores = [0.5] * epoch
        weights.append(
            next_weights(
                "threshold", scores, weights[-1], np.asarray(initial), rate, held_out
            )
        )
    return np.array(weights)


def test_a_low_best_threshold_presses_towards_recall():
    low, high = steered([0.2] * 30), steered([0.8] * 30)
    assert (np.diff(low[:, 2]) >= 0).all() and (np.diff(low[:, 0]) <= 0).all()
    assert_allclose(low[-1], [FLOOR, FLOOR, 1 - 2 * FLOOR])
    assert (np.diff(high[:, 0]) >= 0).all() and (np.diff(high[:, 2]) <= 0).all()
    assert_allclose(high[-1], [1 - 2 * FLOOR, FLOOR, FLOOR])
    assert_allclose(steered([0.5] * 5), np.tile(INITIAL, (6, 1)))
    # The farther from 0.5, the greater the first step, up to a bound.
    steps = [steered([t])[1, 2] - INITIAL[2] for t in (0.49, 0.45, 0.3, 1e-6, 0.0)]
    assert (np.diff(steps) >= -1e-12).all() and steps[0] > 0
    assert steps[-1] == pytest.approx(0.15 * (0.9 - INITIAL[2]))
    # At log-odds of -0.5 it is three quarters of that.
    near = steered([1 / (1 + np.exp(0.5))])[1, 2] - INITIAL[2]
    assert near / steps[-1] == pytest.approx(np.tanh(1))


def test_no_wind_up_at_the_end_of_the_path():
    """However long it has been there, one epoch on the other side moves it back."""
    # The median of three thresholds turns one epoch later.
    weights = steered([0.1] * 40 + [0.9] * 2)
    assert_allclose(weights[40], [FLOOR, FLOOR, 1 - 2 * FLOOR])
    assert weights[-1, 2] < weights[40, 2]


def test_the_way_back_leads_through_the_initial_weights():
    weights = steered([0.1] * 3 + [0.9] * 20)
    distance = np.abs(weights - INITIAL).max(axis=1)
    assert distance[3] > 0.1
    nearest = distance[4:].min()
    assert nearest < 0.1
    # Every mix lies on the path between the three points.
    for mix in weights:
        end = np.full(3, FLOOR)
        end[2 if mix[2] > INITIAL[2] else 0] = 1 - 2 * FLOOR
        share = np.abs(mix - INITIAL).max() / np.abs(end - INITIAL).max()
        assert_allclose(mix, INITIAL + share * (end - INITIAL), atol=1e-9)


def test_it_settles_where_the_threshold_answers():
    """Where the best threshold rises with the weight of Dice, and without swinging."""
    weights, thresholds = [INITIAL], []
    for _ in range(40):
        thresholds.append(float(np.clip(0.2 + 0.5 * weights[-1][2], 0, 1)))
        held_out = HeldOut(thresholds, *[[0.0] * len(thresholds)] * 4)
        scores = [0.5] * len(thresholds)
        weights.append(
            next_weights("threshold", scores, weights[-1], INITIAL, 0.1, held_out)
        )
    dice = np.array(weights)[:, 2]
    assert thresholds[-1] == pytest.approx(0.5, abs=0.01)
    assert dice.max() < 0.6 + 0.15 * 0.7  # it overshoots by less than one step
    moves = np.sign(np.diff(dice).round(4))
    moves = moves[moves != 0]
    assert np.count_nonzero(np.diff(moves)) <= 3


@pytest.mark.parametrize(
    "initial", [(1, 0, 0), (0.5, 0.5, 0), (0, 0, 1), (0, 0.3, 0.7)]
)
def test_terms_without_weight_stay_without(initial, rng):
    initial = np.array(initial, float)
    for thresholds in ([0.1] * 30, [0.9] * 30, list(rng.random(30))):
        weights = steered(thresholds, initial)
        assert (weights[:, initial == 0] == 0).all()
        assert_allclose(weights.sum(axis=1), 1)
    if np.count_nonzero(initial) > 1:
        assert steered([0.1] * 9, initial)[-1].argmax() == (2 if initial[2] else 1)


def test_without_a_threshold_the_weights_stay():
    """As with more than two classes; a chunk that could not be scored is skipped."""
    assert_array_equal(threshold([0.5], INITIAL, INITIAL, 0.1), INITIAL)
    assert_allclose(steered([np.nan] * 3), np.tile(INITIAL, (4, 1)))
    weights = steered([0.1, np.nan, 0.1])
    assert_allclose(weights[1], weights[2])
    assert weights[3, 2] > weights[2, 2]


@pytest.mark.parametrize("initial", [INITIAL, (0.7, 0.3, 0)])
def test_a_threshold_that_falls_while_recall_gains_weight_ran_away(initial):
    initial = np.asarray(initial)

    def found(thresholds, start=None):
        mixes = steered(thresholds, initial, 0.3, start)[:-1].astype("float32")
        return thresholds_of_runaway(mixes, initial, thresholds)

    falling = [0.7, 0.6, 0.6, *np.linspace(0.45, 0.1, 12)]
    before, after = found(falling)
    assert 0.3 < before < 0.5 and 0.1 < after < 0.2
    # One epoch says little.
    assert found([*falling, 0.1, 0.1, 0.6]) == (before, pytest.approx(after, abs=0.1))
    # The weight has not reached its end, or has left it again.
    assert found([0.4, 0.4, 0.1, 0.1]) is None
    assert found([*falling, *[0.8] * 6]) is None
    # The threshold rises, stays, or is near 0.5.
    assert found([*np.linspace(0.1, 0.35, 15)]) is None
    assert found([0.25] * 15) is None
    assert found([*[0.3] * 6, *[0.6] * 3, *[0.45] * 30]) is None
    # An untrained network has a low threshold, which says nothing.
    assert found([0.1, 0.1, 0.45, 0.45, 0.45, *[0.11] * 9]) == (0.45, 0.11)
    # A training that goes on from the end knows its own epochs.
    end = steered(falling, initial, 0.3)[-1]
    assert found([0.3, 0.3, 0.1, 0.1, 0.1], end) == (0.3, 0.1)
    assert found([0.3, 0.3, 0.3], end) is None
    assert found([0.1], end) is None
    # The odds of 0 and 1 are finite.
    ended = np.tile(end, (12, 1))
    assert thresholds_of_runaway(ended, initial, [1.0] * 3 + [0.0] * 9) == (1, 0)


def test_the_history_of_the_callback_has_longer_names():
    values = [[float(i), i + 1.0] for i in range(5)]
    history = dict(zip(HeldOut._fields, values, strict=True))
    logs = {f"held_out_{name}": value for name, value in history.items()}
    expected = HeldOut(*values)
    assert HeldOut.from_history(history) == expected
    assert HeldOut.from_history(logs | {"tp": [9.0], "fn": [9.0]}) == expected


def test_rules_of_either_kind_are_told_apart():
    def old(scores, weights, initial_weights, rate):
        return weights

    def new(scores, weights, initial_weights, rate, held_out):
        return [0, 0, held_out.tp[-1]]

    assert not takes_held_out(old) and takes_held_out(new)
    assert takes_held_out("threshold") and not takes_held_out("performance")
    held_out = HeldOut([0.3], [2.0], [0.0], [0.0], [0.0])
    moved = next_weights(new, [0.5], INITIAL, INITIAL, 0.1, held_out)
    assert_allclose(moved, [FLOOR, FLOOR, 1 - 2 * FLOOR])
    assert_allclose(next_weights(old, [0.5], INITIAL, INITIAL, 0.1, held_out), INITIAL)
