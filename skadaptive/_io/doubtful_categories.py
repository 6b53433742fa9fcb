"""Texts that are taken for categories and look like something else.

A file's columns get their kinds from their texts, see ``columns``. The columns of a
frame come with dtypes: a column of texts is one of categories there, whatever the texts
say.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .._messages import shortened, shown
from . import dates, numbers

# A column of fewer distinct texts has a column for each, and enough rows of each.
_FEWEST = 20
# Share of different texts from which on a category says nothing about other rows. It is
# that of free texts, see ``_features.text``.
_MOST_DIFFERENT = 0.8
# Least share of the distinct texts that are numbers or dates, as in files.
_NEARLY_ALL = numbers.NEARLY_ALL
# Distinct texts that are looked at, evenly spaced. Each takes some 10 microseconds.
_N_SAMPLE = 500
# Beginnings of the names of categorical dtypes in pandas and polars.
_CATEGORICAL = ("categor", "enum")


def doubtful_columns(X: Any, levels: Mapping[int, np.ndarray]) -> dict[int, str]:
    """Find columns of categories whose texts look like something else.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Of pandas or polars.
    levels : mapping of int to ndarray of shape (n_levels,)
        The distinct values of each column of categories. A missing one may be among
        them.

    Returns
    -------
    dict of int to str
        What each such column holds, for a message: texts that read as numbers or as
        dates, or that differ in nearly every row. A column of a categorical dtype is
        none, as that says what it is; nor is one with fewer than 20 texts.
    """
    table = X.iloc if isinstance(X, pd.DataFrame) else X
    found = {}
    for i, values in levels.items():
        values = values[pd.notna(values)]
        if len(values) < _FEWEST:
            continue
        column = table[:, i]
        if str(column.dtype).lower().startswith(_CATEGORICAL):
            continue
        sample = _sample(values)
        reads = _reads_as(sample)
        n_rows = int(pd.notna(np.asarray(column, dtype=object)).sum())
        if reads or (len(sample) and len(values) >= _MOST_DIFFERENT * n_rows):
            found[i] = f"{len(values):,} different texts in {n_rows:,} rows"
            found[i] += f"{reads}, such as {shown(shortened(sample.iloc[0]))}"
    return found


def _sample(values: np.ndarray) -> pd.Series:
    """Some of the values, without blanks around them; none if they are not texts."""
    every = np.linspace(0, len(values) - 1, min(len(values), _N_SAMPLE)).astype(int)
    sample = pd.Series(values[every], dtype=object)
    if pd.api.types.infer_dtype(sample) != "string":
        return sample.iloc[:0]
    return numbers.normalized(sample)


def _reads_as(sample: pd.Series) -> str:
    if len(sample) == 0 or sample.str.contains(r"[0-9]").mean() < _NEARLY_ALL:
        return ""
    if _are_dates(sample):
        return " that read as dates"
    return " that read as numbers" if _are_numbers(sample) else ""


def _are_dates(sample: pd.Series) -> bool:
    try:
        found = dates.find_dates(sample)
    except dates.AmbiguousDates:  # of which no one knows what comes first
        return True
    return found is not None and bool(found.is_date.mean() >= _NEARLY_ALL)


def _are_numbers(sample: pd.Series) -> bool:
    counts = np.ones(len(sample), dtype=int)
    found = numbers.find_numbers(sample, counts, numbers.NumberMarks())
    if found is None or found.is_number.mean() < _NEARLY_ALL:
        return False
    return not numbers.are_codes(sample[found.is_number])
