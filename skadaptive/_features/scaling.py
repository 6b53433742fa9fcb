"""Scaling of the features, robust to outliers and heavy tails.

Each feature is centred on its median, divided by its interquartile range and clipped
smoothly to (-3, 3), as in RealMLP (Holzmüller et al., 2024, arXiv:2407.04491, section
3). Networks train badly on raw columns, and a single outlier makes a standard deviation
useless.

In heavy tails, which ratios and amounts often have, the smooth clipping leaves hardly
any difference between rows. A feature with heavy tails therefore gets a second column,
its normal scores: its quantile levels, mapped to quantiles of the normal distribution.
A feature with missing values gets one more column, a flag where it is missing.

Most counts and many amounts are 0 in most rows, so that their interquartile range is 0.
If one value of a feature covers the middle half of the rows in this way, it is called
dominant, and the scale is the median distance of the other values from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.stats import norm
from sklearn.utils import gen_batches

from .._threads import for_each
from .._typing import ArrayLike, FloatArray, IntArray

#: Scaled features stay within plus and minus this.
BOUND = 3.0

# Tails are heavy if one row in a hundred, on either side, is farther from the median
# than 3 interquartile ranges. In a double exponential distribution 0.8 % are.
_TAIL = 0.01

# Distinct values beside a dominant one from which on they get a scale of their own. Two
# or three levels are easy to distinguish on the common scale.
_MIN_OTHER_VALUES = 3

# Levels of the quantiles that are the knots of the map to normal scores.
_LEVELS = np.r_[norm.cdf(-BOUND), np.arange(1, 200) / 200, norm.cdf(BOUND)]

# Most rows from which quantiles and relevance are computed.
_MAX_ROWS = 200_000

# Values of a block of columns. On a table of 61 x 5,000 columns in blocks are sorted in
# a tenth of the time of one after the other, and memory holds no second table.
_VALUES_PER_BLOCK = 2**16
# Blocks for which a second thread is worth its start.
_BLOCKS_PER_THREAD = 4


@dataclass(frozen=True)
class RobustScaler:
    """Robust scaling fitted to weighted rows.

    scikit-learn's scaler of this name takes no weights, and its interpolated
    quantiles make a row of weight 2 differ from the row twice.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,), float64
        ``scale`` is the factor after centring; it is 0 for a constant feature.
    normal_scores : dict of int to (ndarray, ndarray)
        For each feature with heavy tails, increasing values and their normal scores.
    missing : list of int
        Features that get a flag.
    dominant : list of int
        Features whose center is a dominant value, beside at least three other values.
    """

    center: FloatArray
    scale: FloatArray
    normal_scores: dict[int, tuple[FloatArray, FloatArray]] = field(
        default_factory=dict
    )
    missing: list[int] = field(default_factory=list)
    dominant: list[int] = field(default_factory=list)

    @classmethod
    def fit(
        cls, X: FloatArray, sample_weight: FloatArray, normal_scores: bool = True
    ) -> "RobustScaler":
        """Fit the scaling.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            NaN where missing.
        sample_weight : ndarray of shape (n_samples,)
            Positive weights.
        normal_scores : bool, default=True
            Whether features with heavy tails get normal scores.

        Returns
        -------
        RobustScaler
        """
        levels = [_TAIL, 0.25, 0.5, 0.75, 1 - _TAIL]
        left, low, center, high, right = quantiles(X, levels, sample_weight)
        with np.errstate(over="ignore", invalid="ignore"):
            spread = high - low
            heavy = np.maximum(center - left, right - center) > 3 * spread
        # A feature without an interquartile range, such as a rare flag, is divided by
        # half of its full range, or by the median distance of the other values from a
        # dominant one if that is smaller.
        dominant = []
        with np.errstate(divide="ignore", over="ignore"):
            for feature in np.flatnonzero(spread == 0):
                heavy[feature] = False
                spread[feature] = _half_range(X[:, feature])
                value = center[feature]
                rest, weight = values_except(value, X[:, feature], sample_weight)
                if len(np.unique(rest)) >= _MIN_OTHER_VALUES:
                    dominant.append(int(feature))
                    distances = np.abs(rest[:, None] - value)
                    median = quantiles(distances, [0.5], weight).item()
                    spread[feature] = min(spread[feature], median)
            scale = 1.0 / spread
        scores = {
            int(feature): _normal_scores(X[:, [feature]], sample_weight)
            for feature in np.flatnonzero(heavy & normal_scores)
        }
        missing = np.flatnonzero(np.isnan(X.min(axis=0))).tolist()
        # The other features are constant or always missing, or their spread is so
        # small that its inverse overflows.
        scalable = np.isfinite(scale)
        return cls(
            np.where(scalable, center, 0.0),
            np.where(scalable, scale, 0.0),
            scores,
            missing,
            dominant,
        )

    @property
    def n_outputs(self) -> int:
        """Number of columns that :meth:`transform` returns."""
        return len(self.center) + len(self.normal_scores) + len(self.missing)

    @property
    def feature_of_column(self) -> IntArray:
        """Index of the feature that each scaled column comes from, (n_outputs,)."""
        features = range(len(self.center))
        return np.array([*features, *self.normal_scores, *self.missing], dtype=int)

    @property
    def column_of_feature(self) -> IntArray:
        """Index of the scaled column to encode for each feature, (n_features,).

        The column holds the normal scores of the feature if there are any, else the
        smoothly clipped feature.
        """
        columns = np.arange(len(self.center))
        n_scores = len(self.normal_scores)
        columns[list(self.normal_scores)] = len(columns) + np.arange(n_scores)
        return columns

    def averaged_with(self, other: "RobustScaler", share: float) -> "RobustScaler":
        """Average this scaling with another one, whose share is in [0, 1].

        Medians and interquartile ranges are averaged over the chunks of a stream. A
        chunk in which a feature is constant or missing does not change the scaling of
        that feature. Normal scores and flags stay those of this scaling.
        """
        spread, other_spread = _inverse(self.scale), _inverse(other.scale)
        shares = np.where(other_spread > 0, np.where(spread > 0, share, 1.0), 0.0)
        center = self.center + shares * (other.center - self.center)
        scale = _inverse(spread + shares * (other_spread - spread))
        return replace(self, center=center, scale=scale)

    def transform(self, X: FloatArray) -> FloatArray:
        """Scale features.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            NaN where missing.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs), float64
            The smoothly clipped features, within (-3, 3) and 0 where missing; then the
            normal scores of features with heavy tails; then the flags of missing
            values.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.subtract(X, self.center, dtype=float)
            scaled *= self.scale
        # This far outside the square below would overflow, and the result is 3 anyway.
        # np.clip takes several times as long for one row.
        np.minimum(np.maximum(scaled, -1e100, out=scaled), 1e100, out=scaled)
        scaled /= np.sqrt(1.0 + np.square(scaled / BOUND))
        # Also where a difference that is infinite was multiplied by a scale of 0.
        np.copyto(scaled, 0.0, where=np.isnan(scaled))
        if not (self.normal_scores or self.missing):
            return scaled
        scores = [np.interp(X[:, i], *knots) for i, knots in self.normal_scores.items()]
        flags = [np.isnan(X[:, i]) for i in self.missing]
        added = np.nan_to_num(np.stack([*scores, *flags], axis=1, dtype=float))
        return np.hstack([scaled, added])


def quantiles(
    X: FloatArray, levels: ArrayLike, sample_weight: FloatArray
) -> FloatArray:
    """Weighted quantiles of each feature, not interpolated between its values.

    If there are more than 200,000 rows, a random subsample of that size is used, as in
    scikit-learn's ``KBinsDiscretizer``.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        NaN where missing.
    levels : array-like of shape (n_levels,)
        In [0, 1].
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.

    Returns
    -------
    ndarray of shape (n_levels, n_features), float64
        NaN for a feature without any value.
    """
    rows = subsample_rows(len(X))
    X, sample_weight = X[rows], sample_weight[rows]
    levels = np.asarray(levels)
    equal = (sample_weight == sample_weight[0]).all()
    result = np.full((len(levels), X.shape[1]), np.nan)
    if equal:

        def fill(part: slice, columns: FloatArray) -> None:
            columns.sort(axis=1)  # NaN last
            n_values = np.count_nonzero(~np.isnan(columns), axis=1)
            ranks = np.ceil(n_values[:, None] * levels).astype(int) - 1
            # Without any value, the first one is NaN.
            found = np.take_along_axis(columns, np.maximum(ranks, 0), axis=1)
            result[:, part] = found.T

        for_column_blocks(X, fill)
        return result
    for feature, column in enumerate(X.T):
        known = ~np.isnan(column)
        if known.any():
            result[:, feature] = np.quantile(
                column[known],
                levels,
                weights=sample_weight[known],
                method="inverted_cdf",
            )
    return result


def for_column_blocks(
    X: FloatArray, function: Callable[[slice, FloatArray], None]
) -> None:
    """Work on a few columns at a time, so that they stay in the cache.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    function : callable
        Called with the slice of the columns and a copy of them, of shape (n_columns,
        n_samples) in C order; by several threads if there are many values.
    """
    n_each = max(1, _VALUES_PER_BLOCK // max(1, len(X)))

    def work(part: slice) -> None:
        function(part, np.array(X[:, part].T, order="C"))

    for_each(work, list(gen_batches(X.shape[1], n_each)), _BLOCKS_PER_THREAD)


def values_except(
    value: float, column: FloatArray, sample_weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """All values of a feature except one, and their sample weights.

    Parameters
    ----------
    value : float
        The value to leave out, like missing ones.
    column, sample_weight : ndarray of shape (n_samples,)

    Returns
    -------
    values, sample_weight : ndarray of shape (n_values,)
        From the rows of :func:`subsample_rows`.
    """
    rows = subsample_rows(len(column))
    column, sample_weight = column[rows], sample_weight[rows]
    kept = (column != value) & ~np.isnan(column)
    return column[kept], sample_weight[kept]


def subsample_rows(n_rows: int) -> Any:
    """Index of all rows, or a fixed random subsample of 200,000 row indices."""
    if n_rows <= _MAX_ROWS:
        return slice(None)
    rng = np.random.default_rng(0)
    return rng.choice(n_rows, _MAX_ROWS, replace=False, shuffle=False)


def _half_range(column: FloatArray) -> float:
    """Half the difference between the largest and the smallest value of all rows."""
    return (float(np.fmax.reduce(column)) - float(np.fmin.reduce(column))) / 2.0


def _normal_scores(
    column: FloatArray, sample_weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Increasing values of a feature, the knots, and the normal score of each."""
    values, inverse = np.unique(
        quantiles(column, _LEVELS, sample_weight), return_inverse=True
    )
    # Several quantiles can be the same value, which gets the score of their mean level.
    levels = np.bincount(inverse.ravel(), _LEVELS) / np.bincount(inverse.ravel())
    return values, norm.ppf(levels)


def _inverse(x: FloatArray) -> FloatArray:
    """1 / x, but 0 where x is 0."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > 0)
