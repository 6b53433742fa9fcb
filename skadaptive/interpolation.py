"""Piecewise linear functions in Keras, as ``numpy.interp`` in NumPy."""

import numpy as np


def interpolate(column, x, z, ops):
    """A line through knots, as a sum of ramps, one more at each knot.

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
    slopes = np.diff(z) / np.diff(x) if len(x) > 1 else np.zeros(0)
    bends = np.diff(np.r_[0.0, slopes, 0.0])
    dtype = column.dtype
    ramps = ops.relu(column - x.astype(dtype))
    total = ops.sum(ramps * bends.astype(dtype), axis=1, keepdims=True)
    return float(z[0]) + total
