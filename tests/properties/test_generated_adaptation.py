"""Adaptation rules on generated trainings."""

import numpy as np
import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive._parameters import check_loss_weights
from skadaptive.adaptation import FLOOR, RULES, TERMS, HeldOut, next_weights

SCORES = st.floats(-1e300, 1e300) | st.sampled_from([0.0, 0.5, 0.69, 0.7, 0.8, 1.0])
THRESHOLDS = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 1.0, np.nan])
COUNTS = st.sampled_from([0.0, 1e-300, 3.0, 1e300])
MIXES = st.lists(
    st.sampled_from([0.0, 1e-300, 1e-6, 0.02, FLOOR, 0.2, 1.0, 1e300]),
    min_size=3,
    max_size=3,
).filter(any)
# A rule of a user may return anything that is no mistake.
OWN = st.lists(st.sampled_from([0.0, 1e-3, 1.0, 1e300]), min_size=3, max_size=3)


def weights_of(rule, epochs, initial, rate):
    """Loss weights of all epochs, each from what came before it."""
    weights = [initial]
    for n_seen in range(1, len(epochs) + 1):
        scores, *fields = map(list, zip(*epochs[:n_seen], strict=True))
        mix = next_weights(rule, scores, weights[-1], initial, rate, HeldOut(*fields))
        weights.append(mix)
    return np.array(weights)


@bounded(150)
@given(
    rule=st.sampled_from(list(RULES)),
    epochs=st.lists(
        st.tuples(SCORES, THRESHOLDS, COUNTS, COUNTS, COUNTS, COUNTS), max_size=12
    ),
    initial=MIXES,
    rate=st.floats(0, 1) | st.sampled_from([0.0, 1e-300, 1.0]),
)
def test_every_mix_is_within_its_bounds(rule, epochs, initial, rate):
    initial = check_loss_weights(initial)
    weights = weights_of(rule, epochs, initial, rate)
    assert np.isfinite(weights).all()
    assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    assert (weights >= np.minimum(FLOOR, initial) - 1e-12).all()
    assert (weights <= 1 + 1e-12).all()
    assert not weights[:, initial == 0].any()
    # A rule has no memory: what was recorded of the first epochs says what follows.
    half = len(epochs) // 2
    again = weights_of(rule, epochs[:half], initial, rate)
    assert_array_equal(again, weights[: half + 1])


@pytest.mark.parametrize("scores", [[], [np.nan], [0.5, np.nan], [0.5, np.inf]])
@pytest.mark.parametrize("rule", RULES)
def test_scores_that_say_nothing_are_refused(rule, scores):
    """They are in the history of a stream, for chunks that could not be scored."""
    mix = np.array([0.4, 0.4, 0.2])
    with pytest.raises(ValueError, match="scores must be finite .* Leave out the ep"):
        next_weights(rule, scores, mix, mix, 0.1)


@bounded(60)
@given(returned=OWN, initial=MIXES, rate=st.sampled_from([0.1, 1.0]))
def test_a_rule_of_the_user_is_scaled_or_refused_by_name(returned, initial, rate):
    initial = check_loss_weights(initial)

    def rule(scores, weights, initial_weights, rate):
        return returned

    useful = (np.array(returned) > np.minimum(FLOOR, initial)) & (initial > 0)
    if not useful.any():
        with pytest.raises(
            ValueError, match="An adaptation rule must return more than"
        ):
            next_weights(rule, [0.5], initial, initial, rate)
        return
    mix = next_weights(rule, [0.5], initial, initial, rate)
    assert_allclose(mix.sum(), 1, rtol=1e-12)
    assert (mix >= np.minimum(FLOOR, initial) - 1e-12).all()
    # Above the floors, the weights are in the ratios that the rule returned.
    floor = np.minimum(FLOOR, initial)
    above = np.where(initial > 0, np.maximum(returned - floor, 0), 0)
    above /= above.max()
    assert_allclose(mix - floor, (1 - floor.sum()) * above / above.sum(), atol=1e-12)


def steep(scores, weights, initial_weights, rate, held_out):
    """A rule of a user, by the share of false alarms."""
    share = held_out.fp[-1] / max(1.0, held_out.fp[-1] + held_out.tp[-1])
    return weights + rate * (np.array([share, 0.1, 1 - share]) - weights)


@pytest.mark.parametrize("rule", ["performance", "lookup", steep])
def test_the_history_of_a_fit_replays_its_mixes(rule, quick, binary):
    model = quick(adaptation=rule, early_stopping=False).fit(*binary)
    history = model.history_
    weights = np.array([history[f"weight_{term}"] for term in TERMS]).T
    assert len(np.unique(weights[:, 0])) > 1
    for epoch in range(1, model.n_iter_):
        known = {name: values[:epoch] for name, values in history.items()}
        seen = HeldOut.from_history(known) if rule is steep else None
        before = weights[epoch - 1], weights[0]
        replayed = next_weights(rule, known["score"], *before, 0.1, seen)
        assert_allclose(weights[epoch], replayed, rtol=1e-12)
