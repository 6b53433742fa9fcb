"""The decision threshold, tuned on out-of-fold probabilities.

The tuned threshold has the best score of a criterion of :mod:`skadaptive.thresholds`.
"""

import inspect
import warnings

import numpy as np
from scipy.special import expit, logit

from .._messages import shown
from .._parameters import scaled_weights
from ..thresholds import OF_SCORER
from .calibration import SigmoidCalibration

# Candidate thresholds, at even shares of the rare rows.
_N_THRESHOLDS = 200
# Bootstrap samples for the standard error of a score.
_N_BOOTSTRAPS = 100
# Pseudo-count: calibrated probabilities weigh as much as this many observed rare rows.
# Over 53 tables the mean F1 was .0056 (standard error .0020) lower with labels alone,
# and the same within .0004 with probabilities alone (docs/research/033).
_N_EXPECTED = 500
#: Standard errors by which a threshold nearer to the neutral one may fall short.
NOISE = 0.25


def check_threshold(threshold):
    """Refuse a name that is none, or a function that is no criterion, before training.

    Parameters
    ----------
    threshold : {"tune"}, float, callable or None

    Raises
    ------
    ValueError
        If a function cannot be called with four arrays of counts, or returns something
        else than an array of their shape.
    """
    if isinstance(threshold, str) and threshold != "tune":
        raise ValueError(
            "threshold must be 'tune', a number in (0, 1), a function of the counts "
            f"tp, fp, fn, tn or None; got {shown(threshold)}.{_for_measure(threshold)}"
        )
    if not callable(threshold):
        return
    name = getattr(threshold, "__name__", repr(threshold))
    must = (
        f"threshold={name} must be a function of the weighted counts tp, fp, "
        "fn, tn, arrays with one place for each threshold, that returns an array of "
        "scores of their shape; see skadaptive.thresholds."
    )
    must += _for_measure(name)
    counts = _confusion(np.array([[1.5, 2.5, 4.5, 8.5], [800.5, 90.5, 9.5, 2.5]]))
    if not _takes_counts(threshold):
        raise ValueError(f"{must} It takes {inspect.signature(threshold)}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # training would show them
        returned = threshold(*counts)
    try:
        scores = np.asarray(returned)
    except ValueError:  # lists of several lengths
        scores = np.empty(0)
    if scores.shape != counts[0].shape or scores.dtype.kind not in "biuf":
        raise ValueError(f"{must} It returned {shown(returned)} for 3 thresholds.")


def _takes_counts(criterion):
    """Whether it can be called with four arrays, and is no scorer."""
    try:
        signature = inspect.signature(criterion)
    except ValueError:  # of a function that is not written in Python
        return True
    try:
        signature.bind(*range(4))
    except TypeError:
        return False
    return next(iter(signature.parameters)) != "estimator"


def _for_measure(name):
    """What to say for a measure of scikit-learn, if the name is that of one."""
    name = name.removesuffix("_score")
    if name not in OF_SCORER:
        return ""
    return f" For {name} say scoring={name!r} and threshold='tune', the default."


def tune_threshold(
    criterion,
    y,
    proba,
    sample_weight,
    neutral=0.5,
    *,
    calibrated=False,
):
    """Choose the threshold with the best score of a criterion.

    Few rare rows say little about where the best threshold lies. Calibrated
    probabilities give the expected number of rare rows above a threshold without any
    labels (Lewis, 1995, "Evaluating and optimizing autonomous text classification
    systems"). If ``proba`` are calibrated, the counts for the criterion combine labels
    and probabilities, the latter with the weight of 500 rare rows.

    If they are not calibrated, labels alone count. The result is then the threshold
    nearest to ``neutral`` that is not worse than the best by more than ``NOISE``
    standard errors of the difference. The standard error comes from a Poisson bootstrap
    of the counts between thresholds.

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
        The threshold to stay near if the data give no reason for another.
    calibrated : bool, default=False
        Whether ``proba`` are calibrated.

    Returns
    -------
    float
        In (0, 1). Rows above it are to be predicted rare.

    Raises
    ------
    ValueError
        If the criterion returns something else than scores.
    """
    # A weighted count has the variance of a count of rows of this weight, per class.
    weights = [sample_weight[y == label] for label in (1, 0)]
    unit = np.array([[np.sum(w**2) / w.sum()] for w in weights])
    rare = y
    if calibrated:
        n_rare = weights[0].sum() / unit[0]
        rare = (n_rare * y + _N_EXPECTED * proba) / (n_rare + _N_EXPECTED)
    thresholds, counts = _counts_between(y, rare, proba, sample_weight, neutral)
    # One more row of each class is spread over all bins: no false alarm above a
    # threshold so far does not mean that there never will be one.
    counts += unit / counts.shape[1]
    scores = _scores(criterion, counts)
    best = np.argmax(scores)
    slack = 0.0
    if not calibrated:
        rng = np.random.default_rng(0)
        drawn = unit * rng.poisson(counts / unit, size=(_N_BOOTSTRAPS, *counts.shape))
        drawn = _scores(criterion, np.moveaxis(drawn, 0, 1))
        with np.errstate(invalid="ignore"):  # of -inf, a threshold that is forbidden
            slack = NOISE * np.std(drawn[:, best, None] - drawn, axis=0)
        slack = np.where(np.isfinite(slack), slack, 0.0)
    near = np.flatnonzero(scores[best] - scores <= slack)
    return float(thresholds[near[np.argmin(np.abs(thresholds[near] - neutral))]])


def at_thresholds(criterion, y, logits, sample_weight=None):
    """Best threshold before calibration, and the confusion matrix at 0.5.

    The threshold is tuned on probabilities that a sigmoid calibrates on the same rows,
    and carried back through the calibration.

    Parameters
    ----------
    criterion, y, sample_weight
        See :func:`tune_threshold`; no weights are equal weights.
    logits : ndarray of shape (n_samples,)
        Logits of the rare class.

    Returns
    -------
    dict of str to float
        The fields of :class:`skadaptive.adaptation.HeldOut`.
    """
    weight = np.ones(len(y)) if sample_weight is None else sample_weight
    logits = logits.astype(float)[:, None]
    calibration = SigmoidCalibration.fit(logits, y, weight)
    calibrated = expit(calibration(logits)[:, 0])
    unit, _ = scaled_weights(weight)
    best = tune_threshold(criterion, y, calibrated, unit, calibrated=True)
    raw = expit((logit(best) - calibration.intercept[0]) / calibration.slope)
    cell = 2 * y + (logits[:, 0] > 0)
    tn, fp, fn, tp = map(float, np.bincount(cell, weight, minlength=4))
    return {"best_threshold": float(raw), "tp": tp, "fp": fp, "fn": fn, "tn": tn}


def best_score(criterion, y, proba, sample_weight):
    """Score at the best threshold for the labels, without noise margin or neutral.

    The parameters are those of ``tune_threshold``.
    """
    _, counts = _counts_between(y, y, proba, sample_weight, 0.5)
    return float(criterion(*_confusion(counts)).max())


def _counts_between(y, rare, proba, sample_weight, neutral):
    """Thresholds, increasing, and the weights of (rare, other) rows between them.

    ``rare`` is the share of each row that counts as rare, in [0, 1].
    """
    # Midway between probabilities of rare rows: elsewhere no criterion is best.
    levels = np.unique(np.quantile(proba[y == 1], np.linspace(0, 1, _N_THRESHOLDS)))
    midway = (levels[1:] + levels[:-1]) / 2
    candidates = np.r_[levels[0] / 2, midway, (levels[-1] + 1) / 2, neutral]
    thresholds = np.unique(candidates[(candidates > 0) & (candidates < 1)])
    bins = np.searchsorted(thresholds, proba, side="left")
    size = len(thresholds) + 1
    counts = [
        np.bincount(bins, sample_weight * part, size) for part in (rare, 1 - rare)
    ]
    return thresholds, np.stack(counts)


def _scores(criterion, counts):
    """Scores at each threshold; refuses what is no score of each of them."""
    confusion = _confusion(counts)
    shape = confusion[0].shape
    returned = criterion(*confusion)
    try:
        scores = np.asarray(returned)
    except ValueError:  # lists of different lengths
        scores = np.empty(0)
    if (
        scores.shape != shape
        or scores.dtype.kind not in "biuf"
        or np.isnan(scores).any()
        or not scores.max() < np.inf
        or not scores.max() > -np.inf
    ):
        raise ValueError(
            f"The criterion threshold={criterion!r} must return a number for each of "
            f"{shape[-1]} thresholds, the greater the better, in an array of the shape "
            "of its arguments. -inf forbids a threshold, but not all of them. Got "
            f"{shown(returned)}."
        )
    return scores.astype(float)


def _confusion(counts):
    """tp, fp, fn, tn at each threshold, from (rare, other) counts between them.

    ``counts`` is (2, ..., n_thresholds + 1), the results (..., n_thresholds).
    """
    below = counts.cumsum(axis=-1)
    (fn, tn), (rare, other) = below[..., :-1], below[..., -1:]
    return rare - fn, other - tn, fn, tn
