"""Piecewise linear functions in Keras, as ``numpy.interp`` in NumPy."""

import numpy as np


def interpolate(column, x, z, ops):
    """A line through knots, as a sum of steps, each of which rises between two knots.

    Parameters
    ----------
    column : tensor of shape (batch, 1)
    x : ndarray of shape (n_knots,)
        Increasing.
    z : ndarray of shape (n_knots,)
        Values at the knots; beyond the first and last the line is flat.
    ops : module
        ``keras.ops``.

    Returns
    -------
    tensor of shape (batch, 1)
    """
    if len(x) == 1:
        return ops.zeros_like(column) + float(z[0])
    dtype = ops.dtype(column)
    x, z = x.astype(dtype), z.astype(dtype)
    # No term exceeds its step, so that nothing cancels, however close two knots are.
    widths = np.maximum(np.diff(x), np.finfo(x.dtype).tiny)
    steps = ops.clip((column - x[:-1]) / widths, 0.0, 1.0) * np.diff(z)
    return float(z[0]) + ops.sum(steps, axis=1, keepdims=True)
