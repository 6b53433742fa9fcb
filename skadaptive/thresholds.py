"""Criteria for the decision threshold, for the ``threshold`` parameter.

A criterion is a function of the weighted counts of the confusion matrix at each
threshold, arrays ``tp, fp, fn, tn`` of one shape, and returns scores of that shape,
the greater the better. Write your own, or take one of these::

    AdaptiveHybridClassifier(threshold=precision_at_recall(0.9))

They are classes, so that an estimator that holds one can be cloned and pickled; the
names are those of functions, because that is how they are used.
"""

from dataclasses import dataclass
from numbers import Real

import numpy as np

from ._typing import ArrayLike, FloatArray

__all__ = ["expected_cost", "f1", "precision_at_recall", "recall_at_precision"]


def f1(tp, fp, fn, tn):
    """F1 score, 2 tp / (2 tp + fp + fn), 0 where nothing is found."""
    return _ratio(2 * tp, 2 * tp + fp + fn)


def _accuracy(tp, fp, fn, tn):
    return _ratio(tp + tn, tp + fp + fn + tn)


def _balanced_accuracy(tp, fp, fn, tn):
    return (_ratio(tp, tp + fn) + _ratio(tn, tn + fp)) / 2


def _jaccard(tp, fp, fn, tn):
    return _ratio(tp, tp + fp + fn)


def _matthews(tp, fp, fn, tn):
    spread = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return _ratio(tp * tn - fp * fn, np.sqrt(spread))


#: Criteria that stand for scikit-learn's scorers of labels.
OF_SCORER = {
    "f1": f1,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "jaccard": _jaccard,
    "matthews_corrcoef": _matthews,
}


@dataclass(frozen=True)
class precision_at_recall:
    """The greatest precision at which at least this share of rare rows is found.

    Parameters
    ----------
    min_recall : float
        In (0, 1]. Where no threshold reaches it, the one that comes nearest is taken.
    """

    min_recall: float

    def __post_init__(self):
        _check_share("min_recall", self.min_recall)

    def __call__(self, tp, fp, fn, tn):
        return _constrained(_ratio(tp, tp + fp), _ratio(tp, tp + fn), self.min_recall)


@dataclass(frozen=True)
class recall_at_precision:
    """The greatest recall at which at least this share of the alarms is right.

    Parameters
    ----------
    min_precision : float
        In (0, 1]. Where no threshold reaches it, the one that comes nearest is taken.
    """

    min_precision: float

    def __post_init__(self):
        _check_share("min_precision", self.min_precision)

    def __call__(self, tp, fp, fn, tn):
        return _constrained(
            _ratio(tp, tp + fn), _ratio(tp, tp + fp), self.min_precision
        )


@dataclass(frozen=True)
class expected_cost:
    """The least mean cost per row.

    Parameters
    ----------
    cost_matrix : array-like of shape (2, 2)
        ``cost_matrix[i][j]`` is the cost of predicting class j for a row of class i,
        1 being the rare class: ``[[0, 1], [20, 0]]`` says that a missed rare row costs
        as much as 20 false alarms.
    """

    cost_matrix: tuple

    def __post_init__(self):
        check_cost_matrix(self.cost_matrix)

    def __call__(self, tp, fp, fn, tn):
        (c_tn, c_fp), (c_fn, c_tp) = check_cost_matrix(self.cost_matrix)
        total = tp + fp + fn + tn
        return -_ratio(c_tp * tp + c_fp * fp + c_fn * fn + c_tn * tn, total)


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
            f"predicted class; got {cost_matrix!r}."
        )
    return costs


def _constrained(value, constraint, minimum):
    """The value where the constraint holds; below every such value elsewhere."""
    return np.where(constraint >= minimum, value, constraint - 1.0 - minimum)


def _ratio(numerator, denominator):
    zeros = np.zeros(np.broadcast(numerator, denominator).shape)
    return np.divide(numerator, denominator, out=zeros, where=denominator > 0)


def _check_share(name, value):
    if not isinstance(value, Real) or not 0 < value <= 1:
        raise ValueError(f"{name} must be a number in (0, 1]; got {value!r}.")
