"""The last rows that the workers have answered, in bins, and how these have moved.

All workers share one file, so that what it says is about the server and not about one
of them. It holds a number for each row and column, the bin, and no value of a row.
"""

import fcntl
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from .._saving.model_files import SavedModel
from ..drift import pooled_categories, stability_of_counts

#: Rows that drift is computed over.
N_RECENT = 10_000

_MISSING = np.iinfo(np.uint16).max
# Rows that are compared with edges at once.
_CHUNK = 1_000


class ReferenceBins:
    """Bins of the training's features and scores, from a model file.

    Dates and free texts are left out: they differ between any two periods.

    Parameters
    ----------
    saved : SavedModel

    Attributes
    ----------
    names : list of str
        Features with bins, numbers first.
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
        self._of = [features[name] for name in self.names]
        self._all_numbers = self._numbers == list(saved.columns)
        edges = [features[name]["edges"] for name in self._numbers]
        self._edges = np.full((len(edges), max(map(len, edges), default=0)), np.inf)
        for i, of in enumerate(edges):
            self._edges[i, : len(of)] = of
        # None without out-of-fold scores: those of training rows are no reference.
        self._scores = saved.reference.get("scores")
        edges = self._scores["edges"] if self._scores else []
        self._score_edges = np.array(edges, dtype=float)

    def codes(
        self, rows: pd.DataFrame, probability: np.ndarray, is_alarm: np.ndarray
    ) -> np.ndarray:
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
            column = rows[name]
            if is_datetime64_any_dtype(column):
                found[:, i] = _MISSING
                continue
            found[:, i] = [
                _MISSING if pd.isna(value) else codes.get(str(value), len(codes))
                for value in column.to_numpy(dtype=object)
            ]
        found[:, -2] = np.searchsorted(self._score_edges, probability)
        found[:, -1] = is_alarm
        return found

    def stability(self, codes: np.ndarray) -> dict[str, tuple[float, float]]:
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
            name: _stability(of, codes[:, i])
            for i, (name, of) in enumerate(zip(self.names, self._of, strict=True))
        }

    def score_stability(self, codes: np.ndarray) -> tuple[float, float] | None:
        """The same for the score; None if the file has no out-of-fold scores."""
        return _stability(self._scores, codes[:, -2]) if self._scores else None


def _stability(of: dict[str, Any], codes: np.ndarray) -> tuple[float, float]:
    old = np.array([*of["counts"], *([of["others"]] if "others" in of else [])], int)
    is_missing = codes == _MISSING
    new = np.bincount(codes[~is_missing], minlength=len(old))
    counts = np.stack([np.pad(old, (0, len(new) - len(old))), new])
    if of["kind"] == "category":
        counts = pooled_categories(counts)
    missing = [of["missing"], int(is_missing.sum())]
    psi, by_chance, _ = stability_of_counts(np.column_stack([counts, missing]))
    return psi, by_chance


class RecentRows:
    """The bins of the last rows, in a file that several processes write to.

    Parameters
    ----------
    path : path-like
        Made if there is none.
    n_columns : int
    """

    def __init__(self, path: Path, n_columns: int) -> None:
        self._n_columns = n_columns
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # When the model is replaced, the last request of the old one closes it.
        self.close = weakref.finalize(self, os.close, self._file)
        size = 8 + 2 * N_RECENT * n_columns
        with self._alone():
            if os.fstat(self._file).st_size < size:
                os.ftruncate(self._file, size)
        self._n_rows = np.memmap(path, np.int64, "r+", 0, (1,))
        shape = (N_RECENT, n_columns)
        self._codes = np.memmap(path, np.uint16, "r+", 8, shape)

    def add(self, codes: np.ndarray) -> None:
        """Add rows, of shape (n_rows, n_columns), in place of the oldest ones."""
        with self._alone():
            n_before = int(self._n_rows[0])
            kept = codes[-N_RECENT:]
            first = n_before + len(codes) - len(kept)
            self._codes[(first + np.arange(len(kept))) % N_RECENT] = kept
            self._n_rows[0] = n_before + len(codes)

    def read(self) -> np.ndarray:
        """The last rows, of shape (n_rows, n_columns), in no order."""
        with self._alone():
            return np.array(self._codes[: min(int(self._n_rows[0]), N_RECENT)])

    def _alone(self) -> "_Alone":
        return _Alone(self._lock, self._file)


class _Alone:
    """Keeps out other threads and other processes; a killed process lets go."""

    def __init__(self, lock: threading.Lock, file: int) -> None:
        self._lock, self._file = lock, file

    def __enter__(self) -> None:
        self._lock.acquire()
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._lock.release()
