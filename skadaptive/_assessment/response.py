"""What a fitted binary classifier, any of scikit-learn's kind, says about rows.

Which class is the rare one, its probability, the labels, and the threshold between.
"""

from numbers import Real

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted, column_or_1d

from .._parameters import rare_class
from .._sklearn_compat import n_samples_of
from ..classifier import AdaptiveHybridClassifier


def unwrap(estimator):
    """The estimator and what it wraps, from the outside inwards.

    Through the last step of pipelines, the best estimator of searches and the fitted
    estimator of wrappers.

    Parameters
    ----------
    estimator : estimator

    Yields
    ------
    estimator
    """
    yield estimator
    while estimator is not None:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "estimators_"):  # an ensemble, not a wrapper of one
            estimator = None
        else:
            estimator = getattr(estimator, "estimator_", None)
        if estimator is not None:
            yield estimator


def estimator_name(estimator):
    """Class name of the innermost estimator: "Pipeline" would say nothing."""
    *_, last = unwrap(estimator)
    return type(last).__name__


def binary_classes(estimator):
    """The two classes of a fitted classifier.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    ndarray of shape (2,)

    Raises
    ------
    ValueError
        If it is not a classifier, or knows other than two classes.
    NotFittedError
        If it is not fitted.
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
            f"Only classifiers of two classes can be judged here; this {name} has "
            f"{len(classes)}, {classes.tolist()}. Fit it to y == rare_label."
        )
    return classes


def check_labels(y, classes, name="y"):
    """Labels as indices into two classes.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    classes : ndarray of shape (2,)
    name : str, default="y"
        What messages call them.

    Returns
    -------
    ndarray of shape (n_samples,)
        0 or 1.

    Raises
    ------
    ValueError
        If there are none, if some are missing, or if some are not among the classes.
    """
    y = column_or_1d(y)
    if not y.size:
        raise ValueError(f"{name} is empty: there is nothing to judge.")
    missing = np.asarray(pd.isna(y))
    if missing.any():
        raise ValueError(
            f"{missing.sum()} of {len(y)} values of {name} are missing. Leave those "
            "rows out."
        )
    first, second = (np.asarray(y == label, dtype=bool) for label in classes)
    unknown = ~(first | second)
    if unknown.any():
        found = pd.unique(y[unknown]).tolist()
        shown = ", ".join(map(repr, found[:5])) + (", ..." if len(found) > 5 else "")
        raise ValueError(
            f"{name} holds labels that are not known: {shown}. The classes are "
            f"{', '.join(map(repr, classes.tolist()))}."
        )
    return second.astype(int)


def check_weights(sample_weight, n_samples):
    """Weights as floats of shape (n_samples,), 1 where none are given.

    Raises
    ------
    ValueError
        If they are not finite, non-negative numbers, one for each row, not all 0.
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
        raise ValueError("sample_weight is all zero: there is nothing to judge.")
    return weight


def check_lengths(**arrays):
    """Refuse arrays, given by name, of different numbers of rows; None is left out."""
    rows = {name: n_samples_of(a) for name, a in arrays.items() if a is not None}
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{name} has {n}" for name, n in rows.items())
        raise ValueError(f"The same rows are needed in all: {found}.")


def positive_index(pos_label, classes, shares, estimator=None):
    """Index of the class that counts as the positive one.

    Parameters
    ----------
    pos_label : int, float, bool, str or None
        None: the rare class. An :class:`AdaptiveHybridClassifier` knows which was rare
        when it was fitted, a ``FixedThresholdClassifier`` for which it decides, and
        that is the one; with any other estimator it is the one with the least weight,
        of two classes the second unless the first has less than half of its weight.
    classes : ndarray of shape (2,)
    shares : ndarray of shape (2,)
        Weight of each class among the rows to be judged.
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
        (found,) = np.nonzero([label == pos_label for label in classes.tolist()])
        if not found.size:
            raise ValueError(
                f"pos_label={pos_label!r} is none of the classes, "
                f"{', '.join(map(repr, classes.tolist()))}."
            )
        return int(found[0])
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return layer._state.rare
        if getattr(layer, "pos_label", None) is not None:
            return classes.tolist().index(layer.pos_label)
    # Rows of one class alone do not tell which is rare.
    return rare_class(shares) if np.all(shares > 0) else 1


def response(estimator, X, index):
    """How likely the estimator finds the class of this index.

    Parameters
    ----------
    estimator : fitted binary classifier
    X : array-like of shape (n_samples, n_features)
    index : int

    Returns
    -------
    scores : ndarray of shape (n_samples,)
        Probabilities, or where there is no ``predict_proba`` what
        ``decision_function`` says, the greater the likelier.
    is_probability : bool

    Raises
    ------
    ValueError
        If the estimator has neither, or answers with what is not finite.
    """
    if hasattr(estimator, "predict_proba"):
        scores = np.asarray(estimator.predict_proba(X), dtype=float)[:, index]
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
    """Whether the estimator's ``predict`` says the class of this index, 0 or 1."""
    answer = np.asarray(estimator.predict(X)).ravel()
    return np.asarray(answer == classes[index], dtype=int)


def find_threshold(estimator, index, proba, labels):
    """Probability of the class of this index above which it is predicted, if known.

    Parameters
    ----------
    estimator : fitted binary classifier
    index : int
    proba : ndarray of shape (n_samples,)
        Probabilities of that class.
    labels : ndarray of shape (n_samples,)
        1 where that class is predicted, else 0.

    Returns
    -------
    float or None
        The threshold that the estimator names, or else 0.5; None if the labels are not
        those that it leads to.
    """
    candidates = []
    for layer in unwrap(estimator):
        found = [
            value
            for value in (
                getattr(layer, "best_threshold_", None),  # of the class of index 1,
                getattr(layer, "threshold_", None),
                getattr(layer, "threshold", None),
            )
            if isinstance(value, Real)
        ]
        if found:
            of = 1  # as in scikit-learn's wrappers
            if isinstance(layer, AdaptiveHybridClassifier):
                of = layer._state.rare
            elif getattr(layer, "pos_label", None) is not None:
                of = layer.classes_.tolist().index(layer.pos_label)
            candidates.append(float(found[0] if of == index else 1 - found[0]))
    for threshold in [*candidates, 0.5]:
        # Where the probability of the other class was compared, the last digit differs.
        clear = np.abs(proba - threshold) > 1e-9
        if np.array_equal(proba[clear] > threshold, labels[clear] == 1):
            return threshold
    return None
