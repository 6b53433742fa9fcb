"""Checks of array parameters, and the values that "auto" and None stand for.

The other parameters are checked by scikit-learn's declarative constraints, in
``classifier.py``; those that the Keras loss has as well are here.
"""

from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.class_weight import compute_class_weight

from ._messages import shown
from ._sklearn_compat import Interval
from ._typing import ArrayLike, FloatArray
from .adaptation import TERMS

#: What the focal loss takes, in the classifier and in ``HybridLoss``.
FOCAL_CONSTRAINTS: dict[str, list[Any]] = {
    "gamma": [Interval(Real, 0, 100, closed="both")],
    "alpha": [Interval(Real, 0, 1, closed="both"), "array-like"],
}


def check_hidden_layer_sizes(hidden_layer_sizes: ArrayLike | int) -> tuple[int, ...]:
    """Number of units in each hidden layer, as a tuple of int."""
    sizes = np.asarray(hidden_layer_sizes)
    if isinstance(hidden_layer_sizes, Integral):
        sizes = sizes[None]
    are_whole = sizes.size == 0 or sizes.dtype.kind in "iu" and (sizes >= 1).all()
    if sizes.ndim != 1 or not are_whole:
        raise ValueError(
            "hidden_layer_sizes must be a list of whole numbers of 1 or more, one per "
            f"hidden layer; got {shown(hidden_layer_sizes)}."
        )
    return tuple(int(size) for size in sizes)


def check_labels_known(y: ArrayLike) -> None:
    """Refuse labels of which some are missing: None, NaN or pandas.NA.

    Raises
    ------
    ValueError
        With their number.
    """
    labels = y if hasattr(y, "isna") else np.asarray(y)
    n_missing = int(np.count_nonzero(pd.isna(labels)))
    if n_missing:
        raise ValueError(f"y has {n_missing} missing values: leave these rows out.")


def auto_epochs(n_rows: int) -> int:
    """Number of epochs under ``max_epochs="auto"``, if members train on ``n_rows``.

    The number is 24, or for more than 4,000 rows the number of epochs that pass over
    96,000 rows, but at least 6: with 18,000 to 32,000 rows 6 epochs had the average
    precision of 8 and 16 (docs/research/027).
    """
    return int(np.clip(-(-96_000 // max(1, n_rows)), 6, 24))


def auto_patience(n_epochs: int) -> int:
    """Number of epochs without a rise under ``n_iter_no_change="auto"``.

    The number is a fifth of the epochs, but at least 5. It is as good as half of the
    epochs and takes three quarters of the time (docs/research/018).
    """
    return max(5, -(-n_epochs // 5))


def check_loss_weights(loss_weights: ArrayLike) -> FloatArray:
    """Initial loss weights as an array of shape (3,) that sums to 1."""
    weights = np.asarray(loss_weights)
    if not _are_weights(weights, 3):
        raise ValueError(
            f"loss_weights must be three non-negative numbers, for {', '.join(TERMS)}, "
            f"not all 0; got {shown(loss_weights)}."
        )
    weights = weights / weights.max()  # so that the sum cannot overflow
    return weights / weights.sum()


def check_alpha(alpha: Any, n_classes: int, rare: int) -> FloatArray:
    """Weight of each class in the focal loss, (n_classes,).

    A number is the weight of the class with index ``rare``; every other class gets 1
    minus this number.
    """
    if isinstance(alpha, Real):
        weights = np.full(n_classes, 1.0 - alpha)
        weights[rare] = alpha
        return weights
    weights = np.asarray(alpha)
    if not _are_weights(weights, n_classes):
        raise ValueError(
            "alpha must be a number in [0, 1] or one non-negative weight for each of "
            f"the {n_classes} classes, not all 0; got {shown(alpha)}."
        )
    # The focal term is brought to the size of the others, so that only ratios matter; a
    # power of 2 changes no digit. float32 could not hold very large or small weights.
    return np.ldexp(weights.astype(float), -np.frexp(float(weights.max()))[1])


def check_class_weight(
    class_weight: Any, classes: np.ndarray, totals: FloatArray
) -> FloatArray:
    """Class weights, (n_classes,), from "balanced", a dict or None.

    "balanced" divides by ``totals``, the sum of the sample weights of each class.
    """
    if class_weight is None:
        return np.ones(len(totals))
    if isinstance(class_weight, str):
        # A class of less than 1e-300 of the weight would get an infinite one.
        return totals.sum() / (len(totals) * np.maximum(totals, 1e-300 * totals.sum()))
    factors = compute_class_weight(dict(class_weight), classes=classes, y=classes)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ValueError(
            "class_weight must give every class a positive weight; got "
            f"{shown(class_weight)}."
        )
    return factors


def scaled_weights(weight: FloatArray) -> tuple[FloatArray, int]:
    """Weights divided by a power of 2, so that the greatest is about 1.

    Products of weights of 1e200 overflow, and those of 1e-200 are 0. A power of 2
    changes no digit of what depends on ratios of weights alone.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)

    Returns
    -------
    weight : ndarray of shape (n_samples,)
    exponent : int
        The exponent of the power.
    """
    exponent = int(np.frexp(weight.max(initial=0.0))[1])
    return np.ldexp(weight, -exponent), exponent


def check_optimizer(optimizer: str | dict) -> None:
    """Refuse a configuration that lacks a class or sets a learning rate."""
    if isinstance(optimizer, str):
        return
    if not {"class_name", "config"} <= set(optimizer):
        raise ValueError(
            "optimizer must be a name or a Keras configuration, "
            f'{{"class_name": ..., "config": {{...}}}}; got {shown(optimizer)}.'
        )
    if "learning_rate" in optimizer["config"]:
        raise ValueError(
            "The learning rate is set by the parameter learning_rate; leave it out of "
            f"the configuration of the optimizer, {shown(optimizer)}."
        )


def rare_class(totals: FloatArray) -> int:
    """Index of the class with the smallest total weight.

    With two classes it is the second, as everywhere in scikit-learn, unless the first
    has less than half of its weight: resampling leaves both about equal, and which of
    them is then a little rarer means nothing.
    """
    if len(totals) == 2:
        return 0 if totals[0] < totals[1] / 2 else 1
    return int(np.argmin(totals))


def _are_weights(weights: np.ndarray, size: int) -> bool:
    return bool(
        weights.shape == (size,)
        and weights.dtype.kind in "iuf"
        and np.isfinite(weights).all()
        and (weights >= 0).all()
        and weights.any()
    )
