"""What says which class is predicted, beside the probabilities of a graph."""

import json
from typing import Any

import numpy as np
from scipy.special import logit
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


def rare_index(classifier: AdaptiveHybridClassifier) -> int:
    """Index of the class that ``threshold_`` is for, of two.

    The state of the training may have been dropped; then the offset of the decision,
    whose sign depends on the class, tells it. At a threshold of 0.5 both are the same.
    """
    state = getattr(classifier, "_state", None)
    if state is not None:
        return int(state.rare)
    return int(np.isclose(classifier._decision_offset, -logit(classifier.threshold_)))


def _threshold(estimator: Estimator, classes: np.ndarray) -> tuple[int, float]:
    """Index of the rare class and its threshold, those of the outermost part."""
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return rare_index(layer), float(layer.threshold_)
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
            # These classifiers compare by >=, this package by >.
            return rare, float(np.nextafter(threshold, 0.0))
    return 1, 0.5


def _class_weights(estimator: Estimator, n_classes: int) -> list[float]:
    for layer in unwrap(estimator):
        if isinstance(layer, AdaptiveHybridClassifier):
            return np.exp(layer._decision_offset).tolist()
    return [1.0] * n_classes
