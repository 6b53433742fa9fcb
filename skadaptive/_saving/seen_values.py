"""What the training of a saved model has seen, against which new rows are held."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from .._io.columns import quoted
from .._typing import BoolArray, FloatArray
from .model_files import SavedModel
from .reference import seconds_of

#: What is new about a value.
Kind: TypeAlias = Literal["missing", "category", "later", "far"]

# Values of a column, and rows, that a message names.
_MOST_VALUES, _MOST_ROWS = 3, 5
# A number is far from those of the training if it is so many times the distance between
# the outer deciles beyond them. Heavy tails of amounts stay below it.
_FAR = 1000
# Of columns with fewer different deciles, the rare values may be far from the others.
_FEWEST_EDGES = 4


@dataclass(frozen=True)
class Unseen:
    """What rows hold in a column and the training did not.

    Attributes
    ----------
    column : str
    kind : {"missing", "category", "later", "far"}
        An empty cell, a category, a date after the training, or a number far from it.
    rows : ndarray of int
        The rows.
    values : tuple of str
        The first three categories or numbers that are new, or the last date of the
        training.
    """

    column: str
    kind: Kind
    rows: np.ndarray
    values: tuple[str, ...] = ()

    @property
    def msg(self) -> str:
        """A sentence that names the first rows, counted from 1."""
        shown = ", ".join(str(row + 1) for row in self.rows[:_MOST_ROWS].tolist())
        more = len(self.rows) - _MOST_ROWS
        rows = f"row{'s' if len(self.rows) > 1 else ''} {shown}"
        rows += f" and {more} more" if more > 0 else ""
        return _sentence(self.column, self.kind, self.values, rows)


class SeenValues:
    """Tells the missing values and categories that a training did not have.

    Parameters
    ----------
    saved : SavedModel

    Attributes
    ----------
    never_missing : set of str
        Columns that had no missing value.
    levels : dict of str to frozenset of str
        The categories of each column that has any.
    """

    def __init__(self, saved: SavedModel) -> None:
        self._distributions = saved.reference.get("features", {})
        self.never_missing = {
            name for name, of in self._distributions.items() if of["missing"] == 0
        }
        self.levels = {
            name: frozenset(column.levels)
            for name, column in saved.columns.items()
            if column.kind == "category" and column.levels
        }

    def beyond(self, frame: pd.DataFrame) -> list[Unseen]:
        """Dates after the training, and numbers far from all of it.

        Rows that are new are later than the training as a rule, so that this is worth
        a note, and no reason to refuse them.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, n_features)

        Returns
        -------
        list of Unseen
        """
        found = []
        for name, of in self._distributions.items():
            if of["kind"] == "date" and "last" in of:
                if not is_datetime64_any_dtype(frame[name]):
                    continue
                later = np.flatnonzero(seconds_of(frame[name]) > of["last"])
                if len(later):
                    last = str(pd.Timestamp(of["last"], unit="s").round("s"))
                    last = last.removesuffix(" 00:00:00")
                    found.append(Unseen(name, "later", later, (last,)))
            elif of["kind"] == "number":
                values = frame[name].to_numpy(dtype=float, na_value=np.nan)
                far = np.flatnonzero(_are_far(values, of["edges"]))
                if len(far):
                    texts = tuple(f"{v:,.12g}" for v in values[far[:_MOST_VALUES]])
                    found.append(Unseen(name, "far", far, texts))
        return found

    def unseen(self, frame: pd.DataFrame) -> list[Unseen]:
        """Missing values and categories that the training did not have.

        Parameters
        ----------
        frame : DataFrame of shape (n_rows, n_features)

        Returns
        -------
        list of Unseen
        """
        found = []
        missing = frame.isna().to_numpy()
        for i in np.flatnonzero(missing.any(axis=0)):
            name = frame.columns[i]
            if name in self.never_missing:
                found.append(Unseen(name, "missing", np.flatnonzero(missing[:, i])))
        for name, levels in self.levels.items():
            values = frame[name].to_numpy(dtype=object)
            new = [
                j
                for j, value in enumerate(values)
                if value not in levels and not pd.isna(value)
            ]
            if new:
                different = dict.fromkeys(map(str, values[new]))
                first = tuple(different)[:_MOST_VALUES]
                found.append(Unseen(name, "category", np.array(new), first))
        return found


def _are_far(values: FloatArray, edges: list[float]) -> BoolArray:
    """Whether values are far beyond the outer edges of the bins of the training."""
    greatest = max(map(abs, edges), default=0.0)
    # A value that is repeated has an edge just below it and one at it.
    different = np.unique(np.float32(np.array(edges) / (greatest or 1.0)))
    if len(different) < _FEWEST_EDGES:
        return np.zeros(len(values), bool)
    low, high = edges[0], edges[-1]
    with np.errstate(over="ignore"):  # at the ends of the range of floats
        return np.maximum(low - values, values - high) > _FAR * (high - low)


@dataclass
class UnseenCounts:
    """Values that are new, counted over the parts of a table and over tables.

    Attributes
    ----------
    found : dict
        Number of rows and the first new categories, by column and kind.
    """

    found: dict[tuple[str, Kind], tuple[int, tuple[str, ...]]] = field(
        default_factory=dict
    )

    def add(self, unseen: Unseen) -> None:
        """Add what the rows of one part hold in a column."""
        self._add((unseen.column, unseen.kind), len(unseen.rows), unseen.values)

    def update(self, other: "UnseenCounts") -> None:
        """Add the counts of other rows."""
        for key, (n_rows, values) in other.found.items():
            self._add(key, n_rows, values)

    def _add(self, key: tuple[str, Kind], n_rows: int, values: tuple[str, ...]) -> None:
        before, known = self.found.get(key, (0, ()))
        first = tuple(dict.fromkeys(known + values))[:_MOST_VALUES]
        self.found[key] = before + n_rows, first

    def lines(self) -> list[str]:
        """A sentence for each column and kind, most rows first."""
        by_rows = sorted(self.found.items(), key=lambda item: -item[1][0])
        return [
            _sentence(*key, values, f"{n_rows:,} row{'s' if n_rows > 1 else ''}")
            for key, (n_rows, values) in by_rows
        ]


def _sentence(column: str, kind: Kind, values: tuple[str, ...], rows: str) -> str:
    if kind == "missing":
        return f"Column {column} is empty in {rows}; in training it never was."
    if kind == "later":
        return (
            f"Column {column} is after {values[0]}, the last of the training, in "
            f"{rows}: what is learnt of time ends there. See 'skadaptive compare "
            "--time'."
        )
    if kind == "far":
        return (
            f"Column {column} holds {', '.join(values)} in {rows}, far from all values "
            "of the training."
        )
    shown = ", ".join(map(quoted, values))
    return f"Column {column} holds {shown} in {rows}, unseen in training."
