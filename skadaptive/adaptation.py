"""Rules that adapt the loss weights to the validation scores.

Goals
-----
The hybrid loss is a weighted sum of cross-entropy, focal loss and soft Dice loss. The
best weights are not known beforehand, so they change during training, driven by a score
on rows that the scored network did not train on. This module holds the rules for that
change; it does not depend on losses, networks or Keras. After each epoch
``_committee.monitor.Monitor.observe`` applies them for the estimator, and
:class:`skadaptive.callbacks.AdaptiveLossWeights` for any Keras model.

Conventions
-----------
Loss weights are arrays of shape (3,) in the order of :data:`TERMS`. They are
non-negative and sum to 1. A rule is a function

    rule(scores, weights, initial_weights, rate) -> weights

where ``scores`` (n_epochs,) are the smoothed scores of all epochs so far, the greater
the better, ``weights`` are the current loss weights, ``initial_weights`` those at the
start of training and ``rate`` is the step size in [0, 1]. Write your own rule for the
parameter ``adaptation``, or take :func:`performance` or :func:`lookup`.

A rule keeps no state, so it can be pickled, called from a callback or replayed over a
recorded history. Rules are functions and not classes, because they need no
configuration beyond their arguments.
"""

from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeAlias

import numpy as np

from ._typing import ArrayLike, FloatArray

__all__ = [
    "FLOOR",
    "RULES",
    "TERMS",
    "TERM_TITLES",
    "WINDOW",
    "Rule",
    "lookup",
    "next_weights",
    "performance",
    "smooth",
]

#: Names of the three terms of the hybrid loss.
TERMS = ("cross_entropy", "focal", "dice")

#: What tables and charts call the terms.
TERM_TITLES = {
    "cross_entropy": "cross-entropy",
    "focal": "focal loss",
    "dice": "Dice loss",
}

#: Smallest weight of a term that has weight at the start: each of them keeps an
#: influence on the training and can gain weight again. The value was chosen by
#: judgement.
FLOOR = 0.05

#: Number of epochs in the running median of the score, chosen by judgement.
WINDOW = 3

#: A rule: ``rule(scores, weights, initial_weights, rate)`` returns the next loss
#: weights, three non-negative numbers; :func:`next_weights` scales them to sum to 1.
Rule: TypeAlias = Callable[[Sequence[float], FloatArray, FloatArray, float], ArrayLike]

# The published rule (the loss of QSskaftab0820/adaptive-hybrid-loss): the loss weights
# for an F1 below each bound.
_LOOKUP = (
    (0.7, (0.3, 0.5, 0.2)),
    (0.8, (0.4, 0.4, 0.2)),
    (np.inf, (0.5, 0.3, 0.2)),
)


def performance(
    scores: Sequence[float],
    weights: FloatArray,
    initial_weights: FloatArray,
    rate: float,
) -> FloatArray:
    """Move weight away from cross-entropy while the score does not rise.

    While the smoothed score falls or stays equal, weight moves from cross-entropy to
    focal loss and soft Dice loss, in the proportion that these two have at the start.
    Whenever it rises, the weights move back towards those at the start. Only the sign
    of the change counts, so the rule works alike for every scorer, bounded or not, and
    for every prevalence.

    Parameters
    ----------
    scores : sequence of float of length n_epochs
        Smoothed scores so far, the greater the better.
    weights : ndarray of shape (3,)
        Current loss weights.
    initial_weights : ndarray of shape (3,)
        Loss weights at the start of training.
    rate : float
        Step size in [0, 1]: the share of the distance to the goal that one epoch
        covers.

    Returns
    -------
    ndarray of shape (3,)
        The next loss weights.
    """
    rises = len(scores) < 2 or scores[-1] > scores[-2]
    goal = initial_weights if rises else _least_cross_entropy(initial_weights)
    return weights + rate * (goal - weights)


def lookup(
    scores: Sequence[float],
    weights: FloatArray,
    initial_weights: FloatArray,
    rate: float,
) -> FloatArray:
    """Look the weights up in a published table of three rows, by the validation F1.

    Below 0.7 the weights move to (0.3, 0.5, 0.2), below 0.8 to (0.4, 0.4, 0.2), and
    otherwise to (0.5, 0.3, 0.2). They are there at once with ``rate=1``, as published,
    and approach them with a smaller rate. The bounds are meant for scores in [0, 1].

    Parameters
    ----------
    scores : sequence of float of length n_epochs
        Smoothed scores so far, the greater the better; only the last one is used.
    weights : ndarray of shape (3,)
        Current loss weights.
    initial_weights : ndarray of shape (3,)
        Loss weights at the start of training, which are not used.
    rate : float
        Step size in [0, 1]: the share of the distance to the goal that one epoch
        covers.

    Returns
    -------
    ndarray of shape (3,)
        The next loss weights.
    """
    row = next((row for bound, row in _LOOKUP if scores[-1] < bound), _LOOKUP[-1][1])
    return weights + rate * (np.asarray(row) - weights)


#: The rules by the name that the parameter ``adaptation`` takes.
RULES: dict[str, Rule] = {"performance": performance, "lookup": lookup}


def smooth(scores: Sequence[float]) -> list[float]:
    """Running median of the latest scores.

    Unlike a mean it ignores a single lucky epoch and does not depend on the unit of the
    score. Equal scores stay exactly equal, where the rounding of a mean would look like
    a rise.

    Parameters
    ----------
    scores : sequence of float of length n_epochs
        Raw scores.

    Returns
    -------
    list of float
        Median of the last ``WINDOW`` scores at each epoch, or of all if there are
        fewer.
    """
    windows = (scores[max(0, end - WINDOW) : end] for end in range(1, len(scores) + 1))
    return [median(window) for window in windows]


def check_rule(rule: str | Rule, rate: float) -> None:
    """Raise a ValueError unless the rule exists and the rate is in [0, 1]."""
    if not (callable(rule) or rule in RULES):
        raise ValueError(
            f"adaptation must be one of {sorted(RULES)} or a function; got {rule!r}."
        )
    if not 0 <= rate <= 1:
        raise ValueError(f"adaptation_rate must be in [0, 1]; got {rate!r}.")


def next_weights(
    rule: str | Rule,
    scores: Sequence[float],
    weights: FloatArray,
    initial_weights: FloatArray,
    rate: float,
) -> FloatArray:
    """Apply a rule and scale its weights to sum to 1, none below the floor.

    Parameters
    ----------
    rule : {"performance", "lookup"} or callable
        Name in :data:`RULES`, or a function of the same signature.
    scores : sequence of float of length n_epochs
        Raw scores so far, the greater the better. They are smoothed here.
    weights, initial_weights : ndarray of shape (3,)
        Current loss weights and those at the start of training.
    rate : float
        Step size in [0, 1]; 0 returns ``weights`` unchanged.

    Returns
    -------
    ndarray of shape (3,)
        Non-negative weights that sum to 1, each at least the smaller of ``FLOOR`` and
        its initial weight. A term of initial weight 0 keeps the weight 0.

    Raises
    ------
    ValueError
        If there is no such rule, if the rate is outside [0, 1], or if a callable does
        not return three finite, non-negative numbers, one of them above the floor and
        for a term that has weight at the start.
    """
    check_rule(rule, rate)
    if rate == 0:
        return weights
    function = RULES[rule] if isinstance(rule, str) else rule
    new = np.asarray(function(smooth(scores), weights, initial_weights, rate), float)
    if new.shape != (3,) or not np.isfinite(new).all() or (new < 0).any():
        raise ValueError(
            "An adaptation rule must return three finite, non-negative weights for "
            f"{', '.join(TERMS)}; got {new!r}."
        )
    return _scaled_above_floor(new, np.minimum(FLOOR, initial_weights))


def _least_cross_entropy(initial_weights: FloatArray) -> FloatArray:
    """Weights with cross-entropy at its floor and the others in proportion."""
    cross_entropy, *others = initial_weights
    if not sum(others):
        return initial_weights
    least = min(FLOOR, cross_entropy)
    scale = (1 - least) / sum(others)
    return np.array([least, *(scale * other for other in others)])


def _scaled_above_floor(weights: FloatArray, floor: FloatArray) -> FloatArray:
    """Scale the part of the weights above the floor so that all sum to 1."""
    above = np.where(floor > 0, np.maximum(weights - floor, 0.0), 0.0)
    if not above.sum():
        raise ValueError(
            f"An adaptation rule must return more than {FLOOR} for at least one term "
            f"that has weight at the start; got {weights!r}."
        )
    return floor + above * ((1 - floor.sum()) / above.sum())
