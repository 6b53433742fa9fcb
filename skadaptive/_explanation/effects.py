"""Partial dependence of the probability on a feature (Friedman, 2001)."""

import numpy as np
import pandas as pd

# Rows over which the probability is averaged, and points of a feature.
_MOST_ROWS = 500
_MOST_POINTS = 20


def grid_rows(table, columns):
    """Rows of the table that hold the values at which the effect is computed.

    Up to 20 values are all taken. Of more, numbers and dates have 20 quantiles from
    2 % to 98 %, which are values of the table, and categories the 20 most frequent.
    Missing values come last.

    Parameters
    ----------
    table : MixableTable
    columns : list of int
        One column, or the one-hot columns of a category.

    Returns
    -------
    rows : ndarray of int, shape (n_points,)
    share : ndarray of shape (n_points,)
        Share of all rows that have this value.
    is_ordered : bool
        Whether the values are numbers or dates.
    """
    codes, first = _value_codes(table, columns)
    column = table.column(columns[0])
    is_ordered = len(columns) == 1 and _is_ordered(column)
    missing = column.isna().to_numpy() if len(columns) == 1 else codes < 0
    present = np.flatnonzero(~missing)
    counts = np.bincount(codes[present], minlength=len(first))
    if np.count_nonzero(counts) <= _MOST_POINTS:
        rows = first[counts > 0]
    elif is_ordered:
        ordered = present[np.argsort(column.to_numpy()[present], kind="stable")]
        levels = np.linspace(0.02, 0.98, _MOST_POINTS)
        places = np.round(levels * (len(ordered) - 1)).astype(int)
        rows = first[codes[ordered[places]]]
        rows = rows[np.sort(np.unique(rows, return_index=True)[1])]
    else:
        rows = first[np.argsort(-counts, kind="stable")[:_MOST_POINTS]]
    if is_ordered:
        rows = rows[np.argsort(column.to_numpy()[rows], kind="stable")]
    else:
        rows = rows[np.argsort(-counts[codes[rows]], kind="stable")]
    share = counts[codes[rows]] / len(codes)
    if missing.any():
        rows = np.r_[rows, np.flatnonzero(missing)[0]]
        share = np.r_[share, missing.mean()]
    return rows, share, is_ordered


def partial_dependence(model, table, columns, grid, rng):
    """Mean probability if all rows had the values of one row in some columns.

    Parameters
    ----------
    model : ExplainedModel
    table : MixableTable
    columns : list of int
    grid : ndarray of int, shape (n_points,)
        Rows that hold the values.
    rng : numpy.random.Generator
        Draws the rows, if there are more than 500.

    Returns
    -------
    ndarray of shape (n_points,)
    """
    rows = np.arange(len(table))
    if len(rows) > _MOST_ROWS:
        rows = np.sort(rng.choice(rows, _MOST_ROWS, replace=False))
    repeated = np.tile(rows, len(grid))  # all points are one table, which is quicker
    values = np.repeat(grid, len(rows))
    members = None if model.members is None else model.members[repeated]
    mixed = table.mixed(repeated, dict.fromkeys(columns, values))
    proba = model.proba(mixed, members)[:, model.index]
    return proba.reshape(len(grid), len(rows)).mean(axis=1)


def _value_codes(table, columns):
    """Number of each row's value, -1 where missing, and the first row of each."""
    if len(columns) == 1:
        codes = table.codes[:, columns[0]]
    else:
        combined = pd.MultiIndex.from_arrays(list(table.codes[:, columns].T))
        codes = pd.factorize(combined)[0]
    present = np.flatnonzero(codes >= 0)
    numbers, first = np.unique(codes[present], return_index=True)
    rows = np.zeros(numbers.max(initial=-1) + 1, dtype=int)
    rows[numbers] = present[first]
    return codes, rows


def _is_ordered(column):
    is_date = pd.api.types.is_datetime64_any_dtype
    return pd.api.types.is_numeric_dtype(column) or is_date(column)
