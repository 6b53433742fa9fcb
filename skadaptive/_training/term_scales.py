"""The common scale of the three terms of the loss."""

import numpy as np

from .._typing import ArrayLike, FloatArray

# Largest factor. Focal loss with gamma=100 needs 1e30 for two classes of equal weight.
_MOST = 1e32


def term_scales(
    class_shares: ArrayLike, *, gamma: float, alpha: FloatArray
) -> FloatArray:
    """Factors that put the three terms on one scale.

    Loss weights are comparable only if the gradients of the terms have the same size.
    The size of a gradient is taken as the sum over the rows of abs(dL/dz) where
    training begins, at the prediction p = class shares; each factor brings its term to
    the gradient size of cross-entropy. At a prevalence of 0.1 %, with gamma 2 and alpha
    0.75, the gradient of focal loss is smaller there by a factor of 2.6, and that of
    soft Dice loss by 1.3.

    Parameters
    ----------
    class_shares : ndarray of shape (n_classes,)
        Share of each class in the sample weights of the training rows, positive and
        summing to 1. With two classes the rare one comes last.
    gamma : float
        Focusing parameter.
    alpha : ndarray of shape (n_classes,)
        Weight of each class in the focal loss.

    Returns
    -------
    ndarray of shape (3,)
        Factors of cross-entropy (always 1), focal loss and soft Dice loss.
    """
    share = np.asarray(class_shares, dtype=float)
    miss = 1.0 - share
    cross_entropy_size = np.sum(share * miss)
    focal_by_class = miss**gamma * (miss - gamma * share * np.log(share))
    focal_size = np.sum(share * alpha * focal_by_class)
    # In large batches, with overlap I = share^2 and total S = 2 share, a row of the
    # class has |dDice/dz| = p (1 - p) (2 S - 2 I) / S^2, any other p (1 - p) 2 I / S^2.
    dice_by_class = share * miss * (1.5 - share)
    dice_size = dice_by_class[-1] if len(share) == 2 else np.mean(dice_by_class)
    sizes = np.array([cross_entropy_size, focal_size, dice_size])
    # A term that all but vanishes where training begins stays small, so that float32
    # can hold the factor.
    return cross_entropy_size / np.maximum(sizes, cross_entropy_size / _MOST)
