"""Tables as separated text, and cells in them that a spreadsheet takes for formulas.

A spreadsheet computes a cell that begins with one of a few characters, also if it came
from a file, and a formula may send the other cells elsewhere. Such cells are escaped
only if the user asks for it, because a key has to stay what it is.
"""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from pandas.api.types import is_numeric_dtype

from .columns import quoted

# The list of OWASP, "CSV injection".
_MARKS = ("=", "+", "-", "@", "\t", "\r")
# What begins with a sign and is a number stays one.
_NUMBER = re.compile(r"[+-](?:\d+(?:[.,]\d+)*[.,]?|[.,]\d+)(?:[eE][+-]?\d+)?")
# A spreadsheet shows the text behind it.
_ESCAPE = "'"
_MOST_NAMED = 5


def write_text(
    frame: pd.DataFrame,
    target: Path | TextIO,
    *,
    separator: str = ",",
    header: bool = True,
    compression: Any = None,
) -> None:
    """Write a table as separated text in UTF-8.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
    target : Path or file that is open for text
    separator : str, default=","
    header : bool, default=True
        Whether the names of the columns come first.
    compression : {"gzip"}, default=None
    """
    # Python before 3.13 writes a carriage return without quotes, and readers take it
    # for the end of the row.
    broken = any(
        "\r" in str(name) or _texts_where(column, lambda text: "\r" in text).any()
        for name, column in frame.items()
    )
    frame.to_csv(
        target,
        index=False,
        sep=separator,
        header=header,
        compression=compression,
        quoting=csv.QUOTE_NONNUMERIC if broken else csv.QUOTE_MINIMAL,
    )


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a cell with this text for a formula."""
    return text.startswith(_MARKS) and not _NUMBER.fullmatch(text)


def count_formulas(frame: pd.DataFrame, with_names: bool = True) -> dict[str, int]:
    """Numbers of cells that a spreadsheet would take for formulas.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
    with_names : bool, default=True
        Whether the name of a column is one of its cells.

    Returns
    -------
    dict of str to int
        By column; only those with any.
    """
    counts = {}
    for name, column in frame.items():
        n_cells = int(_texts_where(column, is_formula).sum())
        n_cells += with_names and is_formula(str(name))
        if n_cells:
            counts[str(name)] = n_cells
    return counts


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """A table in whose text cells no spreadsheet sees a formula.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)

    Returns
    -------
    DataFrame of shape (n_samples, n_columns)
        An apostrophe stands before what would be a formula.
    """
    columns = {}
    for name, column in frame.items():
        found = _texts_where(column, is_formula)
        if found.any():
            column = column.astype(object)
            column = column.mask(found, _ESCAPE + column[found].astype(str))
        columns[_ESCAPE + name if is_formula(str(name)) else name] = column
    return pd.DataFrame(columns, index=frame.index)


def note_on_formulas(counts: dict[str, int]) -> str:
    """A warning of cells that were written as they are.

    Parameters
    ----------
    counts : dict of str to int
        Of :func:`count_formulas`, with at least one column.
    """
    n_cells = sum(counts.values())
    names = [f"{quoted(name)} ({n:,})" for name, n in counts.items()]
    if len(names) > _MOST_NAMED:
        names[_MOST_NAMED:] = [f"{len(names) - _MOST_NAMED} more"]
    cells = "1 cell begins" if n_cells == 1 else f"{n_cells:,} cells begin"
    return (
        f"{cells} with =, +, -, @, a tab or a carriage return, which a spreadsheet "
        f"takes for a formula: in {', '.join(names)}. To open the output in a "
        "spreadsheet, write it with --spreadsheet-safe, which puts an apostrophe "
        "before each."
    )


def _texts_where(column: pd.Series, is_wanted: Callable[[str], bool]) -> pd.Series:
    """Which cells are texts of a kind."""
    if is_numeric_dtype(column):
        return pd.Series(False, index=column.index)
    return column.map(lambda value: isinstance(value, str) and is_wanted(value)).astype(
        bool
    )
