"""Calibration of the out-of-fold logits, and the decision threshold.

Focal loss, Dice, class weights and resampling all distort probabilities; what they do
to the logits is learnt from rows that were held out at their natural shares, and
undone. Both calibrations map logits to logits and are increasing, so the ranking of
the rows by a member is untouched. The committee's probabilities are the mean of its
members', each calibrated.

The threshold is the one on the calibrated out-of-fold probabilities that serves a
criterion best (:mod:`skadaptive.thresholds`).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logit, logsumexp, softmax
from sklearn.isotonic import IsotonicRegression

from .interpolation import interpolate

# Pulls the slope towards 1, in nats per squared unit of its logarithm: where the
# classes are separated, maximum likelihood alone would make it infinite.
_RIDGE = 1e-4

# ------------------------------------------------------------------------ calibration


@dataclass(frozen=True)
class SigmoidCalibration:
    """Platt scaling: ``slope * logits + intercept``, the slope positive.

    With several outputs one slope for all and an intercept for each: temperature
    scaling that also corrects the class shares.

    Attributes
    ----------
    slope : float
    intercept : ndarray of shape (n_outputs,)
    """

    slope: float
    intercept: np.ndarray

    @classmethod
    def fit(cls, logits, y, sample_weight):
        """Fit by maximum likelihood, the slope slightly pulled towards 1.

        Parameters
        ----------
        logits : ndarray of shape (n_samples, n_outputs)
        y : ndarray of shape (n_samples,)
            1 for the class of a single output; otherwise class indices.
        sample_weight : ndarray of shape (n_samples,)

        Returns
        -------
        SigmoidCalibration
        """
        n_outputs = logits.shape[1]
        total = sample_weight.sum()
        if n_outputs == 1:
            # Two classes are a softmax over (0, logit), the first without intercept.
            logits = np.hstack([np.zeros_like(logits), logits])
        free = slice(-n_outputs, None)
        truth = np.eye(logits.shape[1])[y]

        def objective(parameters):
            log_slope, intercept = parameters[0], np.zeros(logits.shape[1])
            intercept[free] = parameters[1:]
            scores = np.exp(log_slope) * logits + intercept
            loss = logsumexp(scores, axis=1) - np.sum(truth * scores, axis=1)
            residual = (softmax(scores, axis=1) - truth) * sample_weight[:, None]
            steepness = np.exp(log_slope) * np.sum(residual * logits)
            gradient = np.r_[steepness, residual.sum(axis=0)[free]] / total
            gradient[0] += 2 * _RIDGE * log_slope
            return sample_weight @ loss / total + _RIDGE * log_slope**2, gradient

        start = np.zeros(1 + n_outputs)
        found = minimize(objective, start, jac=True, method="L-BFGS-B").x
        return cls(float(np.exp(found[0])), found[1:])

    def __call__(self, logits):
        return self.slope * logits + self.intercept

    def on_tensors(self, logits, ops):
        """The same on tensors, with ``keras.ops``."""
        return self(logits)

    def turned(self):
        """The same for the logit of the other of two classes."""
        return SigmoidCalibration(self.slope, -self.intercept)


@dataclass(frozen=True)
class IsotonicCalibration:
    """Isotonic regression of the labels on each output, as log-odds.

    Between the steps it is linear, and within a step it still rises, by a thousandth
    of the logit, so that rows which it would tie keep their order.

    Attributes
    ----------
    knots : list of (ndarray, ndarray)
        Logits and calibrated log-odds, one pair per output.
    """

    knots: list

    @classmethod
    def fit(cls, logits, y, sample_weight):
        """Fit to labels; see :meth:`SigmoidCalibration.fit`."""
        # No probability is more extreme than one row among all could tell.
        edge = 1.0 / (len(y) + 2.0)
        knots = []
        for output in range(logits.shape[1]):
            label = 1 if logits.shape[1] == 1 else output
            fitted = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(
                logits[:, output], y == label, sample_weight
            )
            knots.append((fitted.X_thresholds_, logit(fitted.y_thresholds_)))
        return cls(knots)

    def __call__(self, logits):
        columns = [
            np.interp(column, *knots) + 1e-3 * column
            for column, knots in zip(logits.T, self.knots, strict=True)
        ]
        return np.stack(columns, axis=1)

    def on_tensors(self, logits, ops):
        """The same on tensors, with ``keras.ops``."""
        columns = []
        for index, knots in enumerate(self.knots):
            column = logits[:, index : index + 1]
            columns.append(interpolate(column, *knots, ops) + 1e-3 * column)
        return ops.concatenate(columns, axis=1)

    def turned(self):
        """The same for the logit of the other of two classes."""
        ((x, z),) = self.knots
        return IsotonicCalibration([(-x[::-1], -z[::-1])])


CALIBRATIONS = {"sigmoid": SigmoidCalibration, "isotonic": IsotonicCalibration}


# -------------------------------------------------------------------------- threshold


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
