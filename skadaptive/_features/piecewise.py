"""Piecewise linear encoding: every feature also by the interval that it falls in.

A network of smooth units is slow to learn that a feature tells at one threshold and
nowhere else, as trees see at once. So each feature also comes as one column for each of
``n_bins`` intervals between its quantiles: constant below the interval and above it,
and rising in between (Gorishniy, Rubachev & Babenko, 2022, "On Embeddings for Numerical
Features in Tabular Deep Learning", arXiv:2203.05556, section 3.2; here from -1 to 1,
divided by the square root of n_bins).

What is encoded is the scaled feature, or its normal score where it has heavy tails. A
value that dominates a feature ends two intervals and takes up none: quantiles are those
of the other values.
"""

from dataclasses import dataclass

import numpy as np

from .scaling import others, quantiles

# Knots that a feature has at least: a flag gains nothing from being cut up.
_MIN_KNOTS = 4

# Intervals of a feature and of all features together under n_bins="auto".
_FEWEST_BINS, _MOST_BINS, _MOST_IN_ALL = 4, 16, 512


@dataclass(frozen=True)
class PiecewiseLinearEncoding:
    """Encoding learnt from weighted rows.

    Attributes
    ----------
    columns : ndarray of shape (n_encoded,), int32
        Columns of the scaled features that are encoded.
    centers, slopes : ndarray of shape (n_encoded, n_bins), float64
        Of each interval, its middle and the slope in it; both are 0 for an interval
        that is not there, where a feature has few distinct quantiles.
    """

    columns: np.ndarray
    centers: np.ndarray
    slopes: np.ndarray

    @classmethod
    def fit(cls, scaler, X, sample_weight, n_bins):
        """Learn the intervals.

        Parameters
        ----------
        scaler : RobustScaler
        X : ndarray of shape (n_samples, n_features)
            Unscaled; NaN where missing.
        sample_weight : ndarray of shape (n_samples,)
            Positive weights.
        n_bins : int, "auto" or None
            "auto": see :func:`auto_bins`. None encodes no feature.

        Returns
        -------
        PiecewiseLinearEncoding
        """
        if n_bins is None:
            return cls(np.empty(0, np.int32), np.empty((0, 0)), np.empty((0, 0)))
        knots = _distinct_knots(
            scaler, X, sample_weight, _MOST_BINS if n_bins == "auto" else n_bins
        )
        if n_bins == "auto":
            n_bins = auto_bins(len(knots))
            if n_bins < _MOST_BINS:
                knots = _distinct_knots(scaler, X, sample_weight, n_bins)
        columns = list(knots)
        edges = [
            np.r_[found, np.repeat(found[-1], n_bins + 1 - len(found))]
            for found in knots.values()
        ]
        edges = np.reshape(edges, (len(columns), n_bins + 1))
        widths = np.diff(edges)
        centers = np.where(widths > 0, (edges[:, :-1] + edges[:, 1:]) / 2, 0.0)
        # All columns of a feature together weigh as much as the feature itself.
        rise = 2.0 / np.sqrt(n_bins)
        slopes = np.divide(rise, widths, out=np.zeros_like(widths), where=widths > 0)
        return cls(np.array(columns, np.int32), centers, slopes)

    @property
    def n_encoded(self):
        return len(self.columns)

    @property
    def n_bins(self):
        return self.centers.shape[1]

    @property
    def n_outputs(self):
        """Number of columns of what :meth:`transform` returns."""
        return self.n_encoded * self.n_bins

    def transform(self, x, ops=np):
        """Encoded features.

        Parameters
        ----------
        x : array of shape (..., n_samples, n_columns)
            Scaled features.
        ops : module, default=numpy
            ``numpy`` or ``keras.ops``, for tensors.

        Returns
        -------
        array of shape (..., n_samples, n_encoded * n_bins)
        """
        return encode(x, self.columns, self.centers, self.slopes, ops)


def auto_bins(n_encoded):
    """Intervals of each feature, where so many features are encoded.

    16; less where it would be more than 512 in all, since the first layer then takes
    most of the time, but no less than 4. On six tables of 36 to 122 features average
    precision differs by less than two standard errors (docs/benchmark.md).
    """
    share = _MOST_IN_ALL // max(1, n_encoded)
    return int(np.clip(share, _FEWEST_BINS, _MOST_BINS))


def _distinct_knots(scaler, X, sample_weight, n_bins):
    """Of each feature that is encoded, its column and the quantiles that differ."""
    edges = quantiles(X, np.arange(n_bins + 1) / n_bins, sample_weight)
    for feature in scaler.dominant:
        value = scaler.center[feature]
        rest, weight = others(X[:, feature], sample_weight, value)
        between = quantiles(rest[:, None], np.linspace(0, 1, n_bins), weight)
        edges[:, feature] = [*between[:, 0], value]
    # Scaling is increasing, so these are the quantiles of what it returns.
    found = scaler.transform(edges)
    knots = {int(column): np.unique(found[:, column]) for column in scaler.views}
    return {c: values for c, values in knots.items() if len(values) >= _MIN_KNOTS}


def encode(x, columns, centers, slopes, ops):
    """What :meth:`PiecewiseLinearEncoding.transform` does, for traced attributes."""
    n_encoded, n_bins = centers.shape
    rising = ops.take(x, columns, axis=-1)[..., None] - centers
    rising *= slopes
    encoded = ops.clip(rising, -(n_bins**-0.5), n_bins**-0.5)
    return ops.reshape(encoded, (*x.shape[:-2], -1, n_encoded * n_bins))


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
