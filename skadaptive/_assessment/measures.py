"""The measures of binary predictions, their names, and their bootstrap intervals.

Inside, y and labels are 1 for the rare class and 0 for the other.
"""

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

_NAMES = {
    "average_precision": "average precision",
    "roc_auc": "ROC AUC",
    "brier_score": "Brier score",
    "f1": "F1",
}


def measure_title(measure):
    """A column of a comparison as people call it."""
    return _NAMES.get(measure, measure.replace("_", " "))


#: Measures of the probability of the rare class, as functions of y, probabilities and
#: ``sample_weight``.
OF_PROBABILITY = {
    "average_precision": average_precision_score,
    "roc_auc": roc_auc_score,
    "brier_score": brier_score_loss,
}

#: Measures of the labels, as functions of y, labels, ``sample_weight`` and, where
#: something may be divided by 0, ``zero_division``.
OF_LABELS = {
    "f1": f1_score,
    "precision": precision_score,
    "recall": recall_score,
    "accuracy": accuracy_score,
}

# What rows of one class alone, and rows without a rare one, leave open.
_NEED_BOTH = ("average_precision", "roc_auc")
_NEED_RARE = ("f1", "precision", "recall")


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
        ``recall``, ``accuracy``. NaN where the rows leave them open: the first two if
        there is only one class; F1, precision and recall, which could be nothing but
        0, if there is no rare row. Precision and F1 are 0 if no row is predicted rare.

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
    open_ = _left_open(y)
    if proba.size and (proba.min() < 0 or proba.max() > 1):
        open_ = (*open_, "brier_score")
    found = {}
    for name, metric in {**OF_PROBABILITY, **OF_LABELS}.items():
        of_labels = name in OF_LABELS
        more = {"zero_division": 0} if name in _NEED_RARE else {}
        found[name] = (
            np.nan
            if name in open_
            else float(metric(y, labels if of_labels else proba, **keywords, **more))
        )
    return found


def _left_open(y):
    """Names of the measures that these rows, all of positive weight, leave open."""
    if y.all():  # no rows at all, too
        return _NEED_BOTH if y.size else (*OF_PROBABILITY, *OF_LABELS)
    return () if y.any() else (*_NEED_BOTH, *_NEED_RARE)


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
        self._open = _left_open(y)

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
            "average_precision": _ratio(rare @ _ratio(tp, tp + fp), total_rare),
            "roc_auc": _ratio(ranked_right, total_rare * total_other),
            "brier_score": _ratio(weight @ self._loss, weight.sum()),
            "f1": _ratio(2 * tp_, 2 * tp_ + fp_ + fn_),
            "precision": _ratio(tp_, tp_ + fp_),
            "recall": _ratio(tp_, tp_ + fn_),
            "accuracy": _ratio(tn_ + tp_, confusion.sum()),
        }
        found.update(dict.fromkeys(self._open, np.nan))
        return found, confusion


def _ratio(numerator, denominator):
    """The quotient, 0 where nothing is divided by nothing."""
    return np.divide(
        numerator,
        denominator,
        out=np.zeros(np.shape(denominator)),
        where=denominator > 0,
    )


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
