"""Confusion counts by threshold, and calibration.

y is 1 for the rare class and 0 for the other. A row is predicted rare if its
probability is above the threshold. ``counts`` is a dict: ``tp`` and ``fp`` are weights
above each of ``thresholds``, arrays of shape (n_thresholds,), and ``rare`` and
``other`` are the total weights. ``costs`` is a dict of the costs of a ``miss`` and of a
false ``alarm``.
"""

import numpy as np
import pandas as pd
from scipy.special import logit

from .._parameters import scaled_weights
from ..thresholds import f1, safe_ratio

# Probabilities nearer to 0 or 1 count as this near in log-odds.
_EDGE = 1e-6
# Critical value of the normal distribution for a two-sided test at 1 %.
_CRITICAL = 2.576


class ScoredRows:
    """Labels, probabilities and weights of the rows that can be evaluated.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
    proba : array-like of shape (n_samples,)
        NaN for a row that was never tested.
    weight : array-like of shape (n_samples,) or None

    Attributes
    ----------
    y, proba, weight : ndarray of shape (n_kept,)
    weighted : bool
    """

    def __init__(self, y, proba, weight):
        self.weighted = weight is not None
        weight = np.ones(len(y)) if weight is None else np.asarray(weight, float)
        proba = np.asarray(proba, float)
        kept = (weight > 0) & np.isfinite(proba)
        self.y, self.proba = np.asarray(y, int)[kept], proba[kept]
        self.weight = weight[kept]

    @classmethod
    def pooled(cls, comparison, name):
        """Take all rows, with the out-of-fold probabilities of one contender."""
        proba = comparison.out_of_fold_[name]
        return cls(comparison.y_, proba, comparison.sample_weight_)

    @property
    def share(self):
        """Weighted share of the rare class."""
        return float(np.average(self.y, weights=self.weight))

    def above(self, thresholds):
        """Return the weights of rare and of other rows above each threshold.

        Parameters
        ----------
        thresholds : ndarray of shape (n_thresholds,)

        Returns
        -------
        ndarray of shape (2, n_thresholds)
            True positives and false positives.
        """
        counts = []
        for label in (1, 0):
            proba = self.proba[self.y == label]
            order = np.argsort(proba)
            # The sum runs from above, so that it is exactly 0 above the greatest.
            above = np.r_[np.cumsum(self.weight[self.y == label][order][::-1])[::-1], 0]
            counts.append(above[np.searchsorted(proba[order], thresholds, "right")])
        return np.array(counts)

    def counts(self, thresholds):
        """Counts by threshold, as the functions of this module take them.

        Parameters
        ----------
        thresholds : ndarray of shape (n_thresholds,)

        Returns
        -------
        dict
        """
        tp, fp = self.above(thresholds)
        rare, other = (float(self.weight[self.y == label].sum()) for label in (1, 0))
        return {
            "thresholds": thresholds,
            "tp": tp,
            "fp": fp,
            "rare": rare,
            "other": other,
        }

    def constant_counts(self):
        """Counts of two predictions: all rows are rare, and no row is."""
        counts = self.counts(np.array([0.0, 1.0]))
        return {
            **counts,
            "tp": np.array([counts["rare"], 0.0]),
            "fp": np.array([counts["other"], 0.0]),
        }


def label_scores(counts):
    """Precision, NaN where no row is predicted rare, recall and F1."""
    tp, fp, rare, other = (counts[name] for name in ("tp", "fp", "rare", "other"))
    precision = safe_ratio(tp, tp + fp, undefined=np.nan)
    return precision, tp / rare, f1(tp, fp, rare - tp, other - fp)


def cost_by_threshold(counts, costs):
    """Cost per 1,000 rows at each threshold."""
    total = counts["rare"] + counts["other"]
    missed = counts["rare"] - counts["tp"]
    return 1000 * (costs["miss"] * missed + costs["alarm"] * counts["fp"]) / total


def least_cost(rows, costs):
    """Find the threshold of the least cost.

    Parameters
    ----------
    rows : ScoredRows
    costs : dict of float

    Returns
    -------
    threshold : float
        0, 1, or a number with few digits between two probabilities of the rows. The
        lowest one if several cost the same.
    cost : float
        Cost per 1,000 rows.
    """
    distinct = np.unique(rows.proba)
    # From each of these up to the next one, the same rows are above the threshold.
    starts = np.r_[0.0, distinct]
    cost = cost_by_threshold(rows.counts(starts), costs)
    least = int(np.argmin(cost))
    if least == 0:
        threshold = 0.0
    elif least == len(distinct):
        threshold = 1.0
    else:
        threshold = _short_number_between(*starts[least : least + 2])
    return threshold, float(cost[least])


def least_cost_thresholds(rows):
    """Every threshold that :func:`least_cost` returns for some costs, but 0 and 1.

    These are the corners of the convex hull of the ROC curve (Provost & Fawcett, 2001,
    "Robust classification for imprecise environments", Machine Learning 42).

    Parameters
    ----------
    rows : ScoredRows

    Returns
    -------
    list of float
        Rising.
    """
    starts = np.r_[0.0, np.unique(rows.proba)]
    tp, fp = rows.above(starts)
    # A corner has a row of the other class at its start, and a rare one at the next.
    is_first = np.r_[True, np.diff(fp) < 0]
    is_last = np.r_[np.diff(tp) < 0, True]
    hull = []
    for i in np.flatnonzero(is_first & is_last | (np.arange(len(starts)) == 0)):
        while len(hull) > 1:
            before, last = hull[-2:]
            rise = (tp[before] - tp[last]) * (fp[last] - fp[i])
            if rise < (tp[last] - tp[i]) * (fp[before] - fp[last]):
                break
            hull.pop()
        hull.append(i)
    ends = (0, len(starts) - 1)
    return [_short_number_between(*starts[i : i + 2]) for i in hull if i not in ends]


def _short_number_between(low, high):
    """A number near the middle, of few digits, that is below ``high``."""
    middle = (low + high) / 2
    for digits in range(2, 18):
        number = float(f"{middle:.{digits}g}")
        if low <= number < high:
            return number
    return float(low)


def cost_ceiling(counts, costs, cost):
    """Upper limit of the plot of costs.

    It is 1.2 times the cost of the better constant prediction. Higher costs may leave
    the plot. The script in the page does the same.
    """
    cheaper = min(costs["miss"] * counts["rare"], costs["alarm"] * counts["other"])
    trivial = 1000 / (counts["rare"] + counts["other"]) * cheaper
    return 1.2 * max(trivial, cost.min()) or 1.2 * cost.max() or 1.0


def calibration_bins(rows):
    """Mean probability and share of rare rows in each bin.

    The number of bins is 2 to 10, such that each has about 5 rare rows, and fewer if
    there are few distinct probabilities. All bins have the same expected number of rare
    rows: with equal numbers of rows, nearly all bins would lie at 0, and with equal
    widths, most bins would hold few rows. Unlike scikit-learn's curve, this one is
    weighted.

    Parameters
    ----------
    rows : ScoredRows

    Returns
    -------
    DataFrame of shape (n_bins, 5)
        ``low`` and ``high`` probability, number of ``rows``, mean ``predicted``
        probability and ``observed`` share.
    """
    n_bins = int(np.clip(rows.y.sum() // 5, 2, 10))
    order = np.argsort(rows.proba)
    expected = (rows.weight * rows.proba)[order].cumsum()
    marks = expected[-1] * np.arange(1, n_bins) / n_bins
    at = np.minimum(np.searchsorted(expected, marks), len(order) - 1)
    edges = np.unique(rows.proba[order][at])
    bins = np.searchsorted(edges, rows.proba, side="right")
    frame = pd.DataFrame({"bin": bins, "proba": rows.proba, "weight": rows.weight})
    frame["rare"], frame["mass"] = rows.weight * rows.y, rows.weight * rows.proba
    grouped = frame.groupby("bin")
    total = grouped["weight"].sum()
    return pd.DataFrame(
        {
            "low": grouped["proba"].min(),
            "high": grouped["proba"].max(),
            "rows": grouped.size(),
            "predicted": grouped["mass"].sum() / total,
            "observed": grouped["rare"].sum() / total,
        }
    )


def calibration_verdict(rows):
    """Test whether probabilities are calibrated.

    Parameters
    ----------
    rows : ScoredRows

    Returns
    -------
    miscalibrated : bool
        Whether one of two tests rejects calibration at the level of 1 %.
    text : str
        The result in words.
    """
    y, proba, (weight, _) = rows.y, rows.proba, scaled_weights(rows.weight)
    mean, share = np.average(proba, weights=weight), rows.share
    # Score tests of Cox, 1958, "Two further applications of a model for binary
    # regression", Biometrika 45. In logit(p) = intercept + slope * logit(proba) they
    # test for an intercept of 0, and for a slope of 1 with any intercept.
    variance = proba * (1 - proba)
    off = _z(weight * (y - proba), weight**2 * variance)
    log_odds = logit(np.clip(proba, _EDGE, 1 - _EDGE))
    certain = np.clip(variance, _EDGE, None)
    spread = log_odds - np.average(log_odds, weights=weight * certain)
    steep = _z(weight * (y - proba) * spread, weight**2 * certain * spread**2)
    text = f"The mean probability is {mean:.2%}, the share of rare rows {share:.2%}. "
    if abs(off) > _CRITICAL:
        high = "too low" if off > 0 else "too high"
        return True, text + f"The probabilities are {high} on average."
    if steep < -_CRITICAL:
        return True, text + (
            "The probabilities are overconfident: they are too close to 0 and to 1."
        )
    if steep > _CRITICAL:
        return True, text + (
            "The probabilities are underconfident: low ones should be lower and high "
            "ones higher."
        )
    return False, text + (
        "Neither the mean nor the spread of the probabilities deviates significantly "
        "from what these rows show."
    )


def _z(sums, variances):
    spread = np.sqrt(variances.sum())
    return sums.sum() / spread if spread > 0 else 0.0
