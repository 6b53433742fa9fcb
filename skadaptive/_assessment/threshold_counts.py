"""Probabilities and what came of them: counts by threshold, calibration.

y is 1 for the rare class and 0 for the other; a row is predicted rare if its
probability is above the threshold. ``counts`` are a dict of ``tp`` and ``fp``, weights
above each of ``thresholds``, arrays of shape (n_thresholds,), and of the totals
``rare`` and ``other``; ``costs`` one of what a ``miss`` and a false ``alarm`` cost.
"""

import numpy as np
import pandas as pd
from scipy.special import logit

from ..thresholds import f1, safe_ratio

# Probabilities nearer to 0 or 1 count as this near in log-odds.
_EDGE = 1e-6
# Two-sided 1 % of the normal distribution.
_SURE = 2.576


class ScoredRows:
    """Rows that can be judged: labels, scores and weights.

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
        """All rows with their out-of-fold probabilities."""
        proba = comparison.out_of_fold_[name]
        return cls(comparison.y_, proba, comparison.sample_weight_)

    @property
    def share(self):
        """Of the rare class, by weight."""
        return float(np.average(self.y, weights=self.weight))

    def above(self, thresholds):
        """Weights of rare and of other rows above each threshold.

        Parameters
        ----------
        thresholds : ndarray of shape (n_thresholds,)

        Returns
        -------
        ndarray of shape (2, n_thresholds)
            True positives and false positives.
        """
        found = []
        for label in (1, 0):
            proba = self.proba[self.y == label]
            order = np.argsort(proba)
            # Summed from above, so that nothing is exactly 0 above the greatest.
            above = np.r_[np.cumsum(self.weight[self.y == label][order][::-1])[::-1], 0]
            found.append(above[np.searchsorted(proba[order], thresholds, "right")])
        return np.array(found)


def label_scores(counts):
    """Precision, NaN where no row is predicted rare, recall and F1."""
    tp, fp, rare, other = (counts[name] for name in ("tp", "fp", "rare", "other"))
    precision = safe_ratio(tp, tp + fp, undefined=np.nan)
    return precision, tp / rare, f1(tp, fp, rare - tp, other - fp)


def cost_by_threshold(counts, costs):
    """Per 1,000 rows."""
    total = counts["rare"] + counts["other"]
    missed = counts["rare"] - counts["tp"]
    return 1000 * (costs["miss"] * missed + costs["alarm"] * counts["fp"]) / total


def cost_ceiling(counts, costs, cost):
    """Top of the panel of costs, from the cheaper of the two trivial answers.

    What costs several times as much may leave the panel. The script in the page does
    the same.
    """
    total = counts["rare"] + counts["other"]
    trivial = (
        1000
        / total
        * min(costs["miss"] * counts["rare"], costs["alarm"] * counts["other"])
    )
    return 1.2 * max(trivial, cost.min()) or 1.2 * cost.max() or 1.0


def calibration_bins(rows):
    """Mean probability and share of rare rows, bin by bin.

    2 to 10 bins, as many as 5 rare rows for each allow, and fewer where there are few
    values. Each holds as many rare rows by expectation. Of bins with as many rows each
    nearly all would lie at 0, of equally wide ones most would hold few. Unlike
    scikit-learn's curve it counts weights.

    Parameters
    ----------
    rows : ScoredRows

    Returns
    -------
    DataFrame of shape (n_found, 5)
        ``low``, ``high``, ``rows`` (their number), ``predicted``, ``observed``.
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
    """Whether probabilities mean what they say.

    Parameters
    ----------
    rows : ScoredRows

    Returns
    -------
    wrong : bool
        Whether they are off by more than luck, in one of two tests at 1 %.
    words : str
        What there is to say.
    """
    y, proba, weight = rows.y, rows.proba, rows.weight
    mean, share = np.average(proba, weights=weight), rows.share
    # Score tests of Cox, 1958, "Two further applications of a model for binary
    # regression", Biometrika 45: logit(p) = intercept + slope * logit(proba), whose
    # intercept should be 0 and, whatever that is, whose slope should be 1.
    variance = proba * (1 - proba)
    off = _z(weight * (y - proba), weight**2 * variance)
    log_odds = logit(np.clip(proba, _EDGE, 1 - _EDGE))
    certain = np.clip(variance, _EDGE, None)
    spread = log_odds - np.average(log_odds, weights=weight * certain)
    steep = _z(weight * (y - proba) * spread, weight**2 * certain * spread**2)
    text = f"The mean probability is {mean:.2%}, the share of rare rows {share:.2%}. "
    if abs(off) > _SURE:
        high = "too low" if off > 0 else "too high"
        return True, text + f"As a whole the probabilities are {high}."
    if steep < -_SURE:
        return True, text + (
            "But single ones are too sure of themselves: too near to 0 and to 1."
        )
    if steep > _SURE:
        return True, text + (
            "But single ones are too cautious: small ones should be smaller still and "
            "great ones greater."
        )
    return False, text + (
        "These rows do not speak against the probabilities: neither their mean nor "
        "their spread is off by more than luck."
    )


def _z(sums, variances):
    spread = np.sqrt(variances.sum())
    return sums.sum() / spread if spread > 0 else 0.0
