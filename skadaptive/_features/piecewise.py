"""Piecewise linear encoding of the features, and interpolation between knots.

A network of smooth units learns slowly that the class depends on one threshold of a
feature, which a tree finds at once. So each feature is also encoded as ``n_bins``
columns, one for each bin between its quantiles: a column is constant below and above
its bin and rises linearly inside (Gorishniy, Rubachev & Babenko, 2022, "On Embeddings
for Numerical Features in Tabular Deep Learning", arXiv:2203.05556, section 3.2). Here
it rises from -1 to 1, divided by the square root of n_bins.

The encoding takes the scaled feature, or its normal scores if it has heavy tails. The
bins of a feature with a dominant value (see ``scaling``) lie between the quantiles of
its other values, and the dominant value is one more edge.
"""

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray
from .scaling import RobustScaler, quantiles, values_except

# Distinct quantiles that a feature must have: a flag gains nothing from an encoding.
_MIN_EDGES = 4

# Bins of each feature, and of all features together, under n_bins="auto".
_MIN_BINS, _MAX_BINS, _MAX_BINS_IN_ALL = 4, 16, 512


@dataclass(frozen=True)
class PiecewiseLinearEncoding:
    """Piecewise linear encoding fitted to weighted rows.

    Attributes
    ----------
    columns : ndarray of shape (n_encoded,), int32
        Indices of the scaled columns that are encoded.
    centers, slopes : ndarray of shape (n_encoded, n_bins), float64
        Middle of each bin and slope in it. Both are 0 for the bins that a feature lacks
        because it has few distinct quantiles.
    """

    columns: IntArray
    centers: FloatArray
    slopes: FloatArray

    @classmethod
    def fit(
        cls,
        scaler: RobustScaler,
        X: FloatArray,
        sample_weight: FloatArray,
        n_bins: Any,
    ) -> "PiecewiseLinearEncoding":
        """Fit the bins.

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
        by_column = _distinct_edges(
            scaler, X, sample_weight, _MAX_BINS if n_bins == "auto" else n_bins
        )
        if n_bins == "auto":
            n_bins = auto_bins(len(by_column))
            if n_bins < _MAX_BINS:
                by_column = _distinct_edges(scaler, X, sample_weight, n_bins)
        columns = list(by_column)
        padded = [
            np.r_[edges, np.repeat(edges[-1], n_bins + 1 - len(edges))]
            for edges in by_column.values()
        ]
        edges = np.reshape(padded, (len(columns), n_bins + 1))
        widths = np.diff(edges)
        centers = np.where(widths > 0, (edges[:, :-1] + edges[:, 1:]) / 2, 0.0)
        # All columns of a feature together weigh as much as the feature itself.
        rise = 2.0 / np.sqrt(n_bins)
        slopes = np.divide(rise, widths, out=np.zeros_like(widths), where=widths > 0)
        return cls(np.array(columns, np.int32), centers, slopes)

    def only(self, kept: BoolArray) -> "PiecewiseLinearEncoding":
        """Encode only some of the columns, by a mask of shape (n_encoded,)."""
        return replace(
            self,
            columns=self.columns[kept],
            centers=self.centers[kept],
            slopes=self.slopes[kept],
        )

    @property
    def n_encoded(self) -> int:
        """Number of columns that are encoded."""
        return len(self.columns)

    @property
    def n_bins(self) -> int:
        """Number of bins of each column; 0 without an encoding."""
        return self.centers.shape[1]

    @property
    def n_outputs(self) -> int:
        """Number of columns that :meth:`transform` returns."""
        return self.n_encoded * self.n_bins

    def transform(self, x: Any, ops: ModuleType = np) -> Any:
        """Encode scaled features.

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
        if ops is not np:
            return encode(x, self.columns, self.centers, self.slopes, ops)
        # The same in place, and np.clip takes several times as long for one row.
        values = np.take(x, self.columns, axis=-1)[..., None] - self.centers
        values *= self.slopes
        bound = self.n_bins**-0.5
        np.minimum(np.maximum(values, -bound, out=values), bound, out=values)
        return values.reshape(*x.shape[:-1], self.n_outputs)


def auto_bins(n_encoded: int) -> int:
    """Number of bins per feature under ``n_bins="auto"``.

    The number is 16. It is smaller if the features would have more than 512 bins
    together, because the first layer would then take most of the time, but at least 4.
    On six tables of 36 to 122 features average precision differs by less than two
    standard errors (docs/research/014).
    """
    share = _MAX_BINS_IN_ALL // max(1, n_encoded)
    return int(np.clip(share, _MIN_BINS, _MAX_BINS))


def _distinct_edges(
    scaler: RobustScaler, X: FloatArray, sample_weight: FloatArray, n_bins: int
) -> dict[int, FloatArray]:
    """Distinct bin edges of each feature that is encoded, by its scaled column."""
    edges = quantiles(X, np.arange(n_bins + 1) / n_bins, sample_weight)
    for feature in scaler.dominant:
        value = scaler.center[feature]
        rest, weight = values_except(value, X[:, feature], sample_weight)
        between = quantiles(rest[:, None], np.linspace(0, 1, n_bins), weight)
        edges[:, feature] = [*between[:, 0], value]
    # Scaling is increasing, so these are the quantiles of the scaled features.
    scaled = scaler.transform(edges)
    by_column = {
        int(column): np.unique(scaled[:, column]) for column in scaler.column_of_feature
    }
    return {c: values for c, values in by_column.items() if len(values) >= _MIN_EDGES}


def encode(x: Any, columns: Any, centers: Any, slopes: Any, ops: ModuleType) -> Any:
    """Encode with the attributes of an encoding, which may be tensors of a trace."""
    n_encoded, n_bins = centers.shape
    rising = ops.take(x, columns, axis=-1)[..., None] - centers
    rising *= slopes
    encoded = ops.clip(rising, -(n_bins**-0.5), n_bins**-0.5)
    return ops.reshape(encoded, (*x.shape[:-2], -1, n_encoded * n_bins))


def interpolate(column: Any, x: FloatArray, z: FloatArray, ops: ModuleType) -> Any:
    """Interpolate linearly between knots, as a sum of steps between adjacent ones.

    Parameters
    ----------
    column : tensor of shape (batch, 1)
    x : ndarray of shape (n_knots,)
        Knots, increasing.
    z : ndarray of shape (n_knots,)
        Values at the knots. The result is constant below the first knot and above the
        last one.
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
    # No term exceeds its step, so no digits cancel, however close two knots are.
    widths = np.maximum(np.diff(x), np.finfo(x.dtype).tiny)
    steps = ops.clip((column - x[:-1]) / widths, 0.0, 1.0) * np.diff(z)
    return float(z[0]) + ops.sum(steps, axis=1, keepdims=True)
