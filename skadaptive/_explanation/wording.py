"""Contributions in words: "amount 4,812 raises the odds 3.1 times"."""

from numbers import Integral, Real

import numpy as np
import pandas as pd

# A factor of the odds below which a feature hardly matters, and one above which its
# exact value tells nothing.
_LEAST, _MOST = 1.05, 10_000
_MOST_LETTERS = 40
_MOST_VALUES = 2


def reason(name, contribution):
    """One contribution as a sentence, or "" if it changes the odds by less than 5 %.

    Parameters
    ----------
    name : str
        The feature and its value, of :func:`described`.
    contribution : float
        To the log-odds.

    Returns
    -------
    str
    """
    factor = np.exp(min(abs(contribution), 700.0))
    if factor < _LEAST:
        return ""
    verb = "raises" if contribution > 0 else "lowers"
    return f"{name} {verb} the odds {_times(factor)} times"


def described(table, unit, columns, row):
    """A unit of features with its value in a row, such as "amount 4,812".

    Parameters
    ----------
    table : MixableTable
    unit : str
        Name of the unit.
    columns : list of int
    row : int

    Returns
    -------
    str
        For one-hot columns the name of the one that is 1. Of several columns that the
        user put together the first two have their values.
    """
    values = [value_text(table.column(index).iloc[row]) for index in columns]
    if len(columns) == 1:
        return f"{unit} {values[0]}"
    set_columns = [
        table.names[index]
        for index, value in zip(columns, values, strict=True)
        if value in ("1", "true")
    ]
    if set(values) <= {"0", "1", "true", "false"} and len(set_columns) <= 1:
        return set_columns[0] if set_columns else f"{unit} none"
    shown = [
        f"{table.names[index]} {value}"
        for index, value in zip(columns, values, strict=True)
    ]
    more = ", ..." if len(shown) > _MOST_VALUES else ""
    return f"{unit} ({', '.join(shown[:_MOST_VALUES])}{more})"


def value_text(value):
    """A value of a table as text: numbers with separators, dates without a time."""
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return "missing"
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, Integral):
        return f"{int(value):,}"
    if isinstance(value, Real):
        number = float(value) + 0.0  # no minus before 0
        is_whole = number.is_integer() or abs(float(f"{number:.4g}")) >= 1000
        return f"{number:,.0f}" if is_whole else f"{number:.4g}"
    if isinstance(value, pd.Timestamp | np.datetime64):
        moment = pd.Timestamp(value)
        is_day = moment == moment.normalize()
        return str(moment.date()) if is_day else moment.isoformat(" ", "minutes")
    text = " ".join(str(value).split())
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 1]}…"


def _times(factor):
    if factor > _MOST:
        return f"more than {_MOST:,}"
    if factor < 10:
        return f"{factor:.1f}" if factor >= 1.095 else f"{factor:.2f}"
    return f"{factor:,.0f}"
