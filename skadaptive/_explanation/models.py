"""Predictions of a fitted classifier for one class, for rows that did not train it.

An ``AdaptiveHybridClassifier`` knows which of its members held out which row of its
``fit``, inside of a pipeline, a search and a wrapper that changes the threshold as
well. Rows of that table go through those members. Any other row, and any other
classifier, is taken as it is.
"""

import numpy as np
from scipy.special import logit
from sklearn.base import BaseEstimator, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
)
from sklearn.utils.validation import check_is_fitted

from .._assessment.response import (
    class_probabilities,
    find_threshold,
    positive_index,
    unwrap,
)
from .._committee.inference import log_probabilities, probabilities
from .._committee.scoring import labels as most_probable
from .._committee.seen_rows import NONE
from ..classifier import AdaptiveHybridClassifier

#: Probabilities of other classifiers are clipped to [LEAST, 1 - LEAST], so that their
#: log-odds are finite. Trees often say 0 or 1.
LEAST = 1e-6
# Rows that are predicted at a time.
_MOST_ROWS = 20_000


class ExplainedModel:
    """A fitted classifier and the class whose odds are explained.

    Parameters
    ----------
    estimator : fitted classifier
    X : ndarray or DataFrame of shape (n_rows, n_features)
        The rows to explain.
    y : ndarray of shape (n_rows,) or None
        Their labels, which may tell the rare class.
    pos_label : label or None

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    index : int
        Index of the explained class.
    members : ndarray of shape (n_rows, n_times) or None
        Members that held out each row, if X is the table of a fit.
    has_probabilities : bool

    Raises
    ------
    ValueError
        If the estimator is no classifier, has neither probabilities nor a decision
        function, or the class cannot be told.
    NotFittedError
        If it is not fitted.
    """

    def __init__(self, estimator, X, y, pos_label):
        self.estimator = estimator
        self.classes = _checked_classes(estimator)
        self.has_probabilities = hasattr(estimator, "predict_proba")
        if not self.has_probabilities and not hasattr(estimator, "decision_function"):
            raise ValueError(
                f"{type(estimator).__name__} has neither predict_proba nor "
                "decision_function, so there is no score to explain. Wrap it, for "
                "example in sklearn.calibration.CalibratedClassifierCV."
            )
        self._steps, self._ours = _route(estimator)
        self.members = None
        if self._ours is not None:
            self.members = self._ours._members_that_held_out(self._prepared(X))
        self.index = self._choose_class(y, pos_label)

    @property
    def label(self):
        """The explained class, as a value of Python."""
        return self.classes.tolist()[self.index]

    @property
    def held_out(self):
        """Mask of the rows that no member trained on, or None: all are taken so."""
        return None if self.members is None else self.members[:, 0] != NONE

    def proba(self, X, members=None):
        """Probabilities of all classes, (n_rows, n_classes).

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_rows, n_features)
        members : ndarray of shape (n_rows, n_times), default=None
            Members to ask about each row. None asks the whole classifier.
        """
        if self._ours is not None:
            return probabilities(self._logits(X, members))
        parts = [
            class_probabilities(self.estimator, part, len(self.classes))
            for part, _ in _parts(X, None)
        ]
        return np.concatenate(parts)

    def scores(self, X, members=None):
        """Probabilities of the class, or decision values where there are none."""
        if self.has_probabilities:
            return self.proba(X, members)[:, self.index]
        parts = [self.estimator.decision_function(part) for part, _ in _parts(X, None)]
        decision = _finite(np.concatenate(parts), self.estimator)
        if decision.ndim == 1:
            return decision if self.index == 1 else -decision
        return decision[:, self.index]

    def log_odds(self, X, members=None):
        """Log-odds of the class against all others, finite, (n_rows,)."""
        if self._ours is None:
            proba = self.proba(X)[:, self.index]
            return logit(np.clip(proba, LEAST, 1 - LEAST))
        logits = self._logits(X, members)
        if logits.shape[1] == 1:
            return logits[:, 0] if self.index == 1 else -logits[:, 0]
        log_proba = log_probabilities(logits)
        others = np.delete(log_proba, self.index, axis=1)
        return log_proba[:, self.index] - np.logaddexp.reduce(others, axis=1)

    def label_rule(self, X):
        """A function that says which rows are predicted to be of the class.

        Parameters
        ----------
        X : ndarray or DataFrame of shape (n_rows, n_features)
            Rows from which the threshold of the classifier is told.

        Returns
        -------
        callable
            ``rule(X, proba, members)`` returns indices of classes, (n_rows,).
        """
        if len(self.classes) == 2 and self.has_probabilities:
            proba = self.estimator.predict_proba(X)[:, self.index]
            is_class = np.asarray(self.estimator.predict(X) == self.label)
            threshold = find_threshold(self.estimator, self.index, proba, is_class)
            if threshold is not None:
                pair = np.array([1 - self.index, self.index])
                return lambda X, proba, members: pair[
                    (proba[:, self.index] > threshold).astype(int)
                ]
        if self._ours is not None:
            return self._labels_of_ours
        return lambda X, proba, members: np.searchsorted(
            self.classes, self.estimator.predict(X)
        )

    def _labels_of_ours(self, X, proba, members):
        logits = self._logits(X, members) + self._ours._decision_offset
        return most_probable(logits)

    def _logits(self, X, members):
        parts = []
        for part, rows in _parts(X, members):
            prepared = self._prepared(part)
            parts.append(
                self._ours._logits(prepared)
                if rows is None
                else self._ours._held_out_logits(prepared, rows)
            )
        return np.concatenate(parts)

    def _prepared(self, X):
        """The rows as the last step of the pipelines gets them."""
        for step in self._steps:
            X = step.transform(X)
        return X

    def _choose_class(self, y, pos_label):
        if y is None:
            shares = np.zeros(len(self.classes))
        else:
            shares = np.array([np.mean(y == label) for label in self.classes])
        if pos_label is None and len(self.classes) > 2 and self._ours is None:
            if y is None:
                raise ValueError(
                    f"{type(self.estimator).__name__} has {len(self.classes)} classes. "
                    "Say which one to explain: pos_label="
                    f"{self.classes.tolist()[0]!r}, for example."
                )
            return int(np.argmin(np.where(shares > 0, shares, np.inf)))
        return positive_index(pos_label, self.classes, shares, self.estimator)


def _route(estimator):
    """Steps before an ``AdaptiveHybridClassifier``, and it, or ([], None).

    It has to be reached through layers that leave its probabilities as they are.
    """
    steps = []
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return steps, layer
        if hasattr(layer, "steps"):
            # Samplers of imbalanced-learn have no part in predictions.
            before = [step for _, step in layer.steps[:-1]]
            steps += [step for step in before if hasattr(step, "transform")]
        elif not (
            isinstance(
                layer,
                FixedThresholdClassifier | TunedThresholdClassifierCV | FrozenEstimator,
            )
            or hasattr(layer, "best_estimator_")
        ):
            break
    return [], None


def _checked_classes(estimator):
    is_class = isinstance(estimator, type)
    if (
        is_class
        or not isinstance(estimator, BaseEstimator)
        and not hasattr(estimator, "predict")
    ):
        got = f"the class {estimator.__name__}" if is_class else repr(estimator)
        raise ValueError(f"Pass a fitted classifier; {got} is none.")
    if not is_classifier(estimator):
        raise ValueError(f"Pass a fitted classifier; {estimator!r} is none.")
    if not hasattr(estimator, "classes_"):
        check_is_fitted(estimator)
        raise NotFittedError(
            f"This {type(estimator).__name__} has no classes_: call its fit first."
        )
    classes = estimator.classes_
    if any(np.ndim(label) for label in classes):
        raise ValueError(
            f"{type(estimator).__name__} predicts several targets. Pass the classifier "
            "of one of them."
        )
    if len(classes) < 2:
        raise ValueError(
            f"{type(estimator).__name__} was fitted to one class alone, "
            f"{np.asarray(classes).tolist()[0]!r}: there are no odds to explain."
        )
    return np.asarray(classes)


def _parts(X, members):
    """Yield the rows in parts that fit into memory once they are prepared."""
    rows = X.iloc if hasattr(X, "iloc") else X
    for start in range(0, len(X), _MOST_ROWS):
        part = slice(start, start + _MOST_ROWS)
        yield rows[part], None if members is None else members[part]


def _finite(values, estimator):
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError(
            f"{type(estimator).__name__} gave {np.sum(~np.isfinite(values))} scores "
            "that are not finite."
        )
    return values
