"""Steps of the hidden kernels that move all directions more alike.

A step of a kernel is mostly of low rank: a few directions take nearly all of it. Muon
makes it orthogonal, so that rare directions are learnt as fast (Jordan et al., 2024,
"Muon: An optimizer for hidden layers in neural networks"), and of fifteen optimizers of
networks for tables it came first (Gorishniy et al., 2026, "Benchmarking Optimizers for
MLPs in Tabular Deep Learning", arXiv:2604.15297). Here it is done to what a few steps
of whatever optimizer there is add up to; their size and learning rate are kept:
singular values come nearer to each other and the norm stays.

The way there is Muon's: an odd polynomial of the step, again and again. It is worked
out on the Gram matrix of the step's smaller side.
"""

import numpy as np
import tensorflow as tf

# Of the quintic polynomial a x + b x^3 + c x^5 (Jordan et al.).
_COEFFICIENTS = 3.4445, -4.7750, 2.0315

# As good as the five of Muon; with two the ranking of the rows that no member saw is
# worse (docs/benchmark.md).
_N_ITERATIONS = 3


def orthogonalize(steps, share=1.0):
    """Steps with their singular values nearer to each other, of the same norm.

    Parameters
    ----------
    steps : tensor of shape (n_steps, n_inputs, n_units)
        Of kernels of one shape.
    share : float, default=1.0
        In [0, 1]: what of a step is made flat, the rest being left as it is.

    Returns
    -------
    tensor of shape (n_steps, n_inputs, n_units)
    """
    if steps.shape[0] == 1:
        # Of plain matrices TensorFlow makes less ado than of a batch of one.
        return _flattened(steps[0], share)[None]
    return _flattened(steps, share)


def _flattened(steps, share):
    """One matrix or several, each of the last two axes."""
    tall = steps.shape[-2] >= steps.shape[-1]
    gram = tf.matmul(steps, steps, transpose_a=tall, transpose_b=not tall)
    square = tf.math.divide_no_nan(gram, tf.linalg.trace(gram)[..., None, None])
    a, b, c = _COEFFICIENTS
    identity = tf.constant(np.eye(gram.shape[-1]), steps.dtype)
    matrices = None
    for _ in range(_N_ITERATIONS):
        # Symmetric matrices that commute: polynomials of the Gram matrix.
        factor = a * identity + b * square + c * tf.matmul(square, square)
        matrices = factor if matrices is None else tf.matmul(matrices, factor)
        square = tf.matmul(tf.matmul(factor, square), factor)
    # The last Gram matrix is that of what is made of a step of norm 1.
    norm = tf.sqrt(tf.linalg.trace(square))[..., None, None]
    matrices = tf.math.divide_no_nan(matrices, norm)
    if share != 1:
        matrices = share * matrices + (1 - share) * identity
    return tf.matmul(steps, matrices) if tall else tf.matmul(matrices, steps)
