"""Orthogonalized updates of the hidden kernels (Muon).

The update of a kernel is mostly of low rank: a few directions take nearly all of it.
Muon orthogonalizes it, so that rare directions are learnt as fast (Jordan et al., 2024,
"Muon: An optimizer for hidden layers in neural networks"), and among fifteen optimizers
of networks for tables it came first (Gorishniy et al., 2026, "Benchmarking Optimizers
for MLPs in Tabular Deep Learning", arXiv:2604.15297). Here the sum of a few steps of
any optimizer is orthogonalized: its singular values come nearer to each other, while
its norm, and so the learning rate, stays.

As in Muon, an odd polynomial is applied to the update several times. It is worked out
on the Gram matrix of the update's smaller side.
"""

import numpy as np
import tensorflow as tf

from .orthogonality import COEFFICIENTS, N_ITERATIONS


def orthogonalize(updates, share=1.0):
    """Bring the singular values of updates nearer to each other, keeping their norm.

    Parameters
    ----------
    updates : tensor of shape (n_updates, n_inputs, n_units)
        Updates of kernels of one shape.
    share : float, default=1.0
        In [0, 1]: how much of an update is orthogonalized; the rest stays as it is.

    Returns
    -------
    tensor of shape (n_updates, n_inputs, n_units)
    """
    if updates.shape[0] == 1:
        # A 2-D matrix product is cheaper than a batched one of batch size 1.
        return _orthogonalize(updates[0], share)[None]
    return _orthogonalize(updates, share)


def _orthogonalize(updates, share):
    """Orthogonalize one matrix or several, each of the last two axes."""
    tall = updates.shape[-2] >= updates.shape[-1]
    gram = tf.matmul(updates, updates, transpose_a=tall, transpose_b=not tall)
    square = tf.math.divide_no_nan(gram, tf.linalg.trace(gram)[..., None, None])
    a, b, c = COEFFICIENTS
    identity = tf.constant(np.eye(gram.shape[-1]), updates.dtype)
    product = None
    for _ in range(N_ITERATIONS):
        # All of these are polynomials of the Gram matrix: symmetric, and they commute.
        factor = a * identity + b * square + c * tf.matmul(square, square)
        product = factor if product is None else tf.matmul(product, factor)
        square = tf.matmul(tf.matmul(factor, square), factor)
    # By now ``square`` is the Gram matrix of the result for an update of norm 1.
    norm = tf.sqrt(tf.linalg.trace(square))[..., None, None]
    product = tf.math.divide_no_nan(product, norm)
    if share != 1:
        product = share * product + (1 - share) * identity
    return tf.matmul(updates, product) if tall else tf.matmul(product, updates)
