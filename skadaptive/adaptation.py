"""From the validation scores so far to the next mixing weights.

Goals
-----
The hybrid loss mixes cross-entropy, focal loss and soft Dice. Which mix serves
best is not known beforehand, so it moves during training, driven by a score on
rows that the scored network did not train on. This module holds the rules; it
knows nothing of losses, networks or Keras.

Conventions
-----------
Mixing weights are arrays of shape (3,) in the order of :data:`TERMS`, on the
simplex: non-negative, summing to 1. A rule is a function

    rule(scores, weights, initial_weights, rate) -> weights

where ``scores`` (n_epochs,) are the smoothed scores up to now, the greater the
better, ``weights`` is the current mix, ``initial_weights`` the one at the start
and ``rate`` the step size in [0, 1]. A rule keeps no state, so it can be pickled,
called from a callback or replayed over a recorded history. Functions rather than
classes: there is nothing to configure beyond what every rule is given.
"""

from statistics import median

import numpy as np

TERMS = ("cross_entropy", "focal", "dice")

#: What tables and charts call the terms.
TERM_TITLES = {
    "cross_entropy": "cross-entropy",
    "focal": "focal loss",
    "dice": "Dice loss",
}

#: No term that takes part falls below this share, so that its gradient keeps
#: being felt and the way back stays open.
FLOOR = 0.05

#: Epochs in the running median of the score.
WINDOW = 3

# The published lookup (the loss of QSskaftab0820/adaptive-hybrid-loss): the mix for
# an F1 below the bound; the last row serves every F1 from 0.8 up.
_LOOKUP = (
    (0.7, (0.3, 0.5, 0.2)),
    (0.8, (0.4, 0.4, 0.2)),
    (np.inf, (0.5, 0.3, 0.2)),
)


def performance(scores, weights, initial_weights, rate):
    """Put pressure on the hard rows while the score does not rise.

    While the smoothed score falls or stands still, the share of cross-entropy
    moves towards focal loss and soft Dice, in the proportion that these two have
    at the start. As soon as it rises, the mix relaxes towards where it began.
    Only the sign of the change counts, so the rule is the same for every scorer,
    bounded or not, and for every prevalence.

    Parameters
    ----------
    scores : array-like of shape (n_epochs,)
        Smoothed scores so far, the greater the better.
    weights : ndarray of shape (3,)
        Current mixing weights.
    initial_weights : ndarray of shape (3,)
        Mixing weights at the start of training.
    rate : float
        Step size in [0, 1]: the share of the way to go in one epoch.

    Returns
    -------
    ndarray of shape (3,)
        The next mixing weights.
    """
    rises = len(scores) < 2 or scores[-1] > scores[-2]
    goal = initial_weights if rises else _pressed(initial_weights)
    return weights + rate * (goal - weights)


def lookup(scores, weights, initial_weights, rate):
    """Published three-row rule on the validation F1, made live.

    Below 0.7 the mix goes to (0.3, 0.5, 0.2), below 0.8 to (0.4, 0.4, 0.2), else
    to (0.5, 0.3, 0.2). ``rate=1`` jumps there at once, as published; a smaller
    one approaches it. The bounds are meant for scores in [0, 1].

    Parameters
    ----------
    scores, weights, initial_weights, rate
        See :func:`performance`; ``initial_weights`` is not used.

    Returns
    -------
    ndarray of shape (3,)
        The next mixing weights.
    """
    row = next((row for bound, row in _LOOKUP if scores[-1] < bound), _LOOKUP[-1][1])
    return weights + rate * (np.asarray(row) - weights)


RULES = {"performance": performance, "lookup": lookup}


def smooth(scores):
    """Running median of the latest scores.

    Unlike a mean it ignores a single lucky epoch, does not depend on the unit of the
    score, and a score that stands still stands still exactly, without rounding that
    would look like a rise.

    Parameters
    ----------
    scores : array-like of shape (n_epochs,)

    Returns
    -------
    list of float
        For each epoch the median of the last ``WINDOW`` scores, or of as many as
        there are.
    """
    windows = (scores[max(0, end - WINDOW) : end] for end in range(1, len(scores) + 1))
    return [median(window) for window in windows]


def check_rule(rule, rate):
    """Raise a ValueError unless there is such a rule and the rate is in [0, 1]."""
    if not (callable(rule) or rule in RULES):
        raise ValueError(
            f"adaptation must be one of {sorted(RULES)} or a function; got {rule!r}."
        )
    if not 0 <= rate <= 1:
        raise ValueError(f"adaptation_rate must be in [0, 1]; got {rate!r}.")


def next_weights(rule, scores, weights, initial_weights, rate):
    """Apply a rule and bring its answer back onto the simplex.

    Parameters
    ----------
    rule : {"performance", "lookup"} or callable
        A name in :data:`RULES` or a function with the signature of one.
    scores : array-like of shape (n_epochs,)
        Raw scores so far, the greater the better; smoothed here.
    weights, initial_weights : ndarray of shape (3,)
        Current mixing weights and those at the start of training.
    rate : float
        Step size in [0, 1]; 0 returns ``weights`` untouched, to the bit.

    Returns
    -------
    ndarray of shape (3,)
        Non-negative, summing to 1, no term below ``min(FLOOR, its initial weight)``.
        A term that starts at 0 is switched off and stays so.

    Raises
    ------
    ValueError
        If there is no such rule, the rate is outside [0, 1], or a callable returns
        anything but three finite, non-negative numbers of
        which at least one is positive.
    """
    check_rule(rule, rate)
    if rate == 0:
        return weights
    new = RULES.get(rule, rule)(smooth(scores), weights, initial_weights, rate)
    new = np.asarray(new, dtype=float)
    if new.shape != (3,) or not np.isfinite(new).all() or (new < 0).any():
        raise ValueError(
            "An adaptation rule must return three finite, non-negative weights for "
            f"{', '.join(TERMS)}; got {new!r}."
        )
    return _project(new, np.minimum(FLOOR, initial_weights))


def _pressed(initial_weights):
    """The mix under full pressure: cross-entropy at its floor."""
    cross_entropy, *others = initial_weights
    if not sum(others):
        return initial_weights
    kept = min(FLOOR, cross_entropy)
    scale = (1 - kept) / sum(others)
    return np.array([kept, *(scale * other for other in others)])


def _project(weights, floor):
    """Scale what lies above the floor so that floor and rest sum to 1."""
    above = np.where(floor > 0, np.maximum(weights - floor, 0.0), 0.0)
    if not above.sum():
        raise ValueError(
            "An adaptation rule must leave a positive weight to at least one term "
            f"that takes part from the start; got {weights!r}."
        )
    return floor + above * ((1 - floor.sum()) / above.sum())
