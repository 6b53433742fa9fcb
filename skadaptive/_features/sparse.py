"""Sparse tables: rows of one form, and the columns of them that a network takes.

A table of tens of thousands of columns, such as counts of terms, fits in memory because
most of it is 0. Its dense form does not, and neither do the first layers of a committee
over all columns with the state of their optimizer. So the network takes the columns
that tell most about the class; they are made dense.
"""

from typing import Any

import numpy as np
from scipy.sparse import issparse, vstack

from .._typing import BoolArray, FloatArray, IntArray, SparseTable

# Rows in which a column must not be 0: what holds in two rows holds by chance.
_LEAST_FILLED = 3

# Most columns that are taken, and the most values that they have in all rows; but so
# many columns are taken whatever the number of rows. Of 50,000 terms, 1,000 and 2,000
# are equally good, and 4,000 are worse (docs/research/050).
_MOST_COLUMNS, _MOST_VALUES, _LEAST_COLUMNS = 2048, 2**26, 128


def canonical(X: SparseTable) -> SparseTable:
    """A CSR table with sorted indices, and without duplicates and stored zeros.

    The same rows then have the same form, however they were stored. The table that is
    given stays as it is.
    """
    if X.has_canonical_format and (X.data != 0).all():
        return X
    X = X.copy()
    X.sum_duplicates()
    X.eliminate_zeros()
    return X


def stacked(tables: list[Any]) -> Any:
    """Tables below each other; sparse if one of them is."""
    if any(issparse(table) for table in tables):
        return vstack(tables, format="csr")
    return np.concatenate(tables)


def dense(table: Any) -> FloatArray:
    """A table as an array, of which no copy is made if it is one."""
    return table.toarray() if issparse(table) else table


def same_values(one: Any, other: Any) -> bool:
    """Whether two tables are equal; NaN is equal to NaN."""
    if not (issparse(one) and issparse(other)):
        return np.array_equal(dense(one), dense(other), equal_nan=True)
    return one.shape == other.shape and all(
        np.array_equal(getattr(one, part), getattr(other, part), equal_nan=True)
        for part in ("indptr", "indices", "data")
    )


def row_hashes(X: SparseTable) -> IntArray:
    """Hash of the content of each row, uint64, alike for float32 and float64."""
    with np.errstate(over="ignore"):
        rounded = X.data.astype(np.float32)
    values = rounded.view(np.uint32).astype(np.uint64)
    cells = _mixed(values ^ (X.indices.astype(np.uint64) << np.uint64(32)))
    # The sum does not depend on the order; it wraps around.
    total = np.r_[np.uint64(0), np.cumsum(cells, dtype=np.uint64)]
    return _mixed(np.diff(total[X.indptr]))


def _mixed(x: IntArray) -> IntArray:
    """Spread every bit over all bits: the finalizer of MurmurHash3."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x = (x ^ (x >> np.uint64(33))) * np.uint64(factor)
    return x ^ (x >> np.uint64(33))


def missing_columns(X: Any) -> BoolArray:
    """Which columns of a table, dense or CSR, have missing values, (n_columns,)."""
    if not issparse(X):
        return np.asarray(np.isnan(X).any(axis=0))
    is_missing = np.zeros(X.shape[1], dtype=bool)
    is_missing[X.indices[np.isnan(X.data)]] = True
    return is_missing


def most_columns(n_rows: int) -> int:
    """Most columns of a sparse table that a network takes."""
    return int(np.clip(_MOST_VALUES // max(1, n_rows), _LEAST_COLUMNS, _MOST_COLUMNS))


def column_relevance(
    X: SparseTable, y: IntArray, sample_weight: FloatArray
) -> FloatArray:
    """Share of the variance of each column that lies between the classes.

    It is adjusted for the number of classes, as epsilon squared is in ``relevance``.
    Quantile bins would tell little, because most values are the same 0.

    Parameters
    ----------
    X : CSR table of shape (n_samples, n_columns)
    y : ndarray of shape (n_samples,)
        Class indices.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.

    Returns
    -------
    ndarray of shape (n_columns,), float64
        In [0, 1]; 0 for columns that are not 0 in fewer than three rows. If no column
        is relevant, as where there is one class only, the share of rows in which a
        column is not 0.
    """
    X = X.astype(np.float64)
    X.data = np.nan_to_num(X.data)
    filled = np.bincount(X.indices, minlength=X.shape[1])
    class_weight = np.bincount(y, sample_weight)
    total = class_weight.sum()
    by_class = np.zeros((len(y), len(class_weight)))
    by_class[np.arange(len(y)), y] = sample_weight
    sums = X.T @ by_class
    present = class_weight > 0
    explained = (sums[:, present] ** 2 / class_weight[present]).sum(axis=1)
    mean_part = sums.sum(axis=1) ** 2 / total
    X.data **= 2
    squares = X.T @ sample_weight
    variance = squares - mean_part
    # What rounding leaves of a constant column is no variance.
    varies = (variance > 1e-9 * squares) & (filled >= _LEAST_FILLED)
    share = np.zeros(X.shape[1])
    np.divide(explained - mean_part, variance, out=share, where=varies)
    n_rows = total / sample_weight.min()
    degrees_of_freedom = n_rows - np.count_nonzero(present)
    if degrees_of_freedom > 0:
        share[varies] = 1.0 - (1.0 - share[varies]) * (n_rows - 1) / degrees_of_freedom
    share = np.maximum(share, 0.0)
    return share if share.any() else filled / X.shape[0]
