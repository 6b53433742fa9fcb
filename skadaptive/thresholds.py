"""Criteria for the decision threshold, for the ``threshold`` parameter.

A criterion is a function of the weighted counts of the confusion matrix at each
threshold, arrays ``tp, fp, fn, tn`` of one shape. It returns scores of that shape, the
greater the better. Write your own, or take one of this module::

    AdaptiveHybridClassifier(threshold=precision_at_recall(0.9))

Criteria with parameters are classes, so that an estimator that holds one can be cloned
and pickled. Their names are those of functions, because they are used like functions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import numpy as np

from ._messages import shown
from ._typing import ArrayLike, FloatArray

__all__ = [
    "Criterion",
    "expected_cost",
    "f1",
    "precision_at_recall",
    "recall_at_precision",
]

#: A criterion: ``criterion(tp, fp, fn, tn)`` returns the score at each threshold.
Criterion: TypeAlias = Callable[
    [FloatArray, FloatArray, FloatArray, FloatArray], FloatArray
]


def f1(tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray) -> FloatArray:
    """F1 score, 2 tp / (2 tp + fp + fn), the default criterion.

    Parameters
    ----------
    tp, fp, fn, tn : ndarray of shape (n_thresholds,)
        Weighted counts of true positives, false positives, false negatives and true
        negatives at each threshold.

    Returns
    -------
    ndarray of shape (n_thresholds,)
        F1 score at each threshold, 0 where it is undefined.
    """
    return safe_ratio(2 * tp, 2 * tp + fp + fn)


def _f1_macro(
    tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
) -> FloatArray:
    return (f1(tp, fp, fn, tn) + f1(tn, fn, fp, tp)) / 2


def _accuracy(
    tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
) -> FloatArray:
    return safe_ratio(tp + tn, tp + fp + fn + tn)


def _balanced_accuracy(
    tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
) -> FloatArray:
    return (safe_ratio(tp, tp + fn) + safe_ratio(tn, tn + fp)) / 2


def _jaccard(
    tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
) -> FloatArray:
    return safe_ratio(tp, tp + fp + fn)


def _matthews(
    tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
) -> FloatArray:
    # Shares of the weight, and roots one by one: products of four counts overflow where
    # weights are of 1e100, and are 0 where they are of 1e-100.
    total = tp + fp + fn + tn
    tp, fp, fn, tn = (safe_ratio(count, total) for count in (tp, fp, fn, tn))
    spread = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
    return safe_ratio(tp * tn - fp * fn, spread)


#: Criteria that agree with scikit-learn's scorers of predicted labels, by their name.
OF_SCORER: dict[str, Criterion] = {
    "f1": f1,
    "f1_macro": _f1_macro,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "jaccard": _jaccard,
    "matthews_corrcoef": _matthews,
}


@dataclass(frozen=True)
class precision_at_recall:
    """Criterion for the greatest precision with at least a given recall.

    Parameters
    ----------
    min_recall : float
        Least share of the rare rows that must be predicted rare, in (0, 1]. If no
        threshold reaches it, the threshold with the greatest recall is the best.

    Raises
    ------
    ValueError
        If ``min_recall`` is not a number in (0, 1].
    """

    min_recall: float

    def __post_init__(self) -> None:
        _check_share("min_recall", self.min_recall)

    def __call__(
        self, tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
    ) -> FloatArray:
        """Score of each threshold, from the weighted counts there."""
        return _constrained(
            safe_ratio(tp, tp + fp), safe_ratio(tp, tp + fn), self.min_recall
        )


@dataclass(frozen=True)
class recall_at_precision:
    """Criterion for the greatest recall with at least a given precision.

    Parameters
    ----------
    min_precision : float
        Least share of the rows predicted rare that must be rare, in (0, 1]. If no
        threshold reaches it, the threshold with the greatest precision is the best.

    Raises
    ------
    ValueError
        If ``min_precision`` is not a number in (0, 1].
    """

    min_precision: float

    def __post_init__(self) -> None:
        _check_share("min_precision", self.min_precision)

    def __call__(
        self, tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
    ) -> FloatArray:
        """Score of each threshold, from the weighted counts there."""
        return _constrained(
            safe_ratio(tp, tp + fn), safe_ratio(tp, tp + fp), self.min_precision
        )


@dataclass(frozen=True)
class expected_cost:
    """Criterion for the least mean cost per row.

    Parameters
    ----------
    cost_matrix : array-like of shape (2, 2)
        ``cost_matrix[i][j]`` is the cost of predicting class j for a row of class i,
        where 1 is the rare class: with ``[[0, 1], [20, 0]]`` a missed rare row costs as
        much as 20 false alarms. A negative cost is a gain.

    Raises
    ------
    ValueError
        If the costs are not 2 x 2 finite numbers.
    """

    cost_matrix: ArrayLike

    def __post_init__(self) -> None:
        check_cost_matrix(self.cost_matrix)

    def __call__(
        self, tp: FloatArray, fp: FloatArray, fn: FloatArray, tn: FloatArray
    ) -> FloatArray:
        """Score of each threshold, from the weighted counts there."""
        (c_tn, c_fp), (c_fn, c_tp) = check_cost_matrix(self.cost_matrix)
        total = tp + fp + fn + tn
        return -safe_ratio(c_tp * tp + c_fp * fp + c_fn * fn + c_tn * tn, total)


def check_cost_matrix(cost_matrix: ArrayLike) -> FloatArray:
    """Costs as an array of shape (2, 2), rows by true and columns by predicted class.

    Parameters
    ----------
    cost_matrix : array-like of shape (2, 2)
        The rare class second.

    Returns
    -------
    ndarray of shape (2, 2)

    Raises
    ------
    ValueError
        If it has another shape, or costs that are not finite.
    """
    costs = np.asarray(cost_matrix, dtype=float)
    if costs.shape != (2, 2) or not np.isfinite(costs).all():
        raise ValueError(
            "cost_matrix must be 2 x 2, finite, rows by true class and columns by "
            f"predicted class; got {shown(cost_matrix)}."
        )
    return costs


def _constrained(
    value: FloatArray, constraint: FloatArray, minimum: float
) -> FloatArray:
    """The value where the constraint holds, and a negative score elsewhere."""
    return np.where(constraint >= minimum, value, constraint - 1.0 - minimum)


def safe_ratio(
    numerator: FloatArray, denominator: FloatArray, undefined: float = 0.0
) -> FloatArray:
    """Quotient of two arrays of counts.

    Parameters
    ----------
    numerator, denominator : ndarray
        Arrays of shapes that broadcast.
    undefined : float, default=0.0
        Value where the denominator is not positive.

    Returns
    -------
    ndarray
        Quotient at each place.
    """
    quotient = np.full(np.broadcast(numerator, denominator).shape, undefined)
    return np.divide(numerator, denominator, out=quotient, where=denominator > 0)


def _check_share(name: str, value: float) -> None:
    if not isinstance(value, Real) or not 0 < value <= 1:
        raise ValueError(f"{name} must be a number in (0, 1]; got {shown(value)}.")
