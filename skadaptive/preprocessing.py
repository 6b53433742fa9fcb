"""Features on a common scale, robust to outliers.

Each feature is centred on its median, divided by its interquartile range and
bent smoothly into (-3, 3): the robust scaling with smooth clipping of RealMLP
(Holzmüller et al., 2024, arXiv:2407.04491, section 3). Networks train badly on raw
columns, and a single outlier spoils a standard deviation.
"""

from dataclasses import dataclass

import numpy as np

#: Scaled features stay within plus and minus this.
BOUND = 3.0


@dataclass(frozen=True)
class RobustScaler:
    """Scaling learnt from weighted rows.

    scikit-learn's scaler of this name takes no weights, and its interpolated
    quantiles make a row of weight 2 differ from the row twice.

    Attributes
    ----------
    center, scale : ndarray of shape (n_features,), float64
        ``scale`` multiplies; it is 0 for a constant feature.
    """

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, X, sample_weight):
        """Learn centre and scale.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        sample_weight : ndarray of shape (n_samples,)
            Positive weights.

        Returns
        -------
        RobustScaler
        """
        # Equal weights take NumPy's selection, which is faster than its sort by weight.
        equal = (sample_weight == sample_weight[0]).all()
        weights = None if equal else sample_weight
        low, center, high = np.quantile(
            X, [0.25, 0.5, 0.75], axis=0, weights=weights, method="inverted_cdf"
        ).astype(float)
        with np.errstate(over="ignore"):
            spread = high - low
        # A feature with one dominant value, such as a rare flag, has no interquartile
        # range; half of its full range is used instead.
        flat = spread == 0
        spread[flat] = np.ptp(X[:, flat], axis=0) / 2.0
        with np.errstate(divide="ignore", over="ignore"):
            scale = 1.0 / spread
        # Constant, or with a spread below what a float can invert.
        return cls(center, np.where(np.isfinite(scale), scale, 0.0))

    def refined(self, other, share):
        """A mean of this scaling and another, whose share is in [0, 1].

        Medians and interquartile ranges are averaged over the chunks of a stream; one
        in which a feature is constant tells nothing of its range.
        """
        own, new = _inverse(self.scale), _inverse(other.scale)
        own, new = np.where(own > 0, own, new), np.where(new > 0, new, own)
        center = self.center + share * (other.center - self.center)
        return RobustScaler(center, _inverse(own + share * (new - own)))

    def transform(self, X):
        """Scaled features, float64 of the same shape, each in (-3, 3)."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = np.subtract(X, self.center, dtype=float)
            scaled *= self.scale
        # Far outside, where the square below would overflow, the bend is flat anyway.
        np.clip(scaled, -1e100, 1e100, out=scaled)
        scaled[:, self.scale == 0] = 0.0
        return scaled / np.sqrt(1.0 + np.square(scaled / BOUND))


def _inverse(x):
    """1 / x, 0 where x is 0."""
    return np.divide(1.0, x, out=np.zeros_like(x), where=x > 0)
