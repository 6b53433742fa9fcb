"""Calibration of the out-of-fold logits.

Focal loss, Dice loss, class weights and resampling all distort probabilities. A
calibration is fitted to the pooled out-of-fold logits, whose rows have their natural
class shares, and corrects this. Both calibrations map logits to logits and are
increasing, so a member's ranking of the rows does not change. One calibration is
applied to each member, before the committee's probabilities are taken as the mean of
its members'.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, softmax
from sklearn.isotonic import IsotonicRegression

from .._features.piecewise import interpolate


class Calibration(Protocol):
    """A map from the logits of a member to calibrated logits."""

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Calibrate logits of shape (n_samples, n_outputs)."""

    def on_tensors(self, logits: Any, ops: Any) -> Any:
        """Calibrate tensors, with ``keras.ops``."""


#: Rise of an isotonic calibration within its steps, as a share of the logit. Chosen by
#: judgement: small against any slope that matters.
STEP_SLOPE = 1e-3

# Pulls the slope towards 1, in nats per squared unit of its logarithm: where the
# classes are separated, maximum likelihood alone would make it infinite.
_RIDGE = 1e-4
# Greatest logarithm of a slope that is tried: a line search may begin far off, where
# the exponential overflows.
_STEEPEST = 300.0


@dataclass(frozen=True)
class SigmoidCalibration:
    """Platt scaling: ``slope * logits + intercept``, the slope positive.

    Several outputs share one slope and have an intercept each, which is temperature
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
        truth, loss_and_residual = y[:, None], _of_two_classes
        if n_outputs > 1:
            truth, loss_and_residual = np.eye(n_outputs)[y], _of_several_classes

        def slope_of(log_slope):
            return np.exp(np.clip(log_slope, -_STEEPEST, _STEEPEST))

        def objective(parameters):
            log_slope, intercept = parameters[0], parameters[1:]
            slope = slope_of(log_slope)
            scores = slope * logits + intercept
            loss, residual = loss_and_residual(scores, truth)
            residual *= sample_weight[:, None]
            steepness = slope * np.sum(residual * logits)
            gradient = np.r_[steepness, residual.sum(axis=0)] / total
            gradient[0] += 2 * _RIDGE * log_slope
            return sample_weight @ loss / total + _RIDGE * log_slope**2, gradient

        start = np.zeros(1 + n_outputs)
        best = minimize(objective, start, jac=True, method="L-BFGS-B").x
        return cls(float(slope_of(best[0])), best[1:])

    def __call__(self, logits):
        return self.slope * logits + self.intercept

    def on_tensors(self, logits, ops):
        """Calibrate tensors, with ``keras.ops``."""
        return self(logits)


def _of_two_classes(scores, truth):
    """Log loss of each row, and its derivative by the score, (n_samples, 1).

    It takes a tenth of the time of a softmax over (0, score), which is the same.
    """
    loss = np.logaddexp(0.0, (1 - 2 * truth) * scores)[:, 0]
    return loss, expit(scores) - truth


def _of_several_classes(scores, truth):
    """Log loss of each row, and its derivative by the scores, like these in shape."""
    loss = logsumexp(scores, axis=1) - np.sum(truth * scores, axis=1)
    return loss, softmax(scores, axis=1) - truth


@dataclass(frozen=True)
class IsotonicCalibration:
    """Isotonic regression of the labels on each output, as log-odds.

    Between the steps it is linear, and within a step it still rises by a thousandth of
    the logit, so that rows which a step would tie keep their order.

    Attributes
    ----------
    knots : list of (ndarray, ndarray)
        Logits and calibrated log-odds, one pair per output.
    """

    knots: list[tuple[np.ndarray, np.ndarray]]

    @classmethod
    def fit(cls, logits, y, sample_weight):
        """Fit to labels; see :meth:`SigmoidCalibration.fit`."""
        # Probabilities stay 1 / (n + 2) away from 0 and 1, as n rows show no more.
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
            np.interp(column, *knots) + STEP_SLOPE * column
            for column, knots in zip(logits.T, self.knots, strict=True)
        ]
        return np.stack(columns, axis=1)

    def on_tensors(self, logits, ops):
        """Calibrate tensors, with ``keras.ops``."""
        columns = []
        for index, knots in enumerate(self.knots):
            column = logits[:, index : index + 1]
            columns.append(interpolate(column, *knots, ops) + STEP_SLOPE * column)
        return ops.concatenate(columns, axis=1)


CALIBRATIONS = {"sigmoid": SigmoidCalibration, "isotonic": IsotonicCalibration}
