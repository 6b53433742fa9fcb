"""Bins of the training's features and scores, from a model file."""

from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from .._assessment.threshold_counts import ScoredRows
from .._saving.model_files import SavedModel
from .._typing import FloatArray, IntArray
from ..drift import pooled_categories, stability_of_counts
from .shares import ShareEstimator

_MISSING = np.iinfo(np.uint16).max
# Rows that are compared with edges at once.
_CHUNK = 1_000


class ReferenceBins:
    """Bins of the training's features and scores, from a model file.

    Dates and free texts are left out: they differ between any two periods. The score
    has the bins of :class:`~skadaptive._monitoring.shares.ShareEstimator`.

    Parameters
    ----------
    saved : SavedModel

    Attributes
    ----------
    names : list of str
        Features with bins, numbers first.
    distributions : list of dict
        Of these features, as :func:`skadaptive._saving.reference.\
reference_distributions` describes them.
    scores : dict or None
        Distribution of the out-of-fold scores. None if the file has none of both
        classes: scores of rows that the model was trained on are no reference.
    """

    def __init__(self, saved: SavedModel) -> None:
        features = saved.reference.get("features", {})
        self._numbers = [n for n, of in features.items() if of["kind"] == "number"]
        categories = [n for n, of in features.items() if of["kind"] == "category"]
        self._codes = {
            name: {value: i for i, value in enumerate(features[name]["values"])}
            for name in categories
        }
        self.names = [*self._numbers, *categories]
        self.distributions = [features[name] for name in self.names]
        self._all_numbers = self._numbers == list(saved.columns)
        edges = [features[name]["edges"] for name in self._numbers]
        self._edges = np.full((len(edges), max(map(len, edges), default=0)), np.inf)
        for i, of in enumerate(edges):
            self._edges[i, : len(of)] = of
        self.scores = _score_bins(saved)
        edges = self.scores["edges"] if self.scores else []
        self._score_edges = np.array(edges, dtype=float)

    def codes(
        self, rows: pd.DataFrame, probability: FloatArray, is_alarm: np.ndarray
    ) -> IntArray:
        """Bins of rows, of shape (n_rows, n_features + 2).

        The last two columns are the bin of the score, and 1 for an alarm.

        Parameters
        ----------
        rows : DataFrame of shape (n_rows, n_features)
        probability : ndarray of shape (n_rows,)
        is_alarm : ndarray of bool of shape (n_rows,)
        """
        found = np.empty((len(rows), len(self.names) + 2), dtype=np.uint16)
        numbers = rows if self._all_numbers else rows[self._numbers]
        values = numbers.to_numpy(dtype=float, na_value=np.nan)
        for start in range(0, len(rows), _CHUNK):
            part = values[start : start + _CHUNK, :, None]
            # An edge belongs to the bin below it.
            bins = (part > self._edges).sum(axis=2)
            bins[np.isnan(part[:, :, 0])] = _MISSING
            found[start : start + _CHUNK, : len(self._numbers)] = bins
        for i, (name, codes) in enumerate(self._codes.items(), len(self._numbers)):
            found[:, i] = _category_codes(rows[name], codes)
        found[:, -2] = np.searchsorted(self._score_edges, probability)
        found[:, -1] = is_alarm
        return found

    def counts(self, i: int, codes: IntArray) -> IntArray:
        """Rows of the training and new rows in each bin of a feature, (2, n_bins).

        The last bin holds missing values. The last but one of a category holds the
        values that are not listed in the file, which are new unless it has ``others``.

        Parameters
        ----------
        i : int
            Index of the feature, or -1 for the score.
        codes : ndarray of shape (n_rows, n_features + 2)
        """
        if i == -1 and self.scores is not None:
            return _counts(self.scores, codes[:, -2])
        return _counts(self.distributions[i], codes[:, i])

    def stability(self, codes: IntArray) -> dict[str, tuple[float, float]]:
        """Index of each feature, and its limit by chance, against the training.

        Parameters
        ----------
        codes : ndarray of shape (n_rows, n_features + 2)
            At least one row.

        Returns
        -------
        dict of str to tuple of two floats
            See :func:`skadaptive.drift.population_stability`.
        """
        return {
            name: stability_of_bins(
                self.counts(i, codes), self.distributions[i]["kind"] == "category"
            )
            for i, name in enumerate(self.names)
        }

    def score_stability(self, codes: IntArray) -> tuple[float, float] | None:
        """The same for the score; None if there is no distribution of scores."""
        if self.scores is None:
            return None
        return stability_of_bins(self.counts(-1, codes), False)


def _score_bins(saved: SavedModel) -> dict[str, Any] | None:
    """Distribution of the out-of-fold scores, in bins of its upper part.

    Deciles of all scores, which the file has, are mostly low ones, among which the
    final model differs from those of the folds without any drift.
    """
    known = saved.out_of_fold
    if known is None or not saved.reference.get("scores"):
        return None
    rows = ScoredRows(known.y, known.probability, known.sample_weight)
    if len(np.unique(rows.y)) < 2:
        return None
    return ShareEstimator(rows).distribution(known.probability)


def stability_of_bins(counts: IntArray, is_category: bool) -> tuple[float, float]:
    """Index of stability, and its limit by chance, of the counts of a feature.

    Parameters
    ----------
    counts : ndarray of shape (2, n_bins)
        As :meth:`ReferenceBins.counts` returns them.
    is_category : bool
        Whether rare bins are pooled.
    """
    if is_category:
        counts = with_rare_pooled(counts)
    psi, by_chance, _ = stability_of_counts(counts)
    return psi, by_chance


def with_rare_pooled(counts: IntArray) -> IntArray:
    """Counts of a categorical feature with its rare values in one bin."""
    return np.column_stack([pooled_categories(counts[:, :-1]), counts[:, -1]])


def _counts(of: dict[str, Any], codes: IntArray) -> IntArray:
    old = np.array(of["counts"], int)
    if of["kind"] == "category":
        old = np.append(old, of["others"])
    is_missing = codes == _MISSING
    new = np.bincount(codes[~is_missing], minlength=len(old))
    counts = np.stack([np.pad(old, (0, len(new) - len(old))), new])
    return np.column_stack([counts, [of["missing"], int(is_missing.sum())]])


def _category_codes(column: pd.Series, codes: dict[str, int]) -> np.ndarray:
    if is_datetime64_any_dtype(column):
        return np.full(len(column), _MISSING)
    values = column.to_numpy(dtype=object)
    if len(values) <= _CHUNK:
        return np.array([_category_code(value, codes) for value in values])
    places, distinct = pd.factorize(values)
    by_place = [_category_code(value, codes) for value in distinct]
    return np.array([*by_place, _MISSING])[places]


def _category_code(value: Any, codes: dict[str, int]) -> int:
    return _MISSING if pd.isna(value) else codes.get(str(value), len(codes))
