"""Predictions of any fitted binary classifier that follows scikit-learn's API.

The functions find its rare class, the probabilities of that class, the predicted labels
and the decision threshold.
"""

from contextlib import contextmanager
from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .._messages import shown
from .._parameters import rare_class
from .._sklearn_compat import n_samples_of, safe_indexing
from ..classifier import AdaptiveHybridClassifier

# Rows from which the threshold of a model is read.
_N_DECIDED = 1_000


def unwrap(estimator):
    """Yield the estimator and those inside of it, from the outside inwards.

    The inner ones are the last step of a pipeline, the best estimator of a search and
    the fitted estimator of a wrapper. An ensemble is not opened. ``FrozenEstimator`` is
    left out, because it has the attributes of the estimator inside.

    Parameters
    ----------
    estimator : estimator

    Yields
    ------
    estimator
    """
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
            continue
        yield estimator
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "estimators_"):
            return
        else:
            estimator = getattr(estimator, "estimator_", None)
        if estimator is None:
            return


def decision_threshold(estimator, X, label):
    """Return the probability of a class above which rows are predicted so, if known.

    Parameters
    ----------
    estimator : fitted binary classifier
    X : array-like of shape (n_samples, n_features)
        The first thousand rows are predicted, to see whether it holds.
    label : label
        The class.

    Returns
    -------
    float or None
        See :func:`find_threshold`.
    """
    X = safe_indexing(X, np.arange(min(_N_DECIDED, n_samples_of(X))))
    index = list(estimator.classes_).index(label)
    proba, is_probability = response(estimator, X, index)
    if not is_probability:
        return None
    decided = np.asarray(estimator.predict(X)).ravel() == label
    return find_threshold(estimator, index, proba, decided.astype(int))


def deciding_at(fitted, threshold, label):
    """Return a fitted classifier that decides at another threshold.

    Parameters
    ----------
    fitted : fitted binary classifier
    threshold : float
        A row is predicted to have the label if its probability is above it.
    label : label
        One of the classes.

    Returns
    -------
    FixedThresholdClassifier
    """
    decided = FixedThresholdClassifier(
        FrozenEstimator(fitted),
        # FixedThresholdClassifier compares by >=, this package by >.
        threshold=float(np.nextafter(threshold, 1)),
        pos_label=label,
        response_method="predict_proba",
    )
    # The rows are not looked at, because the model inside is fitted.
    return decided.fit(np.zeros((2, 1)), fitted.classes_)


@contextmanager
def without_seen_rows(estimator):
    """Yield the estimator without the record of the rows that it was fitted to.

    A model file has no use for it: an estimator from a file meets new rows. The record
    is back after the block.

    Parameters
    ----------
    estimator : estimator

    Yields
    ------
    estimator
        The same object.
    """
    kept = [
        (layer, vars(layer).pop("_seen_rows"))
        for layer in unwrap(estimator)
        if "_seen_rows" in vars(layer)
    ]
    try:
        yield estimator
    finally:
        for layer, seen in kept:
            layer._seen_rows = seen


def estimator_name(estimator):
    """Class name of the innermost estimator, since "Pipeline" is no name of a model."""
    *_, last = unwrap(estimator)
    return type(last).__name__


def binary_classes(estimator):
    """Return the two classes of a fitted classifier.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    ndarray of shape (2,)

    Raises
    ------
    ValueError
        If the estimator is not a classifier or does not have two classes.
    NotFittedError
        If the estimator is not fitted.
    """
    name = type(estimator).__name__
    is_class = isinstance(estimator, type)
    if is_class or not hasattr(estimator, "fit") or not is_classifier(estimator):
        got = f"the class {estimator.__name__}" if is_class else repr(estimator)
        raise ValueError(f"Pass a fitted classifier; {got} is none.")
    if not hasattr(estimator, "classes_"):
        check_is_fitted(estimator)
        raise NotFittedError(f"This {name} has no classes_: call its fit first.")
    classes = np.asarray(estimator.classes_)
    if classes.shape != (2,):
        raise ValueError(
            f"Only classifiers of two classes can be evaluated here; this {name} has "
            f"{len(classes)}, {classes.tolist()}. Fit it to y == rare_label."
        )
    return classes


def check_labels(y, classes, name="y"):
    """Return labels as indices into two classes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    classes : ndarray of shape (2,)
    name : str, default="y"
        Name of the labels in messages.

    Returns
    -------
    ndarray of shape (n_samples,)
        0 or 1.

    Raises
    ------
    ValueError
        If y is empty, or has missing labels or labels that are not in ``classes``.
    """
    y = column_or_1d(y)
    if not y.size:
        raise ValueError(f"{name} is empty: there is nothing to evaluate.")
    missing = np.asarray(pd.isna(y))
    if missing.any():
        raise ValueError(
            f"{missing.sum()} of {len(y)} values of {name} are missing. Leave those "
            "rows out."
        )
    first, second = (np.asarray(y == label, dtype=bool) for label in classes)
    unknown = ~(first | second)
    if unknown.any():
        labels = pd.unique(y[unknown]).tolist()
        known = ", ".join(map(shown, labels[:5])) + (", ..." if len(labels) > 5 else "")
        raise ValueError(
            f"{name} holds labels that are not known: {known}. The classes are "
            f"{', '.join(map(shown, classes.tolist()))}."
        )
    return second.astype(int)


def check_weights(sample_weight, n_samples):
    """Return weights as floats of shape (n_samples,); None stands for weights of 1.

    Raises
    ------
    ValueError
        If the weights are not finite, non-negative numbers, one for each row, or are
        all 0.
    """
    if sample_weight is None:
        return np.ones(n_samples)
    weight = np.asarray(sample_weight, dtype=float)
    check_lengths(y=np.empty(n_samples), sample_weight=weight)
    if weight.ndim != 1 or not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError(
            "sample_weight must hold one non-negative, finite number for each row."
        )
    if not weight.any():
        raise ValueError("sample_weight is all zero: there is nothing to evaluate.")
    return weight


def check_lengths(**arrays):
    """Raise a ValueError if arrays differ in their number of rows; None is skipped."""
    rows = {name: n_samples_of(a) for name, a in arrays.items() if a is not None}
    if len(set(rows.values())) > 1:
        lengths = ", ".join(f"{name} has {n}" for name, n in rows.items())
        raise ValueError(f"The same rows are needed in all: {lengths}.")


def positive_index(pos_label, classes, shares, estimator=None):
    """Return the index of the positive class.

    Parameters
    ----------
    pos_label : int, float, bool, str or None
        The label of the positive class. None takes the ``pos_label`` of a
        ``FixedThresholdClassifier`` or the rare class that an
        :class:`AdaptiveHybridClassifier` was fitted to, whichever is further outside.
        For any other estimator, None takes the second class, unless the first has less
        than half of its weight.
    classes : ndarray of shape (2,)
    shares : ndarray of shape (2,)
        Weight of each class in the rows that are evaluated.
    estimator : estimator, default=None

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If ``pos_label`` is none of the classes.
    """
    if pos_label is not None:
        (index,) = np.nonzero([label == pos_label for label in classes.tolist()])
        if not index.size:
            raise ValueError(
                f"pos_label={shown(pos_label)} is none of the classes, "
                f"{', '.join(map(shown, classes.tolist()))}."
            )
        return int(index[0])
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return layer._rare
        if getattr(layer, "pos_label", None) is not None:
            return classes.tolist().index(layer.pos_label)
    # The weights of rows of one class do not show which class is rare.
    return rare_class(shares) if np.all(shares > 0) else 1


def class_probabilities(estimator, X, n_classes=2):
    """What ``predict_proba`` returns, after a check that it can be that.

    Parameters
    ----------
    estimator : fitted classifier
    X : array-like of shape (n_samples, n_features)
    n_classes : int, default=2

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float64

    Raises
    ------
    ValueError
        If it is no array of this shape with numbers from 0 to 1.
    """
    name, shape = type(estimator).__name__, (n_samples_of(X), n_classes)
    given = estimator.predict_proba(X)
    proba = np.asarray(given)
    if proba.shape != shape or proba.dtype.kind not in "biuf":
        what = f"{proba.dtype} of shape {proba.shape}" if proba.ndim else shown(given)
        raise ValueError(
            f"predict_proba of {name} must return numbers of shape {shape}; got {what}."
        )
    n_bad = np.count_nonzero(~np.isfinite(proba).all(axis=1))
    if n_bad:
        raise ValueError(
            f"{name} gave {n_bad} of {len(proba)} rows a score that is not finite."
        )
    # Rounding may go beyond by a little.
    if proba.size and not -1e-6 <= proba.min() <= proba.max() <= 1 + 1e-6:
        raise ValueError(
            f"predict_proba of {name} must return numbers from 0 to 1; they go from "
            f"{proba.min():g} to {proba.max():g}."
        )
    return proba.astype(float)


def response(estimator, X, index):
    """Return probabilities of a class, or decision values if there are none.

    Parameters
    ----------
    estimator : fitted binary classifier
    X : array-like of shape (n_samples, n_features)
    index : int
        Index of the class.

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        Values of ``predict_proba``, or else of ``decision_function``. A greater value
        means that the class is more probable.
    is_probability : bool

    Raises
    ------
    ValueError
        If the estimator has neither method, or a value is not finite.
    """
    if hasattr(estimator, "predict_proba"):
        scores = class_probabilities(estimator, X)[:, index]
        is_probability = True
    elif hasattr(estimator, "decision_function"):
        scores = np.asarray(estimator.decision_function(X), dtype=float).ravel()
        scores = scores if index == 1 else -scores
        is_probability = False
    else:
        raise ValueError(
            f"{type(estimator).__name__} has neither predict_proba nor "
            "decision_function, so its rows have no ranking. Wrap it, for example in "
            "sklearn.calibration.CalibratedClassifierCV."
        )
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{type(estimator).__name__} gave {np.sum(~np.isfinite(scores))} of "
            f"{len(scores)} rows a score that is not finite."
        )
    return scores, is_probability


def predicted(estimator, X, classes, index):
    """Return 1 for each row that ``predict`` assigns to the class of this index."""
    labels = np.asarray(estimator.predict(X))
    if labels.shape not in {(n_samples_of(X),), (n_samples_of(X), 1)}:
        raise ValueError(
            f"predict of {type(estimator).__name__} must return a label for each of "
            f"{n_samples_of(X)} rows; got {labels.dtype} of shape {labels.shape}."
        )
    labels = labels.ravel()
    return np.asarray(labels == classes[index], dtype=int)


def find_threshold(estimator, index, proba, labels):
    """Return the probability of a class above which it is predicted, if it is known.

    Parameters
    ----------
    estimator : fitted binary classifier
    index : int
        Index of the class.
    proba : ndarray of shape (n_samples,)
        Probabilities of the class.
    labels : ndarray of shape (n_samples,)
        1 where the class is predicted, else 0.

    Returns
    -------
    float or None
        The threshold of the outermost estimator that has one, or else 0.5. It is None
        if the labels do not follow from such a threshold.
    """
    candidates = []
    for layer in unwrap(estimator):
        names = ("best_threshold_", "threshold_", "threshold")
        values = (getattr(layer, name, None) for name in names)
        value = next((value for value in values if isinstance(value, Real)), None)
        if value is None:
            continue
        of = 1
        if isinstance(layer, AdaptiveHybridClassifier):
            of = layer._rare
        elif getattr(layer, "pos_label", None) is not None:
            of = layer.classes_.tolist().index(layer.pos_label)
        candidates.append(float(value if of == index else 1 - value))
        if hasattr(layer, "best_threshold_"):
            # TunedThresholdClassifierCV takes the class from its scorer, and does not
            # tell which it is.
            candidates.append(1 - candidates[-1])
    for threshold in [*candidates, 0.5]:
        # The estimator may compare the probability of the other class, which differs
        # in the last digit.
        clear = np.abs(proba - threshold) > 1e-9
        if np.array_equal(proba[clear] > threshold, labels[clear] == 1):
            return threshold
    return None
