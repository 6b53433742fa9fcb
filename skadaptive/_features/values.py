"""Columns that are not numbers yet: dates, texts, and missing values of every kind.

None, NaN, NaT and pandas.NA mean the same in a frame, an array and a list: missing.
What cannot become a number is refused with the name of its column, before scikit-learn
or NumPy would refuse the whole table.
"""

import re
from collections.abc import Container
from typing import Any

import numpy as np
import pandas as pd

from .._messages import shortened, shown

# Kinds of dtypes that are numbers, as NumPy, pandas and scikit-learn convert them.
_NUMBERS = "biufc"
# Names of the dtypes of dates and times in pandas and polars, in lower case.
_TIMES = ("date", "time", "duration", "period")


def needs_conversion(X: Any) -> bool:
    """Whether a table has columns that are not numbers by their dtype.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        Sparse tables and arrays of other libraries never do.
    """
    if isinstance(X, pd.DataFrame):
        return any(not _is_number(dtype) for dtype in X.dtypes)
    if is_polars(X):
        return any(not dtype.is_numeric() for dtype in X.dtypes)
    if isinstance(X, np.ndarray):
        return X.ndim == 2 and not _is_number(X.dtype)
    return isinstance(X, list) and needs_conversion(as_array(X))


def with_numbers(
    X: Any, categorical: Container[int] = (), *, is_fit: bool = False
) -> Any:
    """Turn the columns of a table that are no categories into numbers.

    Parameters
    ----------
    X : array-like or DataFrame of shape (n_samples, n_features)
        A table for which :func:`needs_conversion` holds.
    categorical : container of int
        Columns that are categories. They stay as they are.
    is_fit : bool, default=False
        Whether these are the rows of ``fit``, of which categories could be named.

    Returns
    -------
    array or DataFrame of shape (n_samples, n_features)
        Of the type that was given, or an array for a list. Missing values are NaN.

    Raises
    ------
    ValueError
        If a column holds dates or texts, or a categorical one texts beside numbers.
    TypeError
        If a column holds other objects.
    """
    advice = _advice(X, is_fit)
    if isinstance(X, pd.DataFrame):
        frame = X.copy(deep=False)
        for i, dtype in enumerate(X.dtypes):
            if i in categorical:
                _check_categories(X.iloc[:, i], X.columns[i])
            elif not _is_number(dtype):
                numbers = _numbers(X.iloc[:, i], X.columns[i], dtype, advice)
                frame.isetitem(i, numbers)
        return frame
    if is_polars(X):
        converted = [
            type(X[:, i])(X.columns[i], _numbers(X[:, i], X.columns[i], dtype, advice))
            for i, dtype in enumerate(X.dtypes)
            if i not in categorical and not dtype.is_numeric()
        ]
        return X.with_columns(converted)
    values = as_array(X)
    columns = range(values.shape[1])
    numeric = {
        i: _numbers(values[:, i], i, values.dtype, advice)
        for i in columns
        if i not in categorical
    }
    if len(numeric) == len(columns):
        return np.stack([*numeric.values()], axis=1)
    mixed = values.astype(object)
    for i in columns:
        if i in numeric:
            mixed[:, i] = numeric[i]
        else:
            _check_categories(mixed[:, i], i)
    return mixed


def column_title(name: Any) -> str:
    """What messages call a column: its name, or its number in an array."""
    return f"Column {name!r}" if isinstance(name, str) else f"Column {name}"


def is_polars(X: Any) -> bool:
    """Whether a table is a frame of polars."""
    return hasattr(X, "with_columns") and hasattr(X, "dtypes")


def as_pandas(X: Any) -> pd.DataFrame:
    """A frame of polars as one of pandas, missing values as NaN or None."""
    return pd.DataFrame({name: X[name].to_numpy() for name in X.columns})


def _is_number(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in _NUMBERS


def as_array(X: Any) -> np.ndarray:
    """A list of rows as an array, in which missing values stay what they are."""
    if isinstance(X, np.ndarray):
        return X
    try:
        array = np.asarray(X)
        # Beside texts NumPy turns a missing value into the text "nan".
        return np.asarray(X, dtype=object) if array.dtype.kind in "US" else array
    except ValueError:  # rows of several lengths, which scikit-learn refuses
        return np.empty(0)


def _advice(X: Any, is_fit: bool) -> str:
    """What to do about a column of texts, whose name or number is to be put in."""
    if not is_fit:
        return ""
    ways = "pass categorical_features=[{}], or turn it into numbers"
    if not hasattr(X, "columns"):
        return f"and an array has no column types: {ways}, or pass a DataFrame"
    return f"and is none of the categorical_features: {ways}"


def _numbers(column: Any, name: Any, dtype: Any, advice: str = "") -> np.ndarray:
    """A column as float64, or an error that names it."""
    if _is_time(column, dtype):
        raise ValueError(
            f"{column_title(name)} holds dates or times. AdaptiveHybridClassifier "
            "takes numbers and categories: turn them into numbers, such as days since "
            "a fixed date, or fit skadaptive.contenders.raw_pipeline(X, classifier), "
            "which does so for dates."
        )
    values = np.asarray(column, dtype=object)
    known = ~pd.isna(values)
    numbers = np.full(len(values), np.nan)
    try:
        numbers[known] = values[known].astype(np.float64)
    except (TypeError, ValueError) as error:
        first = next(value for value in values[known] if not _converts(value))
        if advice and isinstance(first, str):
            raise ValueError(
                f"{column_title(name)} holds texts ({shown(shortened(first))}), "
                f"{advice.format(repr(name))}."
            ) from None
        title = column_title(_plain_name(name))
        got = no_number(values)
        if not isinstance(first, str):
            got = f"{shown(first)}: {error}."  # what Python says of its type
        raise type(error)(
            f"{title} must hold numbers, as in the rows of fit, or be one of the "
            f"categorical_features from fit on; got {got}"
        ) from None
    return numbers


def no_number(column: Any) -> str | None:
    """The first value of a column that is no number, for a message.

    Parameters
    ----------
    column : array-like of shape (n_samples,)

    Returns
    -------
    str or None
        The value, its row and what to do about it; None if all are numbers or missing.
    """
    values = np.asarray(column, dtype=object)
    rows = np.flatnonzero(~pd.isna(values))
    try:
        values[rows].astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        row = next(row for row in rows.tolist() if not _converts(values[row]))
    else:
        return None
    first = values[row]
    texts = [value for value in values[rows].tolist() if isinstance(value, str)]
    value = shown(shortened(first)) if isinstance(first, str) else shown(first)
    place = f"in row {row + 1:,}, counted from 1"
    return f"{shortened(value, 60)} {place}. {_how_to_read(texts)}"


# Commas before other numbers of digits than three, or after points: decimal marks.
_DECIMAL_COMMA = re.compile(r"^[^,]*\d,(?:\d{1,2}|\d{4,})\s*$|\.\d{3},\d")
_THOUSANDS = re.compile(r"^\s*[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?\s*$")


def _how_to_read(texts: list[str]) -> str:
    """Advice on texts that stand where numbers should, by how they are written."""
    if any(map(_DECIMAL_COMMA.search, texts)):
        marks = "decimal=',', thousands='.'"
    elif any(map(_THOUSANDS.search, texts)):
        marks = "thousands=','"
    else:
        return "Correct the value, or make it missing (NaN)."
    return f"Read the file with pandas.read_csv(..., {marks})."


def _plain_name(name: Any) -> Any:
    """A name as the table has it, without what a ColumnTransformer writes before."""
    return name.removeprefix("remainder__") if isinstance(name, str) else name


def inferred_kind(column: Any) -> str:
    """Kind of the values of a column of objects that are not missing, by pandas's name.

    Parameters
    ----------
    column : array-like of shape (n_samples,)

    Returns
    -------
    str
        Such as "string", "mixed", "datetime" or "empty".
    """
    values = np.asarray(column, dtype=object)
    return str(pd.api.types.infer_dtype(values[~pd.isna(values)], skipna=False))


def _is_time(column: Any, dtype: Any) -> bool:
    name = str(dtype).lower()
    return (inferred_kind(column) if name == "object" else name).startswith(_TIMES)


def _converts(value: Any) -> bool:
    single = np.empty(1, dtype=object)
    single[0] = value  # a list stays one value
    try:
        single.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _check_categories(column: Any, name: Any) -> None:
    """Refuse values of several types, which no encoder can sort."""
    is_object = str(getattr(column, "dtype", None)) == "object"
    if is_object and inferred_kind(column).startswith("mixed"):
        values = np.asarray(column, dtype=object)
        values = values[~pd.isna(values)]
        types = sorted({type(value).__name__ for value in values})
        raise ValueError(
            f"{column_title(name)} is a category and holds values of the types "
            f"{', '.join(types)}, such as {shown(values[0])}. Make all of them texts: "
            "astype(str) where they are not missing."
        )
