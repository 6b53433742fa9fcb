"""Tables as spreadsheets, for people who open them in Excel.

A cell has the type of its value, so that neither the decimal mark nor the date format
of the reader's country matters. No cell is a formula, whatever its text begins with.
Rows are written one at a time, because the cells of a whole sheet take much memory.
"""

import datetime
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._version import __version__
from .columns import quoted
from .text_output import is_formula

#: Rows of a sheet, the first of which has the names, and columns.
MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
# Characters of a cell. openpyxl would cut what is longer.
_MOST_CHARACTERS = 32_767
# Of integers from here on a cell keeps the first 15 digits alone.
_GREATEST = 10**15
# Before it, Excel counts the 29 February of a year that had none.
_FIRST_DAY = pd.Timestamp(1900, 3, 1)
# What XML cannot hold or reads as a line feed, and what looks like its escape.
_ESCAPED = re.compile(
    r"[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)"
)
# Rows by which columns get their width, and the greatest width in characters.
_N_ROWS, _WIDEST = 1000, 60


def check_size(n_rows: int, n_columns: int) -> None:
    """Refuse a table that a sheet does not hold.

    Parameters
    ----------
    n_rows : int
        Without the names of the columns.
    n_columns : int

    Raises
    ------
    ValueError
        If there are too many.
    """
    for n, most, what in (
        (n_rows, MOST_ROWS - 1, "rows below the column names"),
        (n_columns, MOST_COLUMNS, "columns"),
    ):
        if n > most:
            raise ValueError(
                f"A sheet of a spreadsheet holds {most:,} {what}, and there are {n:,}. "
                "Write .csv or .parquet instead, or predict the rows in parts."
            )


def write_spreadsheet(frame: pd.DataFrame, path: Path) -> None:
    """Write a table as the only sheet of an Excel workbook.

    Parameters
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
        Numbers, truth values and dates keep their types. Integers of more than 15
        digits, dates with a time zone and those before March 1900 are texts, since no
        cell has room for them. Missing values are empty cells.
    path : Path

    Raises
    ------
    ValueError
        If a sheet does not hold so many rows or columns, or a cell not so long a text.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    check_size(*frame.shape)
    workbook = Workbook(write_only=True)
    workbook.properties.creator = f"skadaptive {__version__}"
    sheet = workbook.create_sheet("predictions")
    sheet.freeze_panes = "A2"
    for i, (name, column) in enumerate(frame.head(_N_ROWS).items(), start=1):
        longest = max(len(str(value)) for value in [name, *column])
        width = min(longest + 2, _WIDEST)
        sheet.column_dimensions[get_column_letter(i)].width = width
    header = [_cell(sheet, str(name)) for name in frame]
    for cell in header:
        cell.font = Font(bold=True)
    try:
        sheet.append(header)
        for row in frame.itertuples(index=False, name=None):
            sheet.append([_cell(sheet, _value(value)) for value in row])
        workbook.save(path)
    except BaseException:
        # Python would report a sheet that is left open, once it is collected.
        with suppress(Exception):
            sheet.close()
        raise


def _value(value: Any) -> Any:
    """What a cell holds of a value: None, a text, a number, a truth value or a date."""
    if isinstance(value, str):
        return value or None
    if value is None or value is pd.NA or value != value:  # NaN and NaT
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer) and abs(int(value)) < _GREATEST:
        return int(value)
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return float(value)
    if isinstance(value, datetime.date):  # of which a Timestamp is a subclass
        moment = pd.Timestamp(value)
        if moment.tz is None and moment >= _FIRST_DAY:
            return value
    return str(value)


def _cell(sheet: Any, value: Any) -> Any:
    """A cell of a sheet, or what the sheet makes one of."""
    from openpyxl.cell import WriteOnlyCell

    if not isinstance(value, str):
        return value
    if len(value) > _MOST_CHARACTERS:
        raise ValueError(
            f"A cell of a spreadsheet holds {_MOST_CHARACTERS:,} characters, and "
            f"{quoted(value)} has {len(value):,}. Write .csv or .parquet instead."
        )
    cell = WriteOnlyCell(sheet, _ESCAPED.sub(_escape, value))
    # openpyxl makes formulas of what begins with "=", and errors of "#N/A".
    cell.data_type = "s"
    if is_formula(value):
        # Excel would make one of it when somebody edits the cell.
        cell.quotePrefix = True
    return cell


def _escape(character: re.Match[str]) -> str:
    """The escape of ECMA-376, part 1, section 22.9.2.19 (ST_Xstring)."""
    return f"_x{ord(character.group()):04X}_"
