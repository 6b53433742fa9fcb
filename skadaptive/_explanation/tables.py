"""Tables whose columns are mixed from several rows, whatever their container.

Every question that is put to a classifier here is a table of rows that exist, in which
some columns come from other rows: permuted for the importance, all alike for the
partial dependence, of a background row for the Shapley values. So values keep their
dtype, and no value is asked about that the table does not hold.
"""

from functools import cached_property
from numbers import Integral

import numpy as np
import pandas as pd
from scipy.sparse import issparse


class MixableTable:
    """A dense table, by numbers of rows and columns.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_rows, n_columns)

    Attributes
    ----------
    X : ndarray or DataFrame of shape (n_rows, n_columns)
    names : list of str
        Names of the columns; x0, x1 and so on in an array.

    Raises
    ------
    ValueError
        If X is sparse, has no rows or is not two-dimensional.
    """

    def __init__(self, X):
        if issparse(X):
            raise ValueError(
                "X is sparse, and explanations need a dense table: pass the rows to "
                "explain as X.toarray(), or as a DataFrame."
            )
        if not isinstance(X, pd.DataFrame):
            X = X.to_pandas() if hasattr(X, "to_pandas") else np.asarray(X)
        if X.ndim != 2 or 0 in X.shape:
            raise ValueError(
                "X must have two dimensions, rows and features, and at least one of "
                f"each; got shape {tuple(X.shape)}."
            )
        self.X = X
        if isinstance(X, pd.DataFrame):
            self.names = [str(name) for name in X.columns]
        else:
            self.names = [f"x{i}" for i in range(X.shape[1])]
        repeated = {name for name in self.names if self.names.count(name) > 1}
        if repeated:
            raise ValueError(
                f"X has columns of the same name: {', '.join(sorted(repeated))}."
            )

    def __len__(self):
        return len(self.X)

    @cached_property
    def codes(self):
        """Whole numbers that are equal where values are, (n_rows, n_columns).

        Missing values are equal to each other.
        """
        columns = [pd.factorize(self.column(j))[0] for j in range(len(self.names))]
        return np.stack(columns, axis=1)

    def index_of(self, column):
        """Number of a column, from its name or number.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if isinstance(column, str) and column in self.names:
            return self.names.index(column)
        is_number = isinstance(column, Integral) and not isinstance(column, bool)
        if is_number and 0 <= column < len(self.names):
            return int(column)
        shown = ", ".join(self.names[:10]) + (", ..." if len(self.names) > 10 else "")
        counted = (
            f" Numbers count from 0 to {len(self.names) - 1}." if is_number else ""
        )
        raise ValueError(f"X has no column {column!r}. Its columns: {shown}.{counted}")

    def column(self, index):
        """A column as a Series with row numbers for its index."""
        if isinstance(self.X, pd.DataFrame):
            return self.X.iloc[:, index].reset_index(drop=True)
        return pd.Series(self.X[:, index])

    def is_number(self, index):
        """Whether a column holds numbers or bools."""
        return pd.api.types.is_numeric_dtype(self.column(index))

    def numbers(self, index):
        """A column of numbers as floats, NaN where missing, (n_rows,)."""
        return self.column(index).to_numpy(dtype=float, na_value=np.nan)

    def mixed(self, rows, replaced=None):
        """Rows of this table, some columns of which come from other rows.

        Parameters
        ----------
        rows : ndarray of int, shape (n,)
        replaced : dict of int to ndarray of shape (n,), default=None
            Numbers of the rows from which a column comes instead, by column.

        Returns
        -------
        ndarray or DataFrame of shape (n, n_columns)
            The container and the dtypes of ``X``.
        """
        replaced = replaced or {}
        if not isinstance(self.X, pd.DataFrame):
            mixed = self.X[rows]
            for index, others in replaced.items():
                mixed[:, index] = self.X[others, index]
            return mixed
        dtypes = set(self.X.dtypes)
        if len(dtypes) == 1 and isinstance(next(iter(dtypes)), np.dtype):
            values = self.X.to_numpy()
            mixed = values[rows]
            for index, others in replaced.items():
                mixed[:, index] = values[others, index]
            return pd.DataFrame(mixed, columns=self.X.columns)
        columns = {
            index: self.X.iloc[:, index].array.take(replaced.get(index, rows))
            for index in range(len(self.names))
        }
        return pd.DataFrame(columns, copy=False).set_axis(self.X.columns, axis=1)

    def with_rows_of(self, X):
        """Return this table with the rows of another one below.

        Raises
        ------
        ValueError
            If the other has other columns.
        """
        other = MixableTable(X)
        if not isinstance(self.X, pd.DataFrame):
            if other.X.shape[1] != self.X.shape[1]:
                raise ValueError(
                    f"background must have the {self.X.shape[1]} columns of X; got "
                    f"{other.X.shape[1]}."
                )
            return MixableTable(np.concatenate([self.X, np.asarray(other.X)]))
        missing = [name for name in self.names if name not in other.names]
        if missing:
            raise ValueError(
                f"background lacks columns of X: {', '.join(missing[:5])}"
                f"{', ...' if len(missing) > 5 else ''}."
            )
        places = [other.names.index(name) for name in self.names]
        columns = [
            _stacked(self.X.iloc[:, i], other.X.iloc[:, j])
            for i, j in enumerate(places)
        ]
        frame = pd.concat(columns, axis=1)
        return MixableTable(frame.set_axis(self.X.columns, axis=1))


def _stacked(first, second):
    """Two columns below each other; categories keep a dtype of categories.

    Categories that differ have no common order, and none at all if their values are of
    different types.
    """
    parts = [first, second]
    if (
        first.dtype != second.dtype
        and all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts)
        and first.cat.categories.dtype == second.cat.categories.dtype
    ):
        union = pd.api.types.union_categoricals(parts, ignore_order=True)
        return pd.Series(union)
    return pd.concat([first, second], ignore_index=True)
