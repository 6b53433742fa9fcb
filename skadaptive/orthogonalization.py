"""Steps of the hidden kernels that move all directions more alike.

A step of a kernel is mostly of low rank: a few directions take nearly all of it. Muon
makes it orthogonal, so that rare directions are learnt as fast (Jordan et al., 2024,
"Muon: An optimizer for hidden layers in neural networks"), and of fifteen optimizers of
networks for tables it came first (Gorishniy et al., 2026, "Benchmarking Optimizers for
MLPs in Tabular Deep Learning", arXiv:2604.15297). Here it is done to the step of
whatever optimizer there is, whose size and learning rate are kept: the singular values
come nearer to each other and the norm stays.

The way there is Muon's: an odd polynomial of the step, again and again. It is worked
out on the Gram matrix of the step's smaller side and serves several steps in a row, so
that it costs little beside them.
"""

import numpy as np
import tensorflow as tf

# Of the quintic polynomial a x + b x^3 + c x^5 (Jordan et al.).
_COEFFICIENTS = 3.4445, -4.7750, 2.0315

# As good as the five of Muon in .8 of the time; with two the ranking of the rows that
# no member saw is worse (docs/benchmark.md).
_N_ITERATIONS = 3


def flattening(steps):
    """Matrices that bring the singular values of steps nearer to each other.

    Parameters
    ----------
    steps : tensor of shape (n_steps, n_inputs, n_units)
        Of kernels of one shape.

    Returns
    -------
    tensor of shape (n_steps, side, side)
        For the smaller side, of inputs or units; see :func:`flattened`.
    """
    tall = _tall(steps)
    gram = _product(steps, steps, transpose_a=tall, transpose_b=not tall)
    square = tf.math.divide_no_nan(gram, tf.linalg.trace(gram)[:, None, None])
    a, b, c = _COEFFICIENTS
    identity = tf.constant(np.eye(gram.shape[-1]), steps.dtype)
    product = None
    for iteration in range(_N_ITERATIONS):
        # Symmetric matrices that commute: polynomials of the Gram matrix.
        factor = a * identity + b * square + c * _product(square, square)
        product = factor if product is None else _product(product, factor)
        if iteration + 1 < _N_ITERATIONS:
            square = _product(_product(factor, square), factor)
    return product


def flattened(steps, matrices, share):
    """Steps with their singular values nearer to each other, of the same norm.

    Parameters
    ----------
    steps : tensor of shape (n_steps, n_inputs, n_units)
    matrices : tensor of shape (n_steps, side, side)
        From :func:`flattening`, of these steps or of earlier ones.
    share : float
        In [0, 1]: what of a step is made flat, the rest being left as it is.

    Returns
    -------
    tensor of shape (n_steps, n_inputs, n_units)
    """
    flat = _product(steps, matrices) if _tall(steps) else _product(matrices, steps)
    size = tf.sqrt(tf.math.divide_no_nan(_square(steps), _square(flat)))
    if share == 1:
        return size * flat
    return share * size * flat + (1 - share) * steps


def _tall(steps):
    return steps.shape[1] >= steps.shape[2]


def _square(steps):
    """Squared norms."""
    return tf.reduce_sum(tf.square(steps), axis=(1, 2), keepdims=True)


def _product(a, b, **transposed):
    """Matrix products one by one; of one alone TensorFlow makes less ado."""
    if a.shape[0] == 1:
        return tf.matmul(a[0], b[0], **transposed)[None]
    return tf.matmul(a, b, **transposed)
