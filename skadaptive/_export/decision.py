"""What says which class is predicted, beside the probabilities of a graph."""

import json
from typing import Any

import numpy as np
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from .._assessment.response import unwrap
from .._io.json_values import json_values
from .._sklearn_compat import tuned_class
from .._typing import Estimator
from ..classifier import AdaptiveHybridClassifier
from .preparation import refuse


def decision_properties(estimator: Estimator) -> dict[str, str]:
    """Metadata of a model file from which a server can decide.

    Parameters
    ----------
    estimator : classifier or pipeline
        Fitted.

    Returns
    -------
    dict of str to str
        JSON values: ``classes``, in the order of the probabilities; with two classes
        ``rare_class`` and the ``threshold`` of its probability above which it is
        predicted; with more classes ``class_weights``, by which the probabilities are
        multiplied before the greatest is chosen.
    """
    classes = np.asarray(estimator.classes_)
    properties: dict[str, Any] = {"classes": classes.tolist()}
    if len(classes) == 2:
        rare, threshold = _threshold(estimator, classes)
        properties |= {"rare_class": classes[rare], "threshold": threshold}
    else:
        properties["class_weights"] = _class_weights(estimator, len(classes))
    return {
        name: json.dumps(json_values(value), ensure_ascii=False)
        for name, value in properties.items()
    }


def _threshold(estimator: Estimator, classes: np.ndarray) -> tuple[int, float]:
    """Index of the rare class and its threshold, those of the outermost part."""
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return layer._rare, float(layer.threshold_)
        if isinstance(layer, FixedThresholdClassifier | TunedThresholdClassifierCV):
            if layer.response_method == "decision_function":
                refuse(
                    f"{type(layer).__name__} with response_method='decision_function'",
                    "one with 'predict_proba', whose threshold is a probability",
                )
            if isinstance(layer, FixedThresholdClassifier):
                pos_label, threshold = layer.pos_label, layer.threshold
                threshold = 0.5 if threshold == "auto" else threshold
            else:
                pos_label, threshold = tuned_class(layer), layer.best_threshold_
            rare = 1 if pos_label is None else classes.tolist().index(pos_label)
            return rare, _just_below(threshold)
    return 1, 0.5


def _just_below(threshold: float) -> float:
    """A threshold for >, where scikit-learn's wrappers compare by >=.

    Forests often give probabilities such as 0.5, which float32 holds. These stay above
    it where it is rounded to float32, as NumPy does to compare it with their array.
    """
    rounded = np.float32(threshold)
    # NumPy would round a float of Python before it compares.
    if float(rounded) == threshold:
        return float(np.nextafter(rounded, np.float32(-np.inf)))
    return float(np.nextafter(threshold, -np.inf))


def _class_weights(estimator: Estimator, n_classes: int) -> list[float]:
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return np.exp(layer._decision_offset).tolist()
    return [1.0] * n_classes
