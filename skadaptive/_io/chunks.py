"""Tables of new rows that are read some rows at a time, so that memory is bounded.

The rows are those that :func:`~skadaptive._io.tables.read_table` reads in one piece,
value for value. What it finds out from all rows of a column, such as whether pandas
takes it for numbers, is found out here by a first pass over the file: a
:class:`_Survey`. pandas reads texts, and pyarrow Parquet; every other kind of file is
read in one piece.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from pandas.api.types import (
    infer_dtype,
    is_bool_dtype,
    is_float_dtype,
    is_integer_dtype,
    is_numeric_dtype,
    is_unsigned_integer_dtype,
)

from . import text_files
from .columns import (
    ColumnFormat,
    ColumnPart,
    Notes,
    ReadingOptions,
    convert_column,
    ends_in_zeros,
    is_text,
    plain_types,
)
from .containers import Container, find_container, table_meant
from .tables import read_table, reading

# Cells of a chunk, and its rows at most: 2 million cells as texts take 0.2 GB.
_N_CELLS, _MOST_ROWS, _LEAST_ROWS = 2_000_000, 100_000, 1000
_UNNAMED = r"Unnamed: \d+"


@dataclass(frozen=True)
class Chunk:
    """Some rows of a table.

    Attributes
    ----------
    frame : DataFrame of shape (n_samples, n_columns)
        The known columns, converted.
    ids : Series of shape (n_samples,) or None
        The column that names the rows, as it is written.
    """

    frame: pd.DataFrame
    ids: pd.Series | None


class ChunkedTable:
    """A file with new rows, which has been looked through once.

    Parameters
    ----------
    path : str or path-like
    known : dict of str to ColumnFormat
        Formats of the columns of a model's training. Others are looked at, but not
        converted. No cell is read by another format than that of its column.
    id_column : str, default=None
        Column to copy, if the file has it.
    encoding : str, default=None
        Of a text; None finds it out.
    n_rows : int, default=None
        Rows of a chunk. None takes up to 100,000, fewer of a table of many columns.

    Attributes
    ----------
    names : list of str
        Columns of the file, without those that have neither a name nor a content of
        their own.
    n_rows : int
    n_bytes : int
        Size of the file.
    id_type : pyarrow.DataType or None
        Of the ids of a file that has types.

    Raises
    ------
    ImportError
        If a package that reads such files is missing.
    ValueError
        As :func:`~skadaptive._io.tables.read_table`, except that a table without rows
        is one.
    """

    def __init__(
        self,
        path: Path,
        *,
        known: dict[str, ColumnFormat],
        id_column: str | None = None,
        encoding: str | None = None,
        n_rows: int | None = None,
    ) -> None:
        if not path.is_file():
            raise ValueError(f"There is no file {path}.{table_meant(path)}")
        self.path, self._known, self._id = path, known, id_column
        self._notes = Notes()
        kinds: dict[str, Callable[..., _Source]]
        kinds = {"text": _Text, "parquet": _Parquet}
        with reading(path):
            container = find_container(path)
            source = kinds.get(container.kind, _InOnePiece)
            asked = _Asked(container, known, id_column, encoding, n_rows)
            self._source: _Source = source(asked, self._notes)
        self.kind = container.kind
        self.names, self.n_rows = self._source.names, self._source.n_rows
        self.n_bytes = path.stat().st_size
        self.id_type = getattr(self._source, "id_type", None)

    @property
    def notes(self) -> list[str]:
        """What was found; complete once all chunks have been read."""
        return self._notes.lines()

    def chunks(self) -> Iterator[Chunk]:
        """Read the rows; a file without rows has one chunk without rows.

        Yields
        ------
        Chunk

        Raises
        ------
        ValueError
            If a value is not in the format of its column.
        """
        wanted = [name for name in self._known if name in self.names]
        first_row = 0
        raw = self._source.chunks()
        while True:
            with reading(self.path):
                found = next(raw, None)
            if found is None:
                return
            frame, ids = found
            first_row += len(frame)
            if self._source.is_converted:
                yield Chunk(frame[wanted], ids)
                continue
            notes, rows_before = Notes(), first_row - len(frame)
            columns = {
                name: self._converted(frame[name], name, rows_before, notes)
                for name in wanted
            }
            # What the first chunk with such a note has, so that a long file has few.
            self._notes.extend_with_new(notes)
            yield Chunk(pd.DataFrame(columns, index=frame.index), ids)

    def _converted(
        self, column: pd.Series, name: str, first_row: int, notes: Notes
    ) -> pd.Series:
        facts, known = self._source.survey.columns[name], self._known[name]
        column = plain_types(column, name)
        with_gaps = is_bool_dtype(column) and facts.missing
        if with_gaps or (is_integer_dtype(column) and facts.holds_floats):
            column = column.astype("float64")
        if facts.has_fractions and is_numeric_dtype(column) and known.kind != "number":
            # As the whole column is taken, in which not all numbers are integers.
            column = column.map(str, na_action="ignore").astype(object)
        part = ColumnPart(first_row, facts.ends_in_zeros)
        return convert_column(column, name, known, notes, part)


# ------------------------------------------------------------------------ first pass


@dataclass
class _ColumnFacts:
    """What the first pass has found of a column.

    Attributes
    ----------
    kinds : set of str
        What the chunks were taken for: "int", "uint", "float", "bool", "text".
    missing : bool
        Whether a value is missing.
    has_fractions : bool
        Whether a number is no integer.
    ends_in_zeros : bool
        See :func:`~skadaptive._io.columns.ends_in_zeros`.
    """

    kinds: set[str] = field(default_factory=set)
    missing: bool = False
    has_fractions: bool = False
    ends_in_zeros: bool = True

    def add(self, column: pd.Series, known: ColumnFormat | None) -> None:
        """Look at some rows."""
        is_missing = column.isna()
        self.missing |= bool(is_missing.any())
        if is_missing.all():
            return
        self.kinds.add(_kind(column))
        if known is None or known.kind == "number":
            return
        if is_float_dtype(column):
            self.has_fractions |= bool((column.dropna() % 1 != 0).any())
        if known.kind == "category" and not known.levels and self.ends_in_zeros:
            self.ends_in_zeros = ends_in_zeros(column, known)

    @property
    def holds_floats(self) -> bool:
        """Whether the whole column is one of floats, if it is one of numbers."""
        return "float" in self.kinds or self.missing or len(self.kinds) > 1

    @property
    def dtype(self) -> Any:
        """What the whole column is; None if pandas finds it in each chunk."""
        if not self.kinds or (self.kinds == {"bool"} and self.missing):
            return None
        if self.kinds == {"bool"}:
            return "bool"
        if self.kinds <= {"int", "uint", "float"}:
            if self.holds_floats:
                return "float64"
            return "int64" if self.kinds == {"int"} else "uint64"
        return str


def _kind(column: pd.Series) -> str:
    if is_bool_dtype(column):
        return "bool"
    if is_unsigned_integer_dtype(column):
        return "uint"
    if is_integer_dtype(column):
        return "int"
    if is_float_dtype(column):
        return "float"
    if column.dtype == object and infer_dtype(column, skipna=True) == "boolean":
        return "bool"
    return "text"


@dataclass
class _Survey:
    """What the first pass has found.

    Attributes
    ----------
    columns : dict of str to _ColumnFacts
    n_rows : int
    """

    columns: dict[str, _ColumnFacts]
    n_rows: int = 0


@dataclass(frozen=True)
class _Asked:
    """What is to be read; see :class:`ChunkedTable`.

    Attributes
    ----------
    container : Container
    known : dict of str to ColumnFormat
    id_column, encoding : str or None
    n_rows : int or None
    """

    container: Container
    known: dict[str, ColumnFormat]
    id_column: str | None
    encoding: str | None
    n_rows: int | None

    def rows_of_a_chunk(self, n_columns: int) -> int:
        """As asked for, or by the number of columns."""
        by_columns = max(_LEAST_ROWS, _N_CELLS // max(1, n_columns))
        return self.n_rows or min(_MOST_ROWS, by_columns)


class _Source(Protocol):
    """A file of one kind, which has been looked through.

    Attributes
    ----------
    names, n_rows
        As of :class:`ChunkedTable`.
    survey : _Survey
    is_converted : bool
        Whether the columns of the chunks are converted already.
    """

    names: list[str]
    n_rows: int
    survey: _Survey
    is_converted: bool

    def chunks(self) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
        """Columns as they are read, and ids."""
        ...


# ----------------------------------------------------------------------------- texts


class _Text:
    """Separated text."""

    is_converted = False

    def __init__(self, asked: _Asked, notes: Notes) -> None:
        self._asked, self._id = asked, asked.id_column
        self._container, self._known = asked.container, asked.known
        found = asked.encoding or text_files.find_encoding(asked.container)
        own = Notes()
        try:
            self._look_through(found, own)
        except UnicodeDecodeError:
            if asked.encoding:
                raise
            own = Notes()
            guessed = text_files.guess_encoding(asked.container, own)
            self._look_through(guessed, own)
        notes.extend(own)

    def _look_through(self, encoding: str, notes: Notes) -> None:
        needed = set(self._known)
        self._layout = text_files.find_layout(self._container, encoding, needed, notes)
        names = self._layout.names
        self._n_rows = self._asked.rows_of_a_chunk(len(names))
        self._id = self._id if self._id in names else None
        self._as_written = None if self._id in self._known else self._id
        texts = {name for name, column in self._known.items() if column.needs_text}
        if self._as_written is not None:
            texts.add(self._as_written)
        self.survey = _Survey({name: _ColumnFacts() for name in names})
        below, empty = _SumsBelow(), _EmptyNames(names)
        self._whole_ids = self._as_written is not None
        for frame in self._read(dict.fromkeys(texts & set(names), str)):
            for name in names:
                self.survey.columns[name].add(frame[name], self._known.get(name))
            if self._whole_ids:
                ids = frame[self._as_written]
                self._whole_ids = text_files.are_integers(ids)
            below.add(frame.iloc[:, 0])
            empty.add(frame)
            self.survey.n_rows += len(frame)
        self._left_out = below.rows()
        if len(self._left_out):
            notes.add(
                "Left out below the table", text_files.rows_text(len(self._left_out))
            )
        self.n_rows = self.survey.n_rows - len(self._left_out)
        self.names = [name for name in names if name not in empty.names()]

    def chunks(self) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
        dtypes = {name: facts.dtype for name, facts in self.survey.columns.items()}
        dtypes = {name: dtype for name, dtype in dtypes.items() if dtype is not None}
        n_read = 0
        for frame in self._read(dtypes):
            if len(self._left_out):
                frame = frame[~frame.index.isin(self._left_out)]
            ids = None if self._id is None else frame[self._id]
            if ids is not None and self._whole_ids:
                ids = ids.astype("int64")
            n_read += len(frame)
            if len(frame):
                yield frame, ids
        if n_read != self.n_rows:
            raise ValueError("it was changed while it was read")
        if not self.n_rows:
            empty = pd.DataFrame(columns=self._layout.names, dtype=object)
            yield empty, None if self._id is None else empty[self._id]

    def _read(self, dtypes: dict[str, Any]) -> Iterator[pd.DataFrame]:
        layout = self._layout
        for frame in text_files.text_chunks(
            self._container, layout, dtypes, self._as_written, self._n_rows
        ):
            yield text_files.checked_rows(frame, layout)


class _SumsBelow:
    """Finds rows with sums at the end, as ``text_files.sums_below`` in one piece."""

    def __init__(self) -> None:
        self._n_rows, self._words = 0, Counter[Any]()
        self._tail = pd.Series(dtype=object)

    def add(self, first: pd.Series) -> None:
        """Look at the first cells of some rows."""
        self._n_rows += len(first)
        if is_text(first):
            distinct = pd.Series(first.dropna().unique(), dtype=object)
            words = set(distinct[text_files.are_sums(distinct)])
            self._words.update(first[first.isin(words)])
        tail = first.tail(text_files.N_BELOW).astype(object)
        self._tail = pd.concat([self._tail, tail]).tail(text_files.N_BELOW)

    def rows(self) -> np.ndarray:
        """Numbers of the rows, from 0."""
        below = text_files.are_sums(self._tail)
        if sum(self._words[word] for word in set(self._tail[below])) > below.sum():
            below[:] = False
        return self._n_rows - len(self._tail) + np.flatnonzero(below)


class _EmptyNames:
    """Finds columns without a name that are empty or only number the rows."""

    def __init__(self, names: list[str]) -> None:
        self._n_rows = 0
        # The last number of a column that has numbered the rows so far.
        self._counts: dict[str, int | None] = {
            name: None for name in names if re.fullmatch(_UNNAMED, name)
        }
        self._empty = set(self._counts)

    def add(self, frame: pd.DataFrame) -> None:
        """Look at some rows."""
        self._n_rows += len(frame)
        for name in self._empty.copy():
            if frame[name].notna().any():
                self._empty.discard(name)
        for name, last in list(self._counts.items()):
            column = frame[name]
            if not len(column):
                continue
            goes_on = is_integer_dtype(column) and (column.diff().iloc[1:] == 1).all()
            if not goes_on or (last is not None and column.iloc[0] != last + 1):
                del self._counts[name]
            else:
                self._counts[name] = int(column.iloc[-1])

    def names(self) -> Set[str]:
        """Their names."""
        return self._empty | (set(self._counts) if self._n_rows > 1 else set())


# --------------------------------------------------------------------------- Parquet


class _Parquet:
    """Parquet, of which only the columns that are needed are read."""

    is_converted = False

    def __init__(self, asked: _Asked, notes: Notes) -> None:
        from pyarrow import parquet

        # Without a buffer it holds a whole row group of each column.
        self._open = partial(
            parquet.ParquetFile,
            asked.container.path,
            buffer_size=1 << 20,
            pre_buffer=False,
        )
        with self._open() as file:
            schema, self.n_rows = file.schema_arrow, file.metadata.num_rows
            # An index without a name is no column, as in pandas.
            written = [n for n in schema.names if not re.fullmatch(r"__index_.*__", n)]
            self.names = text_files.unique_names(written, notes)
            self._written = dict(zip(self.names, written, strict=True))
            self._n_rows = asked.rows_of_a_chunk(len(self.names))
            known = asked.known.items()
            self._known = {name: of for name, of in known if name in self.names}
            self._id = asked.id_column if asked.id_column in self.names else None
            self.id_type = self._id and schema.field(self._written[self._id]).type
            self.survey = _Survey(
                {name: _ColumnFacts() for name in self._known}, self.n_rows
            )
            self._look_through(file)

    def _look_through(self, file: Any) -> None:
        """The columns in which a chunk does not show what the whole column is."""
        from pyarrow import types

        unclear = []
        for name, known in self._known.items():
            kind = file.schema_arrow.field(self._written[name]).type
            fractions = types.is_floating(kind) or types.is_decimal(kind)
            gaps = types.is_integer(kind) or types.is_boolean(kind)
            zeros = known.kind == "category" and not known.levels
            if gaps or zeros or (fractions and known.kind != "number"):
                unclear.append(name)
        unnamed = [n for n in self.names if re.fullmatch(_UNNAMED, n)]
        empty = _EmptyNames(unnamed)
        looked_at = list(dict.fromkeys([*unclear, *unnamed]))
        for frame, _ in self._frames(file, looked_at) if looked_at else ():
            empty.add(frame)
            for name in unclear:
                column = plain_types(frame[name], name)
                self.survey.columns[name].add(column, self._known[name])
        self.names = [name for name in self.names if name not in empty.names()]

    def chunks(self) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
        with self._open() as file:
            names = list(self._known)
            if self._id is not None and self._id not in names:
                names.append(self._id)
            yield from self._frames(file, names)
            if not self.n_rows:
                yield self._frame(file.schema_arrow.empty_table(), names)

    def _frames(
        self, file: Any, names: list[str]
    ) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
        import pyarrow as pa

        columns = [self._written[name] for name in names]
        for batch in file.iter_batches(self._n_rows, columns=columns):
            yield self._frame(pa.Table.from_batches([batch]), names)

    def _frame(
        self, table: Any, names: list[str]
    ) -> tuple[pd.DataFrame, pd.Series | None]:
        columns = [self._written[name] for name in names]
        # The metadata of pandas speak of an index, which this part does not have.
        table = table.select(columns).replace_schema_metadata(None)
        frame = table.to_pandas().set_axis(names, axis=1)
        ids = None
        if self._id in names:
            ids = pd.Series(
                pd.arrays.ArrowExtensionArray(table[self._written[self._id]]),
                name=self._id,
            )
        return frame, ids


# ----------------------------------------------------------------------- other files


class _InOnePiece:
    """A file that only comes whole: Feather, JSON or a spreadsheet."""

    is_converted = True

    def __init__(self, asked: _Asked, notes: Notes) -> None:
        table = read_table(
            asked.container.path,
            ReadingOptions(encoding=asked.encoding),
            known=asked.known,
            ids=[asked.id_column] if asked.id_column else [],
        )
        for line in table.notes:
            notes.add(line.rstrip("."), "")
        self._frame, self.names = table.frame, list(table.frame.columns)
        self.n_rows, self._id = len(table.frame), asked.id_column
        self._step = asked.rows_of_a_chunk(len(self.names))
        facts = {name: _ColumnFacts() for name in self.names}
        self.survey = _Survey(facts, self.n_rows)

    def chunks(self) -> Iterator[tuple[pd.DataFrame, pd.Series | None]]:
        for start in range(0, self.n_rows, self._step):
            frame = self._frame.iloc[start : start + self._step]
            yield frame, frame[self._id] if self._id in self.names else None
