"""From out-of-fold logits to calibration, decision threshold and decision offset."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy.special import logit

from ..thresholds import OF_SCORER, f1
from .calibration import CALIBRATIONS, Calibration
from .inference import probabilities
from .threshold_tuning import tune_threshold

# Share of the weight below which a class is rare. For a larger class F1 would depend on
# which class is called rare, and a tuned threshold would gain a row or two by chance.
_RARE = 0.45


def is_tuned(threshold) -> bool:
    """Whether this value of the parameter ``threshold`` asks for tuning."""
    return callable(threshold) or threshold == "tune"


@dataclass(frozen=True)
class DecisionRule:
    """The parameters of an estimator that control calibration and threshold.

    Attributes
    ----------
    threshold : {"tune"}, float, callable or None
    calibration : {"sigmoid", "isotonic"} or None
    scoring : str or callable
        See :class:`skadaptive.AdaptiveHybridClassifier`.
    class_factors : ndarray of shape (n_classes,)
        Class weights, which are costs of errors where no threshold is tuned.
    rare : int
        Index of the rare class.
    """

    threshold: str | float | Callable | None
    calibration: str | None
    scoring: str | Callable
    class_factors: np.ndarray
    rare: int

    @property
    def criterion(self) -> Callable:
        """Criterion for which the threshold is tuned.

        It is the one given as ``threshold``, else that of a ``scoring`` named in
        ``OF_SCORER``, else F1, also for "precision", "recall" and callables.
        """
        if callable(self.threshold):
            return self.threshold
        return OF_SCORER.get(self.scoring, f1) if isinstance(self.scoring, str) else f1


@dataclass(frozen=True)
class Decision:
    """Calibration and threshold that were learnt from the out-of-fold rows.

    Attributes
    ----------
    calibration : callable or None
    threshold : float
        Probability of the rare class above which a row is predicted rare.
    offset : float or ndarray of shape (n_classes,)
        Term that is added to the logits before the class with the greatest is chosen.
    """

    calibration: Calibration | None
    threshold: float
    offset: float | np.ndarray


def decide(rows, rule, has_all_classes):
    """Calibrate the logits and choose the threshold.

    Parameters
    ----------
    rows : OutOfFoldBuffer
        Held-out rows at their natural class shares.
    rule : DecisionRule
    has_all_classes : bool
        Whether the rows hold every class. Otherwise nothing is calibrated or tuned.

    Returns
    -------
    Decision
    """
    logits, y, weight = rows.logits, rows.y, rows.weight
    factors, rare = rule.class_factors, rule.rare
    calibration = None
    if has_all_classes and rule.calibration is not None:
        calibration = CALIBRATIONS[rule.calibration].fit(logits, y, weight)
    # Where nothing is tuned, class weights are costs of errors; equal ones give 0.5. A
    # tuned threshold is for the criterion alone, as scorers do not see them either.
    threshold = float(1 - factors[rare] / factors.sum())
    is_binary = len(factors) == 2
    if isinstance(rule.threshold, Real):
        threshold = float(rule.threshold)
    elif is_binary and has_all_classes and _calls_for_tuning(rule, y == rare, weight):
        threshold = tune_threshold(
            rule.criterion,
            (y == rare).astype(int),
            probabilities(calibration(logits) if calibration else logits)[:, rare],
            weight,
            calibrated=rule.calibration is not None,
        )
    if not is_binary:
        return Decision(calibration, threshold, np.log(factors))
    sign = -1.0 if rare == 0 else 1.0
    return Decision(calibration, threshold, -sign * logit(threshold))


def _calls_for_tuning(rule, is_rare, weight):
    """Whether the threshold is to be tuned: "tune" does so only for a rare class."""
    if rule.threshold == "tune":
        return np.average(is_rare, weights=weight) < _RARE
    return callable(rule.threshold)
