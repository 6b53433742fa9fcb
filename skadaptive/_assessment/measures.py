"""The measures of binary predictions, their names, and their bootstrap intervals.

Inside, y and labels are 1 for the rare class and 0 for the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from ..thresholds import f1, safe_ratio


@dataclass(frozen=True)
class Measure:
    """What is known of a measure.

    Attributes
    ----------
    title : str
        What people call it.
    function : callable
        scikit-learn's, of y, the probabilities or labels, and ``sample_weight``.
    of_probability : bool
        Whether it is of the probability of the rare class, not of the labels.
    needs_both_classes : bool
        Whether rows of one class alone leave it undefined.
    is_loss : bool
        Whether less is better.
    needs_rare_row : bool
        Whether rows without a rare one leave it undefined, though rows of the rare
        class alone do not. ``function`` then takes ``zero_division``.
    """

    title: str
    function: Callable[..., float]
    of_probability: bool
    needs_both_classes: bool
    is_loss: bool
    needs_rare_row: bool = False


#: Every measure, by its name in tables.
MEASURES: dict[str, Measure] = {
    "average_precision": Measure(
        title="average precision",
        function=average_precision_score,
        of_probability=True,
        needs_both_classes=True,
        is_loss=False,
    ),
    "roc_auc": Measure(
        title="ROC AUC",
        function=roc_auc_score,
        of_probability=True,
        needs_both_classes=True,
        is_loss=False,
    ),
    "brier_score": Measure(
        title="Brier score",
        function=brier_score_loss,
        of_probability=True,
        needs_both_classes=False,
        is_loss=True,
    ),
    "f1": Measure(
        title="F1",
        function=f1_score,
        of_probability=False,
        needs_both_classes=False,
        is_loss=False,
        needs_rare_row=True,
    ),
    "precision": Measure(
        title="precision",
        function=precision_score,
        of_probability=False,
        needs_both_classes=False,
        is_loss=False,
        needs_rare_row=True,
    ),
    "recall": Measure(
        title="recall",
        function=recall_score,
        of_probability=False,
        needs_both_classes=False,
        is_loss=False,
        needs_rare_row=True,
    ),
    "accuracy": Measure(
        title="accuracy",
        function=accuracy_score,
        of_probability=False,
        needs_both_classes=False,
        is_loss=False,
    ),
}

PROBABILITY_MEASURES = tuple(name for name, m in MEASURES.items() if m.of_probability)
LABEL_MEASURES = tuple(name for name, m in MEASURES.items() if not m.of_probability)


def measure_title(name: str) -> str:
    """A column of a comparison as people call it."""
    return MEASURES[name].title if name in MEASURES else name.replace("_", " ")


def is_loss(name: str) -> bool:
    """Whether less of it is better; of a name that is no measure's, it is not."""
    return name in MEASURES and MEASURES[name].is_loss


def measures(y, proba, labels, sample_weight=None):
    """Every measure of one set of predictions, by scikit-learn's metrics.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        1 for the rare class, else 0.
    proba : array-like of shape (n_samples,)
        Probabilities of the rare class. Values outside of [0, 1] are taken for scores
        that rank and nothing else: the Brier score is then NaN.
    labels : array-like of shape (n_samples,)
        1 where the rare class is predicted, else 0.
    sample_weight : array-like of shape (n_samples,), default=None
        A row of weight 0 counts as absent.

    Returns
    -------
    dict of float
        ``average_precision``, ``roc_auc``, ``brier_score``, ``f1``, ``precision``,
        ``recall``, ``accuracy``. NaN where they are undefined: the first two if there
        is only one class; F1, precision and recall, which could be nothing but 0, if
        there is no rare row. Precision and F1 are 0 if no row is predicted rare.

    Examples
    --------
    >>> from skadaptive.evaluation import measures
    >>> found = measures([0, 0, 0, 1], [0.1, 0.2, 0.7, 0.6], [0, 0, 1, 1])
    >>> found["average_precision"], found["recall"], found["precision"]
    (0.5, 1.0, 0.5)
    """
    y, labels = np.asarray(y), np.asarray(labels)
    proba = np.asarray(proba, dtype=float)
    keywords = {}
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=float)
        kept = weight > 0
        y, proba, labels = y[kept], proba[kept], labels[kept]
        keywords["sample_weight"] = weight[kept]
    undefined = _undefined_measures(y)
    if proba.size and (proba.min() < 0 or proba.max() > 1):
        undefined = (*undefined, "brier_score")
    found = {}
    for name, measure in MEASURES.items():
        given = proba if measure.of_probability else labels
        more = {"zero_division": 0} if measure.needs_rare_row else {}
        found[name] = (
            np.nan
            if name in undefined
            else float(measure.function(y, given, **keywords, **more))
        )
    return found


def _undefined_measures(y):
    """Names of the measures that these rows, all of positive weight, do not define."""
    if not y.size:
        return tuple(MEASURES)
    if y.any() and not y.all():
        return ()
    return tuple(
        name
        for name, measure in MEASURES.items()
        if measure.needs_both_classes or (measure.needs_rare_row and not y.any())
    )


# -------------------------------------------------------------------------- resampling


class _Counts:
    """Measures of one set of predictions under many weights, by counting.

    A resample is a weight for each row. The scores, which no resample changes, are
    looked at once: only the order relative to the scores of the rare rows matters,
    since precision steps down nowhere else in average precision, and in ROC AUC a row
    of the other class counts by how many rare ones lie above it. So all that a resample
    needs are the weights between and on those levels.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
    scores : ndarray of shape (n_samples,)
    labels : ndarray of shape (n_samples,)
    """

    def __init__(self, y, scores, labels):
        levels = np.unique(scores[y == 1])
        # 0: below the first level, 1: on it, 2: between it and the next, ...
        place = np.searchsorted(levels, scores, "left")
        place += np.searchsorted(levels, scores, "right")
        self._n_places = 2 * len(levels) + 1
        self._places = y * self._n_places + place
        self._cells = 2 * y + labels
        self._loss = (scores - y) ** 2
        self._undefined = _undefined_measures(y)

    def __call__(self, weight):
        """Measures, and the confusion matrix, under these weights.

        Parameters
        ----------
        weight : ndarray of shape (n_samples,)

        Returns
        -------
        measures : dict of float
            As of :func:`measures`; the Brier score is that of probabilities.
        confusion : ndarray of shape (4,)
            Weight of the true negatives, false positives, false negatives and true
            positives.
        """
        places = np.bincount(self._places, weight, 2 * self._n_places)
        other, rare = places.reshape(2, self._n_places)
        rare = rare[1::2]
        total_rare, total_other = rare.sum(), other.sum()
        tp = rare[::-1].cumsum()[::-1]
        fp = other[::-1].cumsum()[::-1][1::2]
        below = other.cumsum()[:-1:2]
        confusion = np.bincount(self._cells, weight, 4)
        tn_, fp_, fn_, tp_ = confusion
        ranked_right = rare @ (below + other[1::2] / 2)
        found = {
            "average_precision": safe_ratio(rare @ safe_ratio(tp, tp + fp), total_rare),
            "roc_auc": safe_ratio(ranked_right, total_rare * total_other),
            "brier_score": safe_ratio(weight @ self._loss, weight.sum()),
            "f1": f1(tp_, fp_, fn_, tn_),
            "precision": safe_ratio(tp_, tp_ + fp_),
            "recall": safe_ratio(tp_, tp_ + fn_),
            "accuracy": safe_ratio(tn_ + tp_, confusion.sum()),
        }
        found.update(dict.fromkeys(self._undefined, np.nan))
        return found, confusion


def bootstrap_measures(y, scores, labels, weight, n_bootstraps, rng):
    """Measures, (n_bootstraps, 7), and confusion, (n_bootstraps, 4), of resamples."""
    order = np.lexsort((scores, y))  # by score: neighbours are counted side by side
    y, scores, labels, weight = (a[order] for a in (y, scores, labels, weight))
    counts = _Counts(y, scores, labels)
    sizes = [size for size in np.bincount(y, minlength=2) if size]
    found, confusion = [], []
    for _ in range(n_bootstraps):
        drawn = [
            np.bincount(rng.integers(size, size=size, dtype=np.int32), minlength=size)
            for size in sizes
        ]
        one, cells = counts(np.concatenate(drawn) * weight)
        found.append(list(one.values()))
        confusion.append(cells)
    return np.array(found, dtype=float), np.array(confusion)
