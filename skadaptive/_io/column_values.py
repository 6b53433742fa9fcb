"""Values of single columns that spoil a comparison: give-aways, and codes for missing.

A value gives the class away if nearly all of its rows are of the rare class. Several
such values can be the target together although each column alone has a low ROC AUC: a
failure is one of four flags, say.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from .._typing import BoolArray, FloatArray, IntArray

# Columns of more distinct values are not looked at value by value.
_MOST_VALUES = 50
# Least share of the rare class among the rows of a value that gives it away.
_LEAST_PURITY = 0.98
# Greatest probability of as many rare rows by chance, times the number of values.
_GREATEST_LUCK = 1e-3
# Values that cover a smaller share of the rare rows together hardly change the scores.
_LEAST_COVERED = 0.1
# Numbers that files use for missing values.
_CODES = [sign * (10**n - 1) for n in range(1, 9) for sign in (-1, 1)]
# A code that is seen fewer times, or among fewer other values, could be a value.
_LEAST_REPEATED = 3


@dataclass(frozen=True)
class TellingValue:
    """A value of a column nearly all of whose rows are of the rare class.

    Attributes
    ----------
    column : str
    value : object
        None for a missing value.
    is_other : bool
        Whether the rows are those with any value but this one.
    rows : ndarray of bool of shape (n_samples,)
        The rows of the value.
    """

    column: str
    value: Any
    is_other: bool
    rows: BoolArray


@dataclass(frozen=True)
class MissingCode:
    """A number that seems to stand for a missing value.

    Attributes
    ----------
    column : str
    value : float
    n_rows : int
        Number of rows with it.
    low, high : float
        Least and greatest of the other values.
    """

    column: str
    value: float
    n_rows: int
    low: float
    high: float


def telling_values(X: pd.DataFrame, y: IntArray) -> list[TellingValue]:
    """Find values that give the rare class away.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : ndarray of shape (n_samples,)
        1 for the rare class, else 0.

    Returns
    -------
    list of TellingValue
        Those with the most rows first; empty if they cover less than a tenth of the
        rare rows together.
    """
    found, n_values = [], 0
    for name in X:
        for value in _values(name, X[name]):
            n_values += 1
            n_rows, n_rare = int(value.rows.sum()), int(y[value.rows].sum())
            if n_rows and n_rare >= _LEAST_PURITY * n_rows:
                luck = binom.sf(n_rare - 1, n_rows, y.mean())
                found.append((n_rows, luck, value))
    found = [entry for entry in found if entry[1] * n_values < _GREATEST_LUCK]
    found.sort(key=lambda entry: -entry[0])
    values: list[TellingValue] = []
    for _, _, value in found:
        # The values other than the most frequent one need not be listed one by one.
        if not any(v.is_other and v.column == value.column for v in values):
            values.append(value)
    return values if n_covered(values, y) >= _LEAST_COVERED * y.sum() else []


def n_covered(values: list[TellingValue], y: IntArray) -> int:
    """Number of rare rows that have one of some values."""
    if not values:
        return 0
    return int(y[np.any([value.rows for value in values], axis=0)].sum())


def _values(name: str, column: pd.Series) -> Iterator[TellingValue]:
    """Values of a column whose rows are worth a look, missing values among them."""
    codes, uniques = pd.factorize(column)
    if (codes < 0).any():
        yield TellingValue(name, None, False, codes < 0)
    if len(uniques) <= _MOST_VALUES:
        for code, value in enumerate(uniques):
            yield TellingValue(name, value, False, codes == code)
    if len(uniques) > 2:
        most_frequent = np.bincount(codes[codes >= 0]).argmax()
        others = (codes >= 0) & (codes != most_frequent)
        yield TellingValue(name, uniques[most_frequent], True, others)


def missing_codes(X: pd.DataFrame) -> list[MissingCode]:
    """Find numbers such as -999 or 9999 that seem to stand for missing values.

    Such a number is repeated and is beyond all other values of its column: by more than
    their whole range, or as the only negative number, from -99 down.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)

    Returns
    -------
    list of MissingCode
    """
    codes = []
    for name in X:
        if not pd.api.types.is_numeric_dtype(X[name]):
            continue
        values = X[name].to_numpy(dtype=float, na_value=np.nan)
        codes += _codes_of(name, values[np.isfinite(values)])
    return codes


def _codes_of(name: str, values: FloatArray) -> list[MissingCode]:
    is_code = np.isin(values, _CODES)
    others = values[~is_code]
    if not is_code.any() or len(np.unique(others[:1000])) < _LEAST_REPEATED:
        return []
    low, high = float(others.min()), float(others.max())
    found = []
    for code, n_rows in zip(
        *np.unique(values[is_code], return_counts=True), strict=True
    ):
        gap = max(low - code, code - high)
        only_negative = code <= -99 and low >= 0
        if n_rows >= _LEAST_REPEATED and (gap > high - low or only_negative):
            found.append(MissingCode(name, float(code), int(n_rows), low, high))
    return found
