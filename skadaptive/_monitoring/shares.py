"""The share of the rare class among rows without labels, from their scores.

It assumes that only this share has changed: within each class, scores are distributed
as in training. Scores are counted in bins, so that they need not be calibrated: the
shares of both classes in each bin come from the out-of-fold rows.

Among five ways, with five kinds of classifiers, this one was never far off; see
``docs/research/054-share-without-labels.md``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from .._assessment.statistics import effective_size
from .._assessment.threshold_counts import ScoredRows
from .._typing import FloatArray
from ..drift import quantile_edges
from .measures import Compared, two_sided, z_of_ratio

# Deciles of rare scores from the median on are the edges. The models of the folds and
# the final one differ most among low scores, where most rows are.
_N_BINS = 10
# Another share alone does not explain the scores if the test has a smaller p-value and
# the index of stability is greater. Scores of the out-of-fold models and of the final
# one differ somewhat, by an index up to 0.015 in benchmarks/monitoring.py.
_POOR_FIT, _POOR_INDEX = 0.001, 0.02
_MAX_ITER = 10_000
# Standard error of a share from which on scores do not tell the classes apart.
_USELESS = 0.25


@dataclass(frozen=True)
class EstimatedShare:
    """An estimate of the share of the rare class.

    Attributes
    ----------
    compared : Compared
        The estimate, beside the share in the training.
    fits : bool
        Whether another share alone may explain the scores.
    """

    compared: Compared
    fits: bool


class ShareEstimator:
    """Estimates the share of the rare class from scores.

    Parameters
    ----------
    rows : ScoredRows
        Out-of-fold rows of the training, of both classes.

    Notes
    -----
    The estimate is the most likely one, by expectation-maximisation (Saerens, Latinne
    & Decaestecker, 2002, "Adjusting the outputs of a classifier to new a priori
    probabilities", Neural Computation 14), of a mixture of the two distributions over
    bins (Garg, Wu, Balakrishnan & Lipton, 2020, "A unified view of label shift
    estimation", compare it with other ways).
    """

    def __init__(self, rows: ScoredRows) -> None:
        rare, other = (rows.proba[rows.y == label] for label in (1, 0))
        edges = quantile_edges(rare, _N_BINS)
        self._edges = edges[edges >= np.median(rare)]
        n_bins = len(self._edges) + 1
        shares = []
        for label, proba in ((0, other), (1, rare)):
            bins = np.searchsorted(self._edges, proba)
            counts = np.bincount(bins, rows.weight[rows.y == label], n_bins)
            # Half a row in all keeps every score possible in both classes.
            counts = counts / counts.sum() * len(proba) + 0.5 / n_bins
            shares.append(counts / counts.sum())
        self._other, self._rare = shares
        self.share = rows.share
        self._sizes = [effective_size(rows.weight[rows.y == k]) for k in (0, 1)]
        self._size = effective_size(rows.weight)

    def distribution(self, proba: FloatArray) -> dict[str, Any]:
        """Counts of out-of-fold scores in the bins that estimates are made from.

        Parameters
        ----------
        proba : ndarray of shape (n_rows,)

        Returns
        -------
        dict
            As :func:`skadaptive._saving.reference.reference_distributions` has it.
        """
        bins = np.searchsorted(self._edges, proba)
        return {
            "kind": "number",
            "missing": 0,
            "edges": self._edges.tolist(),
            "counts": np.bincount(bins, minlength=len(self._rare)).tolist(),
        }

    def estimate(
        self, proba: FloatArray, weight: FloatArray, z: float
    ) -> EstimatedShare:
        """The share among new rows.

        Parameters
        ----------
        proba : ndarray of shape (n_rows,)
        weight : ndarray of shape (n_rows,)
        z : float
            Half the width of intervals, in standard errors.

        Returns
        -------
        EstimatedShare
        """
        bins = np.searchsorted(self._edges, proba)
        counts = np.bincount(bins, weight, len(self._rare))
        new, n = counts / counts.sum(), effective_size(weight)
        share = self._most_likely(new)

        # The slope of the likelihood is affine in the calibrated probability, and so
        # its mean is compared with that of the training: the test needs no estimate.
        mixed = self._mixed(self.share)
        probability = self.share * self._rare / mixed
        variance = float(mixed @ (probability - self.share) ** 2)
        either = 1 / n + 1 / self._size
        statistic = z_of_ratio(
            float(new @ probability), self.share, np.sqrt(variance * either)
        )
        # Standard error of the estimate if nothing has changed.
        error = np.sqrt(either / variance) * self.share * (1 - self.share)
        if error > _USELESS:
            nothing = Compared(share, 0.0, 1.0, self.share, 0.0, 1.0, 0.0, 1.0)
            return EstimatedShare(nothing, True)
        compared = Compared(
            share,
            *_around(share, z * self._standard_error(share, n)),
            self.share,
            *_around(self.share, z * error),
            statistic,
            two_sided(statistic),
        )
        return EstimatedShare(compared, self._fits(new, share, n))

    def _mixed(self, share: float) -> FloatArray:
        return share * self._rare + (1 - share) * self._other

    def _most_likely(self, new: FloatArray) -> float:
        share = self.share
        for _ in range(_MAX_ITER):
            before = share
            share *= float(new @ (self._rare / self._mixed(share)))
            if abs(share - before) < 1e-9:
                break
        return min(share, 1.0)

    def _standard_error(self, share: float, n: float) -> float:
        """By the delta method, with the errors of both classes' distributions."""
        share = float(np.clip(share, 1 / n, 1 - 1 / n))
        mixed = self._mixed(share)
        information = float(((self._rare - self._other) ** 2 / mixed).sum())
        variance = 1 / (n * information)
        for known, ratio, size in (
            (self._rare, self._other / mixed, self._sizes[1]),
            (self._other, self._rare / mixed, self._sizes[0]),
        ):
            spread = known @ ratio**2 - (known @ ratio) ** 2
            variance += float(spread) / size / information**2
        return float(np.sqrt(variance))

    def _fits(self, new: FloatArray, share: float, n: float) -> bool:
        """Compare the scores with the mixture, both sampled, by Pearson's test."""
        mixed = self._mixed(share)
        known = (
            share**2 * self._rare / self._sizes[1]
            + (1 - share) ** 2 * self._other / self._sizes[0]
        )
        statistic = float(((new - mixed) ** 2 / (mixed / n + known)).sum())
        shown = (n * new + 0.5) / (n + 0.5 * len(new))
        index = float(((shown - mixed) * np.log(shown / mixed)).sum())
        n_free = max(len(mixed) - 2, 1)
        is_near = index - n_free / n <= _POOR_INDEX  # without what chance adds
        return bool(is_near or chi2.sf(statistic, n_free) >= _POOR_FIT)


def _around(share: float, half: float) -> tuple[float, float]:
    return max(share - half, 0.0), min(share + half, 1.0)
