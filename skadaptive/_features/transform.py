"""From the features to the inputs of the network."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray, SparseTable
from .piecewise import PiecewiseLinearEncoding
from .scaling import RobustScaler
from .sparse import dense


@dataclass(frozen=True)
class InputTransform:
    """Scaling of the features, and piecewise linear encoding of the scaled columns.

    Attributes
    ----------
    scaler : RobustScaler
    encoding : PiecewiseLinearEncoding
    columns : ndarray of shape (n_features,) or None
        Columns of the table that are features, increasing; None for all of them.
    n_columns : int or None
        Columns of the table; None if all are features.
    """

    scaler: RobustScaler
    encoding: PiecewiseLinearEncoding
    columns: IntArray | None = None
    n_columns: int | None = None

    @classmethod
    def fit(
        cls, X: FloatArray, sample_weight: FloatArray, n_bins: Any
    ) -> "InputTransform":
        """Fit scaling and encoding.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            NaN where missing.
        sample_weight : ndarray of shape (n_samples,)
            Rows of weight 0 do not count.
        n_bins : int, "auto" or None
            See :class:`skadaptive.AdaptiveHybridClassifier`.
        """
        X, sample_weight = _without_weight_0(X, sample_weight)
        scaler = RobustScaler.fit(X, sample_weight)
        encoding = PiecewiseLinearEncoding.fit(scaler, X, sample_weight, n_bins)
        return cls(scaler, encoding)

    @classmethod
    def fit_sparse(
        cls, X: SparseTable, columns: IntArray, sample_weight: FloatArray, n_bins: Any
    ) -> "InputTransform":
        """Fit scaling and encoding to some columns of a sparse table.

        If these are not all columns, those that are 0 in most rows are not encoded.
        """
        taken = X[:, columns]
        fitted = cls.fit(taken.toarray(order="F"), sample_weight, n_bins)
        if len(columns) == X.shape[1]:
            return fitted
        n_filled = np.bincount(taken.indices, minlength=len(columns))
        encoded = fitted.scaler.feature_of_column[fitted.encoding.columns]
        fitted = fitted.with_encoded(2 * n_filled[encoded] >= X.shape[0])
        return replace(fitted, columns=columns, n_columns=X.shape[1])

    def take(self, X: FloatArray | SparseTable) -> FloatArray:
        """The features of a table, dense."""
        if self.columns is not None:
            X = X[:, self.columns]
        return dense(X)

    def updated(
        self, X: FloatArray, sample_weight: FloatArray, share: float
    ) -> "InputTransform":
        """Average the scaling with that of a chunk, which has this share of all rows.

        The encoding stays, since the network parameters belong to its bins.
        """
        X, sample_weight = _without_weight_0(X, sample_weight)
        chunk = RobustScaler.fit(X, sample_weight, normal_scores=False)
        return replace(self, scaler=self.scaler.averaged_with(chunk, share))

    def unscalable(self, X: FloatArray) -> IntArray:
        """Features that differ between rows, but not so that float64 could scale them.

        Their interquartile range, or its inverse, overflows, so that they count as
        constant.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            The rows that the scaling was fitted to.

        Returns
        -------
        ndarray of shape (n_unscalable,)
            Their indices.
        """
        still = np.flatnonzero(self.scaler.scale == 0)
        low, high = (f.reduce(X[:, still], axis=0) for f in (np.fmin, np.fmax))
        return still[low < high]

    def with_encoded(self, kept: BoolArray) -> "InputTransform":
        """Encode only some of the encoded columns, by a mask of shape (n_encoded,)."""
        return replace(self, encoding=self.encoding.only(kept))

    @property
    def n_features(self) -> int:
        """Number of features, of those that are taken from the table."""
        return len(self.scaler.center)

    @property
    def input_features(self) -> IntArray:
        """Index of the feature that each input comes from, (n_inputs,)."""
        features, encoding = self.scaler.feature_of_column, self.encoding
        return np.r_[features, np.repeat(features[encoding.columns], encoding.n_bins)]

    @property
    def n_inputs(self) -> int:
        """Number of inputs of the network."""
        return self.scaler.n_outputs + self.encoding.n_outputs

    def __call__(self, X: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Inputs of the network.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Unscaled features, NaN where missing.
        out : ndarray of shape (n_samples, n_inputs), default=None
            Where to write the inputs. They are computed in float64, because a narrow
            bin would magnify rounding errors, and rounded to its dtype.

        Returns
        -------
        ndarray of shape (n_samples, n_inputs)
            ``out`` if it is given, else float64.
        """
        if out is None:
            out = np.empty((len(X), self.n_inputs))
        scaled = self.scaler.transform(X)
        n_columns = scaled.shape[1]
        out[:, :n_columns] = scaled
        if self.encoding.n_encoded:
            out[:, n_columns:] = self.encoding.transform(scaled)
        return out


def _without_weight_0(
    X: FloatArray, sample_weight: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Leave out rows of weight 0, without a copy if there are none."""
    kept = sample_weight > 0
    return (X, sample_weight) if kept.all() else (X[kept], sample_weight[kept])
