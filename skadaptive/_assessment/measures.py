"""The measures of binary predictions, their names, and their bootstrap intervals.

In this module y and labels are 1 for the rare class and 0 for the other.
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

from .._parameters import scaled_weights
from ..thresholds import f1, safe_ratio
from .statistics import effective_size, least_share_of_all


@dataclass(frozen=True)
class Measure:
    """A measure and its properties.

    Attributes
    ----------
    title : str
        Name in texts.
    function : callable
        The metric of scikit-learn, which takes y, the probabilities or labels, and
        ``sample_weight``.
    of_probability : bool
        Whether the measure judges the probability of the rare class. Otherwise it
        judges the labels.
    of_rare_class : bool
        Whether the measure judges how well the rare class is found. It is undefined
        without rare rows. A measure of labels then takes ``zero_division``.
    needs_both_classes : bool
        Whether the measure is undefined for rows of one class.
    is_loss : bool
        Whether a lower value is better.
    """

    title: str
    function: Callable[..., float]
    of_probability: bool = False
    of_rare_class: bool = False
    needs_both_classes: bool = False
    is_loss: bool = False


#: Every measure, by its name in tables.
MEASURES: dict[str, Measure] = {
    "average_precision": Measure(
        "average precision",
        average_precision_score,
        of_probability=True,
        of_rare_class=True,
        needs_both_classes=True,
    ),
    "roc_auc": Measure(
        "ROC AUC", roc_auc_score, of_probability=True, needs_both_classes=True
    ),
    "brier_score": Measure(
        "Brier score", brier_score_loss, of_probability=True, is_loss=True
    ),
    "f1": Measure("F1", f1_score, of_rare_class=True),
    "precision": Measure("precision", precision_score, of_rare_class=True),
    "recall": Measure("recall", recall_score, of_rare_class=True),
    "accuracy": Measure("accuracy", accuracy_score),
}

PROBABILITY_MEASURES = tuple(name for name, m in MEASURES.items() if m.of_probability)
LABEL_MEASURES = tuple(name for name, m in MEASURES.items() if not m.of_probability)
#: Every measure in the order of a comparison's columns: the rare class comes first.
COLUMNS = tuple(sorted(MEASURES, key=lambda name: not MEASURES[name].of_rare_class))


def is_near_perfect(means):
    """Whether scores are better than real tables allow, but for a few.

    Parameters
    ----------
    means : mapping of str to float
        Mean of each measure, such as ``mean_roc_auc``.

    Returns
    -------
    bool
    """
    least = {"average_precision": 0.995, "roc_auc": 0.999}
    return any(means[f"mean_{name}"] >= value for name, value in least.items())


def measure_title(name: str) -> str:
    """Name of a column of a comparison in texts."""
    return MEASURES[name].title if name in MEASURES else name.replace("_", " ")


def is_loss(name: str) -> bool:
    """Whether a lower value is better; False for a name that is not in the table."""
    return name in MEASURES and MEASURES[name].is_loss


def measures(y, proba, labels, sample_weight=None):
    """Every measure of one set of predictions, by scikit-learn's metrics.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        1 for the rare class, else 0.
    proba : array-like of shape (n_samples,)
        Probabilities of the rare class. Values outside of [0, 1] count as scores that
        only rank the rows: the Brier score is then NaN.
    labels : array-like of shape (n_samples,)
        1 where the rare class is predicted, else 0.
    sample_weight : array-like of shape (n_samples,), default=None
        A row of weight 0 counts as absent.

    Returns
    -------
    dict of float
        ``average_precision``, ``roc_auc``, ``brier_score``, ``f1``, ``precision``,
        ``recall``, ``accuracy``. A value is NaN where the measure is undefined: the
        first two if there is only one class; F1, precision and recall if there is no
        rare row. Precision and F1 are 0 if no row is predicted rare.

    Examples
    --------
    >>> from skadaptive.evaluation import measures
    >>> values = measures([0, 0, 0, 1], [0.1, 0.2, 0.7, 0.6], [0, 0, 1, 1])
    >>> values["average_precision"], values["recall"], values["precision"]
    (0.5, 1.0, 0.5)
    """
    y, labels = np.asarray(y), np.asarray(labels)
    proba = np.asarray(proba, dtype=float)
    keywords = {}
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=float)
        kept = weight > 0
        y, proba, labels = y[kept], proba[kept], labels[kept]
        keywords["sample_weight"], _ = scaled_weights(weight[kept])
    undefined = _undefined_measures(y)
    if proba.size and (proba.min() < 0 or proba.max() > 1):
        undefined = (*undefined, "brier_score")
    values = dict.fromkeys(MEASURES, np.nan)
    for name, measure in MEASURES.items():
        if name in undefined:
            continue
        if measure.of_probability:
            value = measure.function(y, proba, **keywords)
        elif measure.of_rare_class:
            value = measure.function(y, labels, **keywords, zero_division=0)
        else:
            value = measure.function(y, labels, **keywords)
        values[name] = float(value)
    return values


def _undefined_measures(y):
    """Names of the measures that are undefined for rows with these labels."""
    if not y.size:
        return tuple(MEASURES)
    if y.any() and not y.all():
        return ()
    return tuple(
        name
        for name, measure in MEASURES.items()
        if measure.needs_both_classes or (measure.of_rare_class and not y.any())
    )


# -------------------------------------------------------------------------- resampling


class _Counts:
    """Measures of one set of predictions under many weights, by counting.

    A resample is a weight for each row, and does not change the scores. Their order
    relative to the scores of the rare rows is computed once, because nothing else
    matters: average precision sums the precision at the rare rows, and in ROC AUC a
    row of the other class counts by the number of rare rows above it. A resample then
    needs only the sums of weights on and between those levels.

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
        values : dict of float
            The same as from :func:`measures`. The Brier score takes the scores for
            probabilities.
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
        values = {
            "average_precision": safe_ratio(rare @ safe_ratio(tp, tp + fp), total_rare),
            "roc_auc": safe_ratio(ranked_right, total_rare * total_other),
            "brier_score": safe_ratio(weight @ self._loss, weight.sum()),
            "f1": f1(tp_, fp_, fn_, tn_),
            "precision": safe_ratio(tp_, tp_ + fp_),
            "recall": safe_ratio(tp_, tp_ + fn_),
            "accuracy": safe_ratio(tn_ + tp_, confusion.sum()),
        }
        values.update(dict.fromkeys(self._undefined, np.nan))
        return values, confusion


def bootstrap_measures(y, scores, labels, weight, n_bootstraps, rng):
    """Measures, (n_bootstraps, 7), and confusion, (n_bootstraps, 4), of resamples."""
    # Sorted rows let bincount add to neighbouring memory.
    order = np.lexsort((scores, y))
    y, scores, labels, weight = (a[order] for a in (y, scores, labels, weight))
    counts = _Counts(y, scores, labels)
    weight, exponent = scaled_weights(weight)
    sizes = [size for size in np.bincount(y, minlength=2) if size]
    values, confusion = [], []
    for _ in range(n_bootstraps):
        drawn = [
            np.bincount(rng.integers(size, size=size, dtype=np.int32), minlength=size)
            for size in sizes
        ]
        one, cells = counts(np.concatenate(drawn) * weight)
        values.append(list(one.values()))
        confusion.append(cells)
    return np.array(values, dtype=float), np.ldexp(np.array(confusion), exponent)


def intervals_without_spread(y, labels, weight, confidence_level):
    """Intervals of shares that are 0 or 1, all of whose resamples are alike.

    They are exact, with the effective number of rows. The share of F1 is that of the
    true positives among the rows that are rare or predicted rare, s, with which F1,
    2 s / (1 + s), rises.

    Parameters
    ----------
    y, labels, weight : ndarray of shape (n_samples,)
        Rows of positive weight.
    confidence_level : float

    Returns
    -------
    measures : dict of str to (float, float)
        ``f1``, ``precision``, ``recall`` and ``accuracy``, as far as they are 0 or 1.
    cells : dict of int to (float, float)
        Cells of the confusion matrix by ``2 * y + labels``, in units of weight, whose
        share of the rows of their class is 0 or 1.
    """
    scaled, _ = scaled_weights(weight)

    def interval(is_kind, among):
        """Ends of the interval; None if some of the rows are of the kind."""
        if is_kind[among].any() and not is_kind[among].all():
            return None
        least = least_share_of_all(effective_size(scaled[among]), confidence_level)
        if not among.any():
            return 0.0, 1.0
        return (least, 1.0) if is_kind[among].all() else (0.0, 1 - least)

    hits = (y == 1) & (labels == 1)
    found = {
        "f1": interval(hits, (y == 1) | (labels == 1)),
        "precision": interval(hits, labels == 1),
        "recall": interval(hits, y == 1),
        "accuracy": interval(y == labels, np.ones(len(y), dtype=bool)),
    }
    if found["f1"] is not None:
        found["f1"] = tuple(2 * share / (1 + share) for share in found["f1"])
    undefined = _undefined_measures(y)
    cells = {}
    for true in (0, 1):
        total = weight[y == true].sum()
        for said in (0, 1):
            ends = interval(labels == said, y == true)
            if ends is not None and total > 0:
                cells[2 * true + said] = ends[0] * total, ends[1] * total
    return {
        name: ends
        for name, ends in found.items()
        if ends is not None and name not in undefined
    }, cells
