"""Where the table of a report comes from, and what its columns were taken for."""

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

from .._features.text import text_columns
from .._io.columns import ColumnFormat, quoted
from .._typing import IntArray

_MOST_LEVELS = 5
# Of the path of a model in a page, which cuts words of 80 characters.
_LONGEST_PATH = 70


@dataclass(frozen=True)
class ColumnUse:
    """What a column was taken for.

    Attributes
    ----------
    name : str
    use : str
        "number", "category", "date", "text", or the role of a column that is none of
        the features.
    detail : str
        Range or levels, how it was written, and the number of missing values.
    """

    name: str
    use: str
    detail: str


@dataclass(frozen=True)
class Source:
    """The file of a table, as the command read it.

    Attributes
    ----------
    file : str
    target : str
    columns : list of ColumnUse
    notes : list of str
        What was guessed while the file was read.
    row_numbers : ndarray of int, shape (n_samples,), default=None
        Number of each compared row in the table as it was read, from 1 on. None: they
        they are all its rows.
    times : Series of shape (n_samples,), default=None
        The column by which rows were sorted, if there is one.
    model : str, default=""
        The file of the model, as the user named it; empty if there is none.
    """

    file: str
    target: str
    columns: list[ColumnUse] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    row_numbers: IntArray | None = None
    times: pd.Series | None = None
    model: str = ""

    @property
    def shell_model(self) -> str:
        """The file of the model for a shell, or what stands for it."""
        if not self.model:
            return "MODEL"
        path = shlex.quote(self.model)
        # A page cuts longer words, and half a path names nothing.
        name = shlex.quote(Path(self.model).name)
        return path if len(path) <= _LONGEST_PATH else name

    def span(self, rows: IntArray) -> str:
        """From when to when rows are, such as " by day, from 1 to 31"; may be empty."""
        if self.times is None:
            return ""
        times = self.times.iloc[rows]
        first, last = (_moment(value) for value in (times.min(), times.max()))
        return f" by {self.times.name}, from {first} to {last}"


def describe_columns(
    X: pd.DataFrame, formats: dict[str, ColumnFormat], left_out: dict[str, str]
) -> list[ColumnUse]:
    """What the columns of a table were taken for.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
    formats : dict of str to ColumnFormat
        How the features were written.
    left_out : dict of str to str
        Roles of the other columns, or why they were left out.

    Returns
    -------
    list of ColumnUse
    """
    texts = set(X.columns[text_columns(X)])
    uses = [_describe(X[name], formats.get(name), name in texts) for name in X]
    return uses + [ColumnUse(name, why, "") for name, why in left_out.items()]


def _describe(
    column: pd.Series, written: ColumnFormat | None, is_free_text: bool
) -> ColumnUse:
    present = column.dropna()
    parts = []
    if present.empty:
        use = "number"
    elif is_datetime64_any_dtype(column):
        use = "date"
        parts.append(f"{present.min():%Y-%m-%d} to {present.max():%Y-%m-%d}")
        if written is not None and written.date_format is not None:
            parts.append(f"written as {written.date_format}")
    elif is_bool_dtype(column):
        use = "number"
        parts.append("false or true")
    elif is_numeric_dtype(column):
        use = "number"
        parts.append(f"{present.min():,.6g} to {present.max():,.6g}")
        if written is not None and not written.number.is_plain:
            parts.append(written.number.describe())
    elif is_free_text:
        use = "text"
        parts.append(f"{present.nunique():,} texts, such as {quoted(present.iloc[0])}")
    else:
        use = "category"
        levels = present.astype(str).value_counts()
        shown = ", ".join(map(quoted, levels.index[:_MOST_LEVELS]))
        more = f" and {len(levels) - _MOST_LEVELS:,} more"
        more = more if len(levels) > _MOST_LEVELS else ""
        parts.append(f"{len(levels):,} levels: {shown}{more}")
    n_missing = len(column) - len(present)
    if n_missing:
        parts.append(f"{n_missing:,} missing")
    return ColumnUse(str(column.name), use, "; ".join(parts))


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else f"{value:.12g}"
