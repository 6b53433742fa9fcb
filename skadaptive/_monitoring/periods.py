"""Rows cut into periods by time."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype, is_numeric_dtype

from .._io.columns import quoted
from .._messages import shown
from .._typing import IntArray

#: Calendar units, from the shortest to the longest, and pandas's names of them.
UNITS = {
    "hour": "h",
    "day": "D",
    "week": "W",
    "month": "M",
    "quarter": "Q",
    "year": "Y",
}
#: Name of the one period without a time.
ALL_ROWS = "all rows"
# Most periods that are made unless a unit or a number of them is asked for.
_MOST = 15
# Most periods at all: tests are corrected for their number, and a page shows them.
_LIMIT = 400
# Whole numbers are exact below it.
_EXACT = 2.0**53
# Parts that a column of many different numbers is cut into.
_PARTS = 10


@dataclass(frozen=True)
class Periods:
    """Periods of rows, in the order of time.

    Attributes
    ----------
    names : list of str
        None is without a row.
    codes : ndarray of shape (n_rows,)
        Index of the period of each row; -1 if it has no time.
    """

    names: list[str]
    codes: IntArray


def cut_periods(time: pd.Series | None, period: str | int, n_rows: int) -> Periods:
    """Cut rows into periods.

    Parameters
    ----------
    time : Series of shape (n_rows,) or None
        Dates, numbers or texts, which are sorted; None puts all rows into one period.
    period : str or int
        A unit of ``UNITS``, for dates; a number of parts with about as many rows each;
        or "auto": dates by the shortest unit that makes at most 15 periods, at most
        15 different numbers or any texts one by one, other numbers in 10 parts.
    n_rows : int

    Returns
    -------
    Periods

    Raises
    ------
    ValueError
        If the unit needs dates, no row has a time, or there would be over 400 periods.
    """
    if time is None:
        if period != "auto":
            raise ValueError(
                f"period={period!r} needs the time of each row: pass time, the column "
                "that orders the rows (--time COLUMN)."
            )
        return Periods([ALL_ROWS], np.zeros(n_rows, dtype=int))
    if time.notna().sum() == 0:
        raise ValueError(f"No row has a value in {quoted(time.name)}.")
    is_date = is_datetime64_any_dtype(time)
    if is_date and getattr(time.dtype, "tz", None) is not None:
        time = time.dt.tz_localize(None)
    if isinstance(period, str) and period != "auto":
        if period not in UNITS:
            raise ValueError(
                f"period must be 'auto', a number of parts, or one of "
                f"{', '.join(UNITS)}; got {period!r}."
            )
        if not is_date:
            raise ValueError(
                f"period={period!r} needs dates, and {quoted(time.name)} holds "
                f"{quoted(time.dropna().iloc[0])}. Leave it out, or pass a number of "
                "parts."
            )
        return _limited(_by_unit(time, period), time.name)
    if not isinstance(period, str):
        return _in_parts(time, period)
    if is_date:
        return _by_shortest_unit(time)
    if is_numeric_dtype(time) and time.nunique() > _MOST:
        return _in_parts(time, _PARTS)
    return _limited(_one_by_one(time), time.name)


def _limited(periods: Periods, name: Any) -> Periods:
    if len(periods.names) > _LIMIT:
        raise ValueError(
            f"{quoted(name)} makes {len(periods.names):,} periods, and at most "
            f"{_LIMIT} are tested. Choose longer ones with period, such as 'month', or "
            "a number of parts."
        )
    return periods


def _by_shortest_unit(time: pd.Series) -> Periods:
    few = [
        found
        for found in (_by_unit(time, unit) for unit in UNITS)
        if len(found.names) <= _MOST
    ]
    if not few:
        return _in_parts(time, _PARTS)
    # Times at midnight alone are days, and first days of months alone are months.
    return [found for found in few if len(found.names) == len(few[0].names)][-1]


def _by_unit(time: pd.Series, unit: str) -> Periods:
    found = time.dt.to_period(UNITS[unit])
    codes, distinct = pd.factorize(found, sort=True)
    if unit == "week":
        names = [f"week of {week.start_time:%Y-%m-%d}" for week in distinct]
    else:
        names = [str(one) for one in distinct]
    return Periods(names, codes)


def _one_by_one(time: pd.Series) -> Periods:
    codes, distinct = _in_order(time)
    return Periods(_distinct([_shown(value) for value in distinct]), codes)


def _in_order(time: pd.Series) -> tuple[IntArray, Any]:
    """Codes of the values in their order, -1 where there is none, and the values."""
    is_ordered = isinstance(time.dtype, pd.CategoricalDtype) and time.cat.ordered
    if is_ordered or is_numeric_dtype(time) or is_datetime64_any_dtype(time):
        return pd.factorize(time, sort=True)
    texts = time.astype(object).where(time.isna(), time.astype(str))
    codes, distinct = pd.factorize(texts)
    order = sorted(range(len(distinct)), key=lambda i: _natural(distinct[i]))
    place = np.append(np.argsort(order), -1)
    return place[codes], [distinct[i] for i in order]


def _natural(text: str) -> tuple[list[tuple[int, int, str]], str]:
    """What sorts "batch 10" after "batch 9"."""
    parts = re.split(r"([0-9]+)", text)
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts
    ], text


def _in_parts(time: pd.Series, n_parts: int) -> Periods:
    """Parts of about as many rows; rows of the same time stay together."""
    # isinstance would take True for 1.
    if type(n_parts) is bool or n_parts != int(n_parts) or not 1 <= n_parts <= _LIMIT:
        raise ValueError(
            f"period must be 'auto', one of {', '.join(UNITS)}, or a number of parts "
            f"from 1 to {_LIMIT}; got {shown(n_parts)}."
        )
    order, distinct = _in_order(time)
    present = np.sort(order[order >= 0])
    ends = np.arange(1, int(n_parts)) * len(present) // int(n_parts)
    lasts = np.unique(present[np.maximum(ends - 1, 0)])
    codes = np.searchsorted(lasts, order)
    codes[order < 0] = -1
    places, codes_kept = np.unique(codes[codes >= 0], return_inverse=True)
    codes[codes >= 0] = codes_kept
    names = []
    for place in range(len(places)):
        inside = order[codes == place]
        first, last = _shown(distinct[inside.min()]), _shown(distinct[inside.max()])
        names.append(first if first == last else f"{first} to {last}")
    return Periods(_distinct(names), codes)


def _distinct(names: list[str]) -> list[str]:
    """The same, numbered if two would look alike."""
    if len(set(names)) == len(names):
        return names
    return [f"{i}: {name}" for i, name in enumerate(names, 1)]


def _shown(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        text = str(value)
        return text.removesuffix(" 00:00:00")
    if isinstance(value, float | np.floating):
        # A number such as 20240131 is whole, though gaps made the column float.
        number = float(value)
        is_whole = number.is_integer() and abs(number) < _EXACT
        return f"{number:.{'0f' if is_whole else '6g'}}"
    return str(value)
