"""Parameters that are arrays: what they may hold, and what they stand for.

scikit-learn's declarative constraints, in ``classifier.py``, cover the rest.
"""

from numbers import Real

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from .adaptation import TERMS


def check_hidden_layer_sizes(hidden_layer_sizes):
    """Units of each hidden layer, as a tuple of int."""
    sizes = np.asarray(hidden_layer_sizes)
    whole = sizes.size == 0 or sizes.dtype.kind in "iu" and (sizes >= 1).all()
    if sizes.ndim != 1 or not whole:
        raise ValueError(
            "hidden_layer_sizes must be a list of whole numbers of 1 or more, one per "
            f"hidden layer; got {hidden_layer_sizes!r}."
        )
    return tuple(int(size) for size in sizes)


def auto_epochs(n_rows):
    """Epochs of ``max_epochs="auto"``, for members that train on so many rows.

    24, or as few as pass over 96,000 rows, but no less than 6: with 18,000 to 32,000
    rows 6 epochs had the average precision of 8 and 16 (docs/benchmark.md).
    """
    return int(np.clip(-(-96_000 // max(1, n_rows)), 6, 24))


def auto_patience(n_epochs):
    """Epochs without a rise of ``n_iter_no_change="auto"``.

    A fifth of all, but no less than 5. As good as half of them, for three quarters of
    the time (docs/benchmark.md).
    """
    return max(5, -(-n_epochs // 5))


def check_loss_weights(loss_weights):
    """The initial mix as an array of shape (3,) that sums to 1."""
    weights = np.asarray(loss_weights)
    if not _are_weights(weights, 3):
        raise ValueError(
            f"loss_weights must be three non-negative numbers, for {', '.join(TERMS)}, "
            f"not all 0; got {loss_weights!r}."
        )
    weights = weights / weights.max()  # so that the sum cannot overflow
    return weights / weights.sum()


def check_alpha(alpha, n_classes, rare):
    """Focal weight of each class, (n_classes,).

    A number is the weight of the class with index ``rare``; the others get what is
    left to 1.
    """
    if isinstance(alpha, Real):
        weights = np.full(n_classes, 1.0 - alpha)
        weights[rare] = alpha
        return weights
    weights = np.asarray(alpha)
    if not _are_weights(weights, n_classes):
        raise ValueError(
            "alpha must be a number in [0, 1] or one non-negative weight for each of "
            f"the {n_classes} classes, not all 0; got {alpha!r}."
        )
    return weights.astype(float)


def check_class_weight(class_weight, classes, shares):
    """Factor of each class, (n_classes,), from "balanced", a dict or None."""
    if class_weight is None:
        return np.ones(len(shares))
    if isinstance(class_weight, str):  # "balanced", with weighted counts
        return shares.sum() / (len(shares) * shares)
    factors = compute_class_weight(dict(class_weight), classes=classes, y=classes)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ValueError(
            "class_weight must give every class a positive weight; got "
            f"{class_weight!r}."
        )
    return factors


def check_optimizer(optimizer):
    """Refuse a configuration without a class, or with a learning rate of its own."""
    if isinstance(optimizer, str):
        return
    if not {"class_name", "config"} <= set(optimizer):
        raise ValueError(
            "optimizer must be a name or a Keras configuration, "
            f'{{"class_name": ..., "config": {{...}}}}; got {optimizer!r}.'
        )
    if "learning_rate" in optimizer["config"]:
        raise ValueError(
            "The learning rate is set by the parameter learning_rate; leave it out of "
            f"the configuration of the optimizer, {optimizer!r}."
        )


def rare_class(shares):
    """Index of the class with the least weight.

    Of two classes the second, as everywhere in scikit-learn, unless the first is less
    than half as frequent: resampling leaves the two about equal, and which of them is
    then a little rarer means nothing.
    """
    if len(shares) == 2:
        return 0 if shares[0] < shares[1] / 2 else 1
    return int(np.argmin(shares))


def _are_weights(weights, size):
    return (
        weights.shape == (size,)
        and weights.dtype.kind in "iuf"
        and np.isfinite(weights).all()
        and (weights >= 0).all()
        and weights.any()
    )
