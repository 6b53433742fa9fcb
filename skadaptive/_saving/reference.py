"""What explanations, costs and monitoring need of the training of a model."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from .._features.text import text_columns
from .._io.columns import ColumnFormat
from .._typing import FloatArray, IntArray
from ..drift import quantile_edges

#: Most rows that are stored for explanations.
N_BACKGROUND = 200

# Bins of a numeric feature, as in skadaptive.drift.population_stability.
_N_BINS = 10
# Categories whose counts are stored; the others are counted together.
_MOST_CATEGORIES = 1000


@dataclass(frozen=True)
class OutOfFold:
    """Rows of the training with probabilities of models that were not trained on them.

    Attributes
    ----------
    y : ndarray of shape (n_rows,)
        1 for the rare class, else 0.
    probability : ndarray of shape (n_rows,)
        Of the rare class.
    sample_weight : ndarray of shape (n_rows,) or None
    """

    y: IntArray
    probability: FloatArray
    sample_weight: FloatArray | None = None

    @classmethod
    def of_contender(cls, comparison: Any, name: str) -> "OutOfFold":
        """The rows of a :class:`skadaptive.comparison.Comparison` that were tested."""
        probability = comparison.out_of_fold_[name].to_numpy()
        tested = np.isfinite(probability)
        weight = comparison.sample_weight_
        return cls(
            comparison.y_[tested],
            probability[tested],
            None if weight is None else weight[tested],
        )


def background_rows(
    X: pd.DataFrame, sample_weight: FloatArray | None, seed: int
) -> pd.DataFrame:
    """A random sample of at most 200 rows, in the order of the table.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    sample_weight : ndarray of shape (n_samples,) or None
        Rows of weight 0 are left out.
    seed : int

    Returns
    -------
    DataFrame of shape (n_rows, n_features)
    """
    rows = np.arange(len(X))
    if sample_weight is not None:
        rows = rows[sample_weight > 0]
    n_rows = min(N_BACKGROUND, len(rows))
    drawn = np.random.default_rng(seed).choice(rows, n_rows, replace=False)
    return X.iloc[np.sort(drawn)].reset_index(drop=True)


def without_texts(
    formats: dict[str, ColumnFormat], X: pd.DataFrame
) -> dict[str, ColumnFormat]:
    """Formats of the columns that name no values of free texts.

    These are values of single rows, and say nothing about which to expect.

    Parameters
    ----------
    formats : dict of str to ColumnFormat
    X : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    dict of str to ColumnFormat
    """
    texts = set(X.columns[text_columns(X)])
    return {
        name: replace(column, levels=()) if name in texts else column
        for name, column in formats.items()
    }


def reference_distributions(
    X: pd.DataFrame, out_of_fold: OutOfFold | None
) -> dict[str, Any]:
    """Distributions of the features and of the scores, in bins.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        The rows of the training.
    out_of_fold : OutOfFold or None

    Returns
    -------
    dict
        ``n_rows``; ``features``, a dict by column; and ``scores``, a distribution of
        the out-of-fold probabilities, or None. A distribution is a dict with its
        ``kind`` and the number of ``missing`` rows, and

        "number", and "date" in seconds since 1970
            ``edges``, the upper edges of all bins but the last, each of which belongs
            to its bin, as in :func:`skadaptive.drift.population_stability`; and
            ``counts`` of rows in each bin. Dates have a ``last`` one, too.
        "category"
            ``values``, at most the 1,000 most frequent, their ``counts`` of rows, and
            the number of rows with ``others``.
        "text"
            nothing else: free texts differ from row to row.
    """
    texts = set(text_columns(X))
    features = {
        str(name): _distribution(X.iloc[:, i], i in texts) for i, name in enumerate(X)
    }
    scores = None
    if out_of_fold is not None:
        scores = _distribution(pd.Series(out_of_fold.probability), False)
    return {"n_rows": len(X), "features": features, "scores": scores}


def check_distributions(reference: dict[str, Any], columns: Collection[str]) -> None:
    """Check what a file holds against :func:`reference_distributions`.

    Parameters
    ----------
    reference : dict
    columns : collection of str
        Features of the model.

    Raises
    ------
    Exception
        Of any kind, if a part is missing or is of another kind.
    """
    if not reference:
        return
    features, scores = reference["features"], reference.get("scores")
    _check_counts([reference["n_rows"]])
    if not set(features) <= set(columns):
        raise ValueError("distributions are of other columns than the model's")
    for of in (*features.values(), *([scores] if scores else [])):
        _check_counts([of["missing"]])
        if of["kind"] in ("number", "date"):
            edges = np.array(of["edges"], dtype=float)
            n_bins = len(edges) + bool(of["counts"])
            if (
                edges.ndim != 1
                or not np.isfinite(edges).all()
                or (np.diff(edges) < 0).any()
            ):
                raise ValueError("edges of bins are not in order")
            if not np.isfinite(float(of.get("last", 0.0))):
                raise ValueError("a last date is none")
        elif of["kind"] == "category":
            n_bins = len(of["values"])
            _check_counts([of["others"]])
            if not all(isinstance(value, str) for value in of["values"]):
                raise ValueError("categories are no texts")
        elif of["kind"] == "text":
            continue
        else:
            raise ValueError("a distribution is of no known kind")
        _check_counts(of["counts"])
        if len(of["counts"]) != n_bins:
            raise ValueError("counts do not fit the bins")


def _check_counts(counts: Any) -> None:
    if not all(type(count) is int and 0 <= count < 1 << 53 for count in counts):
        raise ValueError("counts are no numbers of rows")


def _distribution(column: pd.Series, is_text: bool) -> dict[str, Any]:
    present = column.dropna()
    missing = {"missing": len(column) - len(present)}
    if is_text:
        return {"kind": "text"} | missing
    if is_datetime64_any_dtype(column):
        seconds = seconds_of(present)
        last = {"last": float(seconds.max())} if len(seconds) else {}
        return {"kind": "date"} | missing | last | _bins(seconds)
    if is_numeric_dtype(column):
        return {"kind": "number"} | missing | _bins(present)
    counts = present.astype(str).value_counts()
    kept = counts.iloc[:_MOST_CATEGORIES]
    return {
        "kind": "category",
        **missing,
        "values": kept.index.tolist(),
        "counts": kept.tolist(),
        "others": int(counts.iloc[_MOST_CATEGORIES:].sum()),
    }


def seconds_of(dates: pd.Series) -> pd.Series:
    """Seconds since 1970 of dates, of which those without a time zone are in UTC."""
    start = pd.Timestamp(0, tz="UTC").as_unit("s")
    return (pd.to_datetime(dates, utc=True) - start).dt.total_seconds()


def _bins(column: pd.Series) -> dict[str, list]:
    values = column.to_numpy(dtype=float)
    if not len(values):
        return {"edges": [], "counts": []}
    edges = quantile_edges(values, _N_BINS)
    bins = np.searchsorted(edges, values)
    counts = np.bincount(bins, minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "counts": counts.tolist()}
