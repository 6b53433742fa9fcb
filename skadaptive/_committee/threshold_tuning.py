"""The decision threshold, tuned on calibrated out-of-fold probabilities.

The threshold is the one that serves a criterion of :mod:`skadaptive.thresholds` best.
"""

import numpy as np

# Thresholds looked at, at even shares of the rare rows.
_N_THRESHOLDS = 200
# Bootstrap samples that tell how sure the best threshold is.
_N_BOOTSTRAPS = 100
# Rare rows as many as calibrated probabilities count for. With all or none of the say
# F1 was the same or .006 lower on tables of 30 to 1,000 rare rows (docs/benchmark.md).
_N_EXPECTED = 500


def tune_threshold(
    criterion,
    y,
    proba,
    sample_weight,
    neutral=0.5,
    *,
    class_weight=(1.0, 1.0),
    calibrated=False,
):
    """Threshold that serves a criterion best.

    Few rare rows tell little of where it lies. If probabilities are calibrated they say
    themselves how many rows above a threshold are rare (Lewis, 1995, "Evaluating and
    optimizing autonomous text classification systems"), and in the counts that the
    criterion is given they stand beside the labels, as if they were 500 rare rows.

    Otherwise, of the thresholds that are not worse than the best by more than
    ``NOISE`` standard errors of the difference, the one nearest ``neutral`` is taken.
    The standard error comes from a Poisson bootstrap of the counts between thresholds.

    Parameters
    ----------
    criterion : callable
        From ``tp, fp, fn, tn``, arrays of weighted counts, to scores of the same
        shape, the greater the better; see :mod:`skadaptive.thresholds`.
    y : ndarray of shape (n_samples,)
        1 for the rare class, else 0.
    proba : ndarray of shape (n_samples,)
        Probabilities of the rare class.
    sample_weight : ndarray of shape (n_samples,)
    neutral : float, default=0.5
        The threshold where nothing speaks for another.
    class_weight : pair of float, default=(1.0, 1.0)
        What a row of the other class, and of the rare one, weighs besides.
    calibrated : bool, default=False
        Whether ``proba`` are.

    Returns
    -------
    float
        In (0, 1). Rows above it are to be predicted rare.
    """
    # A weighted count varies like a count of rows of one weight, here of each class.
    weights = [sample_weight[y == label] for label in (1, 0)]
    unit = np.array([[np.sum(w**2) / w.sum()] for w in weights])
    rare = y
    if calibrated:
        n_rare = weights[0].sum() / unit[0]
        rare = (n_rare * y + _N_EXPECTED * proba) / (n_rare + _N_EXPECTED)
    costs = np.array(class_weight[::-1])[:, None]
    thresholds, counts = _counts_between(y, rare, proba, sample_weight, neutral)
    unit, counts = costs * unit, costs * counts
    # One more row of each class that could be anywhere: that there was none above a
    # threshold does not mean that there never will be.
    counts += unit / counts.shape[1]
    scores = criterion(*_confusion(counts))
    best = np.argmax(scores)
    slack = 0.0
    if not calibrated:
        rng = np.random.default_rng(0)
        drawn = unit * rng.poisson(counts / unit, size=(_N_BOOTSTRAPS, *counts.shape))
        drawn = criterion(*_confusion(np.moveaxis(drawn, 0, 1)))
        slack = NOISE * np.std(drawn[:, best, None] - drawn, axis=0)
    near = np.flatnonzero(scores[best] - scores <= slack)
    return float(thresholds[near[np.argmin(np.abs(thresholds[near] - neutral))]])


def best_score(criterion, y, proba, sample_weight):
    """Score at the best threshold; parameters as of :func:`tune_threshold`."""
    _, counts = _counts_between(y, y, proba, sample_weight, 0.5)
    return float(criterion(*_confusion(counts)).max())


#: Standard errors by which a threshold nearer the neutral one may fall short.
NOISE = 0.25


def _counts_between(y, rare, proba, sample_weight, neutral):
    """Thresholds, increasing, and the weights of (rare, other) rows between them.

    ``rare`` says how far each row counts as rare, between 0 and 1.
    """
    # Midway between probabilities of rare rows: elsewhere no criterion is best.
    levels = np.unique(np.quantile(proba[y == 1], np.linspace(0, 1, _N_THRESHOLDS)))
    midway = (levels[1:] + levels[:-1]) / 2
    found = np.unique(np.r_[levels[0] / 2, midway, (levels[-1] + 1) / 2, neutral])
    thresholds = found[(found > 0) & (found < 1)]
    bins = np.searchsorted(thresholds, proba, side="left")
    size = len(thresholds) + 1
    counts = [
        np.bincount(bins, sample_weight * part, size) for part in (rare, 1 - rare)
    ]
    return thresholds, np.stack(counts)


def _confusion(counts):
    """tp, fp, fn, tn at each threshold, from (rare, other) counts between them.

    ``counts`` is (2, ..., n_thresholds + 1), the results (..., n_thresholds).
    """
    below = counts.cumsum(axis=-1)
    (fn, tn), (rare, other) = below[..., :-1], below[..., -1:]
    return rare - fn, other - tn, fn, tn
