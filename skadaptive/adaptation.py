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
Loss weights are arrays of shape (3,) in the order of ``TERMS``. They are
non-negative and sum to 1. A rule is a function

    rule(scores, weights, initial_weights, rate) -> weights

where ``scores`` (n_epochs,) are the smoothed scores of all epochs so far, the greater
the better, ``weights`` are the current loss weights, ``initial_weights`` those at the
start of training and ``rate`` is the step size in [0, 1]. A rule with a parameter named
``held_out`` also gets a :class:`HeldOut`, with the best threshold and the confusion
matrix of each epoch. Write your own rule for the parameter ``adaptation``, or take
:func:`performance`, :func:`lookup` or :func:`threshold`.

A rule keeps no state, so it can be pickled, called from a callback or replayed over a
recorded history. Rules are functions and not classes, because they need no
configuration beyond their arguments.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import NamedTuple, TypeAlias

import numpy as np

from ._messages import shown
from ._typing import ArrayLike, BoolArray, FloatArray

__all__ = [
    "FLOOR",
    "RULES",
    "TERMS",
    "TERM_TITLES",
    "WINDOW",
    "HeldOut",
    "Rule",
    "lookup",
    "next_weights",
    "performance",
    "smooth",
    "threshold",
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

#: What stands before the names of :class:`HeldOut` in the logs of a Keras model, whose
#: own metrics may be called ``tp``.
HELD_OUT_PREFIX = "held_out_"

#: Number of epochs in the running median of the score, chosen by judgement.
WINDOW = 3

#: A rule: ``rule(scores, weights, initial_weights, rate)`` returns the next loss
#: weights, three non-negative numbers; :func:`next_weights` scales them to sum to 1. It
#: may have one more parameter, ``held_out``.
Rule: TypeAlias = Callable[..., ArrayLike]

# Distance of the best threshold from 0.5, in log-odds, at which ``threshold`` makes
# three quarters of its greatest step, and this step in units of the rate. Half and
# twice the distance and two thirds and four thirds of the step are as good or worse
# (docs/research/052).
_FAR, _GREATEST_STEP = 0.5, 1.5

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


class HeldOut(NamedTuple):
    """What held-out rows say of each epoch, for rules with a parameter ``held_out``.

    The counts are weighted, of a problem with two classes; "positive" is the rare one.

    Parameters
    ----------
    best_threshold : sequence of float of length n_epochs
        Probability of the rare class, before any calibration, above which rows should
        be predicted rare: the threshold with the best expected score. NaN if there are
        more than two classes.
    tp, fp, fn, tn : sequence of float of length n_epochs
        Confusion matrix if rows above 0.5 are predicted rare.
    """

    best_threshold: Sequence[float]
    tp: Sequence[float]
    fp: Sequence[float]
    fn: Sequence[float]
    tn: Sequence[float]

    @classmethod
    def from_history(cls, history: Mapping[str, Sequence[float]]) -> HeldOut:
        """Take the epochs of a history that was recorded with such a rule.

        Parameters
        ----------
        history : mapping of str to sequence of float
            With a value per epoch for each of the attributes: ``history_`` of the
            classifier, or ``history`` of a Keras ``History``, where the callback
            ``AdaptiveLossWeights`` puts ``held_out_`` before their names.

        Returns
        -------
        HeldOut
        """
        prefix = HELD_OUT_PREFIX if f"{HELD_OUT_PREFIX}tp" in history else ""
        return cls(*(history[prefix + name] for name in cls._fields))


def threshold(
    scores: Sequence[float],
    weights: FloatArray,
    initial_weights: FloatArray,
    rate: float,
    held_out: HeldOut | None = None,
) -> FloatArray:
    """Steer the loss weights so that 0.5 is the right decision threshold.

    While the best threshold of the held-out rows lies below 0.5, too few rows are
    predicted rare, and weight moves towards soft Dice loss. While it lies above, weight
    moves back and then towards cross-entropy. This is integral control: near 0.5 a step
    is in proportion to the log-odds of the best threshold, and no step is greater than
    1.5 times ``rate``, where 1 is the way from the initial weights to either end. Take
    the rule if decisions are made at 0.5 and nobody can hand a threshold on.

    Parameters
    ----------
    scores : sequence of float of length n_epochs
        Not used.
    weights : ndarray of shape (3,)
        Current loss weights.
    initial_weights : ndarray of shape (3,)
        Loss weights at the start of training, the middle of the path.
    rate : float
        Step size in [0, 1].
    held_out : HeldOut, default=None
        Best thresholds of all epochs so far. The median of the last ``WINDOW`` counts.
        If it is None or the last threshold is NaN, the weights stay.

    Returns
    -------
    ndarray of shape (3,)
        The next loss weights.
    """
    if held_out is None or not np.isfinite(held_out.best_threshold[-1]):
        return weights
    best = smooth([float(b) for b in held_out.best_threshold if np.isfinite(b)])[-1]
    best = min(max(best, 1e-9), 1 - 1e-9)
    step = rate * _GREATEST_STEP * np.tanh(np.log((1 - best) / best) / _FAR)
    # Weight for recall is that of soft Dice, or of focal loss if there is no Dice.
    term = 2 if initial_weights[2] else 1
    middle, position = initial_weights, 0.0
    ends = {1: _heaviest(middle, term), -1: _heaviest(middle, 0)}
    for sign, heaviest in ((1, term), (-1, 0)):
        moved = weights[heaviest] - middle[heaviest]
        if moved > 0:
            whole = ends[sign][heaviest] - middle[heaviest]
            position = sign * moved / max(moved, whole)
    position = min(1.0, max(-1.0, position + step))
    end = ends[1 if position > 0 else -1]
    return middle + abs(position) * (end - middle)


def thresholds_of_runaway(
    mixes: FloatArray, initial_weights: FloatArray, best_threshold: Sequence[float]
) -> tuple[float, float] | None:
    """Where the best threshold fell while :func:`threshold` pressed against the fall.

    Some networks become so sure of themselves that their best threshold falls however
    much weight soft Dice loss has, and the rule drives this weight to its end.

    Parameters
    ----------
    mixes : ndarray of shape (n_epochs, 3)
        Loss weights of each epoch.
    initial_weights : ndarray of shape (3,)
        Loss weights at the start of training.
    best_threshold : sequence of float of length n_epochs
        Best threshold of each epoch on held-out rows.

    Returns
    -------
    (float, float) or None
        The greatest of the smoothed best thresholds since the weight began to rise, and
        the median of those since it is at its end. None unless the last mix is this
        end, and the second threshold lies far below the first one and below 0.5.
    """
    # Weights of a Keras variable are of single precision.
    term, rounding = 2 if initial_weights[2] else 1, 1e-3
    weight, start = mixes[:, term], initial_weights[term]
    end = _heaviest(initial_weights, term)[term]
    risen, ended = weight > start + rounding, weight >= end - rounding
    if not (risen[-1] and ended[-1]):
        return None
    greatest = max(smooth(best_threshold)[-_n_last(risen) :])
    last = median(best_threshold[-_n_last(ended) :])
    odds = [np.log(b / (1 - b)) for b in np.clip([greatest, last], 1e-9, 1 - 1e-9)]
    return (greatest, last) if odds[1] < min(0, odds[0]) - _FAR else None


def _n_last(flags: BoolArray) -> int:
    """Number of epochs since a flag was last not set."""
    return int(np.argmin(np.r_[flags[::-1], False]))


#: The rules by the name that the parameter ``adaptation`` takes.
RULES: dict[str, Rule] = {
    "performance": performance,
    "lookup": lookup,
    "threshold": threshold,
}


def takes_held_out(rule: str | Rule) -> bool:
    """Whether a rule has a parameter ``held_out``."""
    function = RULES[rule] if isinstance(rule, str) else rule
    try:
        return "held_out" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some built-in callables nothing is known
        return False


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
        raise ValueError(f"adaptation_rate must be in [0, 1]; got {shown(rate)}.")


def next_weights(
    rule: str | Rule,
    scores: Sequence[float],
    weights: FloatArray,
    initial_weights: FloatArray,
    rate: float,
    held_out: HeldOut | None = None,
) -> FloatArray:
    """Apply a rule and scale its weights to sum to 1, none below the floor.

    Parameters
    ----------
    rule : {"performance", "lookup", "threshold"} or callable
        Name in :data:`RULES`, or a function of the same signature.
    scores : sequence of float of length n_epochs
        Raw scores so far, the greater the better. They are smoothed here.
    weights, initial_weights : ndarray of shape (3,)
        Current loss weights and those at the start of training.
    rate : float
        Step size in [0, 1]; 0 returns ``weights`` unchanged.
    held_out : HeldOut, default=None
        For rules that have a parameter of this name.

    Returns
    -------
    ndarray of shape (3,)
        Non-negative weights that sum to 1, each at least the smaller of ``FLOOR`` and
        its initial weight. A term of initial weight 0 keeps the weight 0.

    Raises
    ------
    ValueError
        If there is no such rule, if the rate is outside [0, 1], if there are no scores
        or some that are not finite, or if a callable does not return three finite,
        non-negative numbers, one of them above the floor and for a term that has weight
        at the start.
    """
    check_rule(rule, rate)
    if not len(scores) or not np.isfinite(scores).all():
        raise ValueError(
            "scores must be finite numbers, one for each epoch so far; got "
            f"{shown(list(scores))}. Leave out the epochs that were not scored."
        )
    if rate == 0:
        return weights
    function = RULES[rule] if isinstance(rule, str) else rule
    more = {"held_out": held_out} if takes_held_out(rule) else {}
    new = function(smooth(scores), weights, initial_weights, rate, **more)
    try:
        values = np.asarray(new)
        values = values.astype(float) if values.dtype.kind in "biufO" else np.empty(0)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (3,) or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(
            "An adaptation rule must return three finite, non-negative weights for "
            f"{', '.join(TERMS)}; adaptation={rule!r} returned {shown(new)}."
        )
    if values.max() > 1e300:  # the sum would be infinite
        values /= values.max()
    return _scaled_above_floor(values, np.minimum(FLOOR, initial_weights))


def _least_cross_entropy(initial_weights: FloatArray) -> FloatArray:
    """Weights with cross-entropy at its floor and the others in proportion."""
    cross_entropy, *others = initial_weights
    if not sum(others):
        return initial_weights
    least = min(FLOOR, cross_entropy)
    scale = (1 - least) / sum(others)
    return np.array([least, *(scale * other for other in others)])


def _heaviest(initial_weights: FloatArray, term: int) -> FloatArray:
    """Weights with one term as heavy as can be and the others at their floor."""
    if not initial_weights[term]:
        return initial_weights
    weights = np.minimum(FLOOR, initial_weights)
    weights[term] += 1 - weights.sum()
    return weights


def _scaled_above_floor(weights: FloatArray, floor: FloatArray) -> FloatArray:
    """Scale the part of the weights above the floor so that all sum to 1."""
    above = np.where(floor > 0, np.maximum(weights - floor, 0.0), 0.0)
    if not above.sum():
        raise ValueError(
            f"An adaptation rule must return more than {FLOOR} for at least one term "
            f"that has weight at the start; got {shown(weights)}."
        )
    return floor + above * ((1 - floor.sum()) / above.sum())
