"""Rows of a request: read as the cells of the training file were, and checked.

A request is refused for what no row of the training table could hold, and every refusal
names the column. What a row could hold but the training did not see is answered, with a
warning.
"""

from typing import Any

import numpy as np
import pandas as pd

from .._io.columns import ColumnFormat, Notes, convert_column, plain_types, quoted
from .._io.tables import read_text_table
from .._io.text_files import PANDAS_MISSING
from .._saving.model_files import SavedModel
from .._saving.seen_values import SeenValues

# Texts of a column of true and false.
_FLAGS = {"true": "1", "false": "0"}
# Problems of one request that are listed.
_MOST_LISTED = 20


class RowsRefused(Exception):
    """The rows of a request cannot be read, or are not as in training.

    Parameters
    ----------
    problems : list of dict
        Each with ``loc``, ``msg`` and ``type``, as FastAPI's own.
    """

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(problems[0]["msg"])
        self.problems = problems


def problem(msg: str, *loc: str | int, kind: str = "value_error") -> dict[str, Any]:
    """One problem of a request, in the form of FastAPI's own."""
    return {"loc": ["body", *loc], "msg": msg, "type": kind}


class RowReader:
    """Reads rows by what a model file knows of its training.

    Parameters
    ----------
    saved : SavedModel

    Attributes
    ----------
    ignored : set of str
        Columns of the training table that are no features.
    seen : SeenValues
        Tells what rows hold and the training did not.
    """

    def __init__(self, saved: SavedModel) -> None:
        facts = saved.facts
        self._columns = saved.columns
        self._names = frozenset(saved.columns)
        others = {facts.target, facts.id_column, *facts.unused_columns}
        self.ignored = {n for n in others if n is not None and n not in saved.columns}
        features = saved.reference.get("features", {})
        self.seen = SeenValues(saved)
        # A column of true and false is one of numbers, whose bins end at 0 and 1.
        self._flags = {
            name
            for name, of in features.items()
            if of["kind"] == "number"
            and {round(edge, 9) for edge in of["edges"]} <= {0.0, 1.0}
        }

    # -------------------------------------------------------------------------- JSON

    def of_json(self, rows: list[Any]) -> tuple[pd.DataFrame, list[str]]:
        """Features of rows that came as JSON objects.

        Parameters
        ----------
        rows : list
            Values of JSON; at least one.

        Returns
        -------
        frame : DataFrame of shape (n_rows, n_features)
        notes : list of str
            What was read otherwise than in training.

        Raises
        ------
        RowsRefused
            If a row is no object, columns are absent or unknown, or values are of
            another kind than in training.
        """
        problems = [
            found
            for i, row in enumerate(rows)
            if not (isinstance(row, dict) and row.keys() == self._names)
            for found in self._problems_of_row(i, row)
        ]
        if problems:
            raise RowsRefused(problems[:_MOST_LISTED])
        notes, columns = Notes(), {}
        for name, column in self._columns.items():
            values = [row[name] for row in rows]
            try:
                columns[name] = self._read_column(name, column, values, notes)
            except RowsRefused as error:
                problems += error.problems
            except (OverflowError, ValueError) as error:
                row = self._row_refused(name, column, values)
                problems.append(problem(_refusal(name, error), "rows", *row, name))
        if problems:
            raise RowsRefused(problems[:_MOST_LISTED])
        if all(isinstance(values, np.ndarray) for values in columns.values()):
            block = np.column_stack(list(columns.values()))
            return pd.DataFrame(block, columns=list(columns)), notes.lines()
        return pd.DataFrame(columns), notes.lines()

    def _row_refused(
        self, name: str, column: ColumnFormat, values: list[Any]
    ) -> list[int]:
        """The first row that cannot be read even by itself, if it is for one.

        Rows are halved, so that a request of many takes a few times as long.
        """
        first, last = 0, len(values) - 1
        while first < last:
            middle = (first + last) // 2
            if self._can_read(name, column, values[first : middle + 1]):
                first = middle + 1
            else:
                last = middle
        return [] if self._can_read(name, column, [values[first]]) else [first]

    def _can_read(self, name: str, column: ColumnFormat, values: list[Any]) -> bool:
        try:
            self._read_column(name, column, values, Notes())
        except (OverflowError, ValueError, RowsRefused):
            return False
        return True

    def _problems_of_row(self, i: int, row: Any) -> list[dict[str, Any]]:
        if not isinstance(row, dict):
            msg = f"Row {i + 1} must be an object of values by column; got {_kind(row)}"
            return [problem(msg + ".", "rows", i, kind="row_type")]
        absent = [name for name in self._columns if name not in row]
        unknown = [n for n in row if n not in self._names and n not in self.ignored]
        return [
            problem(
                f"Column {name} is absent from row {i + 1}. Send null if its value is "
                "missing.",
                *("rows", i, name),
                kind="column_absent",
            )
            for name in absent
        ] + [
            problem(
                f"Column {quoted(name)} of row {i + 1} was not in the training table. "
                "Leave it out; GET /schema lists the columns.",
                *("rows", i, name[:60]),
                kind="column_unknown",
            )
            for name in unknown
        ]

    def _read_column(
        self, name: str, column: ColumnFormat, values: list[Any], notes: Notes
    ) -> Any:
        types = set(map(type, values))
        if column.kind == "category":
            return self._read_categories(name, column, values, notes)
        as_they_are = not (column.missing_words or column.number.percent)
        as_they_are &= types <= {float, int, type(None)}
        if column.kind == "number" and as_they_are:
            # An array, which is all that most requests need.
            return _finite(np.array(values, dtype=float), name, values)
        allowed = {float, int, type(None), str}
        if column.kind == "number" and name in self._flags:
            allowed.add(bool)
        self._check_types(name, column, values, allowed)
        if column.kind == "date":
            return _converted(_cells(values, column), name, column, notes)
        is_text = np.array([isinstance(value, str) for value in values])
        plain = [np.nan if text else v for v, text in zip(values, is_text, strict=True)]
        numbers = _finite(np.array(plain, dtype=float), name, plain)
        read = _converted(pd.Series(numbers), name, column, notes)
        found = read.to_numpy(dtype=float, copy=True)
        if is_text.any():
            # Apart from the numbers, which mean the same in every format.
            texts = [value if isinstance(value, str) else None for value in values]
            if name in self._flags:
                # As pandas reads them in a file.
                texts = [_FLAGS.get(t.strip().lower(), t) if t else t for t in texts]
            read = _converted(_cells(texts, column), name, column, notes)
            found[is_text] = read.to_numpy(dtype=float)[is_text]
        return found

    def _read_categories(
        self, name: str, column: ColumnFormat, values: list[Any], notes: Notes
    ) -> pd.Series:
        levels = self.seen.levels.get(name)
        if levels and all(type(v) is str and v in levels for v in values):
            return pd.Series(values, dtype=object)
        self._check_types(name, column, values, {float, int, bool, type(None), str})
        if levels:
            # Codes such as 3 are categories, too, if the training had them.
            for i, value in enumerate(values):
                if value is None or isinstance(value, str):
                    continue
                if _as_text(value) not in levels:
                    raise RowsRefused([_of_another_kind(name, column, value, i)])
        texts = [v if v is None or isinstance(v, str) else _as_text(v) for v in values]
        return _converted(_cells(texts, column), name, column, notes)

    def _check_types(
        self, name: str, column: ColumnFormat, values: list[Any], allowed: set[type]
    ) -> None:
        wrong = [i for i, value in enumerate(values) if type(value) not in allowed]
        if wrong:
            raise RowsRefused(
                [_of_another_kind(name, column, values[i], i) for i in wrong]
            )

    # --------------------------------------------------------------------------- CSV

    def of_csv(self, body: bytes) -> tuple[pd.DataFrame, list[str]]:
        """Features of rows that came as separated text in UTF-8.

        Parameters
        ----------
        body : bytes

        Returns
        -------
        frame : DataFrame of shape (n_rows, n_features)
        notes : list of str

        Raises
        ------
        RowsRefused
            As :meth:`of_json`, and if it is not a table.
        """
        try:
            body.decode("utf-8")
        except UnicodeDecodeError as error:
            msg = f"The text is not in UTF-8: {error}. Send it in UTF-8."
            raise RowsRefused([problem(msg, kind="encoding")]) from error
        try:
            table = read_text_table(
                body.removeprefix(b"\xef\xbb\xbf"),
                "The body",
                known=self._columns,
                as_written=self.ignored,
            )
        except ValueError as error:
            raise RowsRefused([problem(str(error))]) from error
        frame = table.frame
        problems = [
            problem(f"Column {name} is absent.", name, kind="column_absent")
            for name in self._columns
            if name not in frame
        ] + [
            problem(
                f"Column {quoted(name)} was not in the training table. Leave it out; "
                "GET /schema lists the columns.",
                name[:60],
                kind="column_unknown",
            )
            for name in frame
            if name not in self._names and name not in self.ignored
        ]
        if problems:
            raise RowsRefused(problems[:_MOST_LISTED])
        return frame[list(self._columns)], table.notes


def _refusal(name: str, error: Exception) -> str:
    if isinstance(error, OverflowError):
        return f"Column {name} holds an integer that is too great for a number."
    if isinstance(error, UnicodeEncodeError):
        return f"Column {name} holds half a character, which is no text."
    return str(error)


def _cells(texts: list[Any], column: ColumnFormat) -> pd.Series:
    """Values of JSON as cells of a file, in which pandas finds missing ones."""
    missing = PANDAS_MISSING.difference(column.levels)
    cells = [None if isinstance(t, str) and t in missing else t for t in texts]
    return pd.Series(cells, dtype=object)


def _converted(
    values: pd.Series, name: str, column: ColumnFormat, notes: Notes
) -> pd.Series:
    return convert_column(plain_types(values, name), name, column, notes)


def _finite(values: np.ndarray, name: str, given: list[Any]) -> np.ndarray:
    """The same values, unless one is beyond the range of floats."""
    if np.isinf(values).any():
        i = int(np.flatnonzero(np.isinf(values))[0])
        msg = (
            f"Column {name} holds too great a number in row {i + 1}: {quoted(given[i])}"
        )
        raise RowsRefused([problem(f"{msg}.", "rows", i, name)])
    return values


def _as_text(value: float | bool) -> str:
    """A number or boolean as a cell of text has it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _of_another_kind(
    name: str, column: ColumnFormat, value: Any, i: int
) -> dict[str, Any]:
    msg = f"Column {name} held {_KINDS[column.kind]} in training; row {i + 1} has"
    return problem(f"{msg} {_kind(value)}.", "rows", i, name, kind="value_kind")


_KINDS = {"number": "numbers", "date": "dates", "category": "categories"}


def _kind(value: Any) -> str:
    """A value of JSON, with its kind, for messages."""
    if value is None:
        return "null"
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    kind = "the text" if isinstance(value, str) else "the value"
    shown = str(value).lower() if isinstance(value, bool) else value
    return f"{kind} {quoted(shown)}"
