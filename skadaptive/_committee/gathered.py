"""Rows of a stream that wait until there are enough to learn from.

A chunk of a few rows teaches nothing: every feature of a single row is constant. So
``partial_fit`` gathers rows of small chunks and learns from them as one chunk. How a
stream is cut into chunks smaller than that does not matter.
"""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import logit

from .._features.sparse import stacked
from .._features.values import as_array, as_pandas, is_polars
from .._sklearn_compat import safe_indexing

#: Rows from which the first chunk is learnt, which decides on bins and categories.
FIRST_ROWS = 100
#: Rows from which a later chunk is learnt.
LATER_ROWS = 30

# Least share of a class, so that its logarithm is finite.
_LEAST_SHARE = 1e-15


@dataclass(frozen=True, eq=False)
class GatheredRows:
    """Rows as they were given, in the order in which they came.

    Attributes
    ----------
    tables : tuple of array, sparse or DataFrame of shape (n_rows, n_features)
        One per call; copies of what was given.
    labels : tuple of ndarray of shape (n_rows,)
    weights : tuple of ndarray of shape (n_rows,)
        Positive.
    is_weighted : bool
        Whether any call gave weights.
    """

    tables: tuple[Any, ...] = ()
    labels: tuple[np.ndarray, ...] = ()
    weights: tuple[np.ndarray, ...] = ()
    is_weighted: bool = False

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(map(len, self.labels))

    def append(
        self, X: Any, y: np.ndarray, weight: np.ndarray, is_weighted: bool
    ) -> "GatheredRows":
        """The rows with those of another call; rows of weight 0 count as absent."""
        rows = np.flatnonzero(weight > 0)
        if not rows.size:
            return self
        if is_polars(X):
            X = as_pandas(X)
        elif isinstance(X, list):
            X = as_array(X)
        return GatheredRows(
            (*self.tables, safe_indexing(X, rows)),
            (*self.labels, y[rows]),
            (*self.weights, weight[rows]),
            self.is_weighted or is_weighted,
        )

    def joined(self) -> "GatheredRows":
        """The same rows as those of one call."""
        if len(self.labels) < 2:
            return self
        return replace(
            self,
            tables=(_joined(self.tables),),
            labels=(np.concatenate(self.labels),),
            weights=(np.concatenate(self.weights),),
        )

    def split(self, n_rows: int) -> tuple["GatheredRows", "GatheredRows"]:
        """The first rows, joined, and the others."""
        whole = self.joined()
        (X,), (y,), (weight,) = whole.tables, whole.labels, whole.weights
        parts = np.split(np.arange(len(y)), [n_rows])
        first, rest = (
            GatheredRows().append(
                safe_indexing(X, rows), y[rows], weight[rows], self.is_weighted
            )
            for rows in parts
        )
        return first, rest

    def class_totals(self, classes: np.ndarray) -> np.ndarray:
        """Weight of each class, (n_classes,), in units of the greatest of a row."""
        y, weight = np.concatenate(self.labels), np.concatenate(self.weights)
        indices = np.searchsorted(classes, y)
        return np.bincount(indices, weight / weight.max(), len(classes))

    def logits(self, classes: np.ndarray) -> np.ndarray:
        """Logits of the shares of the classes in the weight, (1, n_outputs)."""
        totals = self.class_totals(classes)
        shares = np.clip(totals / totals.sum(), _LEAST_SHARE, 1 - _LEAST_SHARE)
        return logit(shares[None, 1:]) if len(classes) == 2 else np.log(shares[None])


def _joined(tables: tuple[Any, ...]) -> Any:
    """Tables, one below the other; an array if they are of different types."""
    if all(isinstance(table, pd.DataFrame) for table in tables):
        with warnings.catch_warnings():
            # How columns that are missing in some tables are joined does not matter.
            warnings.simplefilter("ignore", FutureWarning)
            return pd.concat(tables, ignore_index=True)
    # Frames after arrays, or before them, which scikit-learn warns about.
    return stacked([t.to_numpy() if hasattr(t, "to_numpy") else t for t in tables])
