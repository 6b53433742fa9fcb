"""Tables from files."""

import csv
import difflib
import lzma
import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_float_dtype, is_integer_dtype

from .._packages import require
from .._typing import FilePath
from . import text_files
from .columns import (
    ColumnFormat,
    Notes,
    ReadingOptions,
    convert_column,
    infer_column,
    note_ambiguous_point,
    plain_types,
    quoted,
    rows_text,
)
from .containers import Container, TextInMemory, find_container, table_meant
from .memory import warn_if_too_large
from .numbers import NumberFormat
from .text_files import TextLayout

# Rows that are looked at before all are.
_N_HEAD = 1000
_BROKEN = (OSError, ValueError, EOFError, csv.Error, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class TableFile:
    """A table that was read from a file.

    Attributes
    ----------
    path : Path
    frame : DataFrame of shape (n_samples, n_columns)
    formats : dict of str to ColumnFormat
        What each column was taken for; not of those that were to be left alone.
    unused_columns : list of str
        Columns that were left out, since they have no name and no content of their own.
    notes : list of str
        What was guessed.
    """

    path: Path
    frame: pd.DataFrame
    formats: dict[str, ColumnFormat]
    unused_columns: list[str]
    notes: list[str]


@dataclass(frozen=True)
class _Columns:
    """What is known of the columns before a file is read.

    Attributes
    ----------
    known : dict of str to ColumnFormat
        Of the training, for new rows.
    as_written : set of str
        Columns whose values are not to be interpreted.
    unused : set of str
        Columns that nobody looks at.
    ids : set of str
        Those of ``as_written`` that name the rows.
    """

    known: dict[str, ColumnFormat]
    as_written: set[str]
    unused: set[str]
    ids: frozenset[str] = frozenset()

    @property
    def as_texts(self) -> set[str]:
        """Columns that are read as texts."""
        texts = {name for name, column in self.known.items() if column.needs_text}
        return texts | self.ids

    @property
    def needed(self) -> set[str]:
        """Columns that are there, if the names are where they are looked for."""
        return set(self.known) or self.as_written

    def is_read(self, name: str) -> bool:
        """Whether the values of a column are used; of new rows only known ones are."""
        if self.known:
            return name in self.known or name in self.as_written
        return name not in self.unused


def read_table(
    path: FilePath,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 - it is frozen
    *,
    known: dict[str, ColumnFormat] | None = None,
    as_written: Collection[str] = (),
    unused: Collection[str] = (),
    ids: Collection[str] = (),
) -> TableFile:
    """Read a table from a file.

    Parameters
    ----------
    path : str or path-like
        Separated text (with column names in the first row of the table), Parquet,
        Feather, JSON lines or a spreadsheet, told apart by their content.
    options : ReadingOptions, default=ReadingOptions()
    known : dict of str to ColumnFormat, default=None
        Formats of the columns of a model's training: these are read in the same way.
    as_written : collection of str, default=()
        Columns whose values are not to be interpreted, such as the target. If a word
        such as "None" would be a missing value, they are texts.
    unused : collection of str, default=()
        Columns that will be dropped. They stay as they are, whatever they hold.
    ids : collection of str, default=()
        Columns that name the rows. They are as written, too, and of a text they are
        integers only if every value is one: a missing one would make 7 of them "7.0".

    Returns
    -------
    TableFile

    Raises
    ------
    ImportError
        If a package that reads such files is missing.
    ValueError
        If there is no such file, it is not a table, or what it means is in doubt.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"There is no file {path}.{table_meant(path)}")
    keys = frozenset(ids) - set(known or {})
    columns = _Columns(known or {}, set(as_written) | keys, set(unused), keys)
    return _read(path, None, options, columns)


def read_text_table(
    data: bytes,
    name: str,
    *,
    known: dict[str, ColumnFormat],
    as_written: Collection[str] = (),
) -> TableFile:
    """Read a table of new rows from a text in UTF-8 that is in memory.

    Parameters
    ----------
    data : bytes
        Separated text. It is never opened as anything else.
    name : str
        What the text is called in messages.
    known : dict of str to ColumnFormat
        As :func:`read_table`.
    as_written : collection of str, default=()
        As :func:`read_table`.

    Returns
    -------
    TableFile

    Raises
    ------
    ValueError
        If it is not a table, or what it means is in doubt.
    """
    container = TextInMemory.of(data, name)
    columns = _Columns(known, set(as_written), set())
    return _read(container.path, container, ReadingOptions(encoding="utf-8"), columns)


def _read(
    path: Path,
    container: Container | None,
    options: ReadingOptions,
    columns: _Columns,
) -> TableFile:
    """Read a table, of a file if there is no container yet."""
    known, as_written = columns.known, columns.as_written
    notes = Notes()
    with reading(path):
        if container is None:
            container = find_container(path)
            warn_if_too_large(container, options.encoding, is_new=bool(known))
        if container.kind == "text":
            frame = _read_text(container, options, columns, notes)
        else:
            frame = _read_typed(container, options, columns, notes)
    frame, unused = _without_empty_names(frame, notes)
    if frame.empty or (frame.shape[1] < 2 and not known):
        n_rows, n_columns = frame.shape
        if known and n_columns and not n_rows:
            raise ValueError(
                f"{path} has no rows below its column names, so that there is nothing "
                "to predict. Was it exported completely?"
            )
        raise ValueError(
            f"{path} has {n_rows} rows and {n_columns} columns. A table needs column "
            "names in the first row, rows below it, a column for the target and at "
            "least one more, separated by comma, semicolon, tab or bar."
        )
    check_columns(frame, options.date_formats)
    formats = {}
    for name in frame.columns:
        if not columns.is_read(name):
            continue
        if name in columns.ids and is_integer_dtype(frame[name]):
            continue  # plain types would be floats where one is missing
        column = plain_types(frame[name], name)
        if name in as_written:
            pass
        elif name in known:
            column = convert_column(column, name, known[name], notes)
            formats[name] = known[name]
        else:
            column, formats[name] = infer_column(column, name, options, notes)
        if column is not frame[name]:
            frame[name] = column
    return TableFile(path, frame, formats, unused, notes.lines())


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say of which file it was that a block could not read it, and why.

    Raises
    ------
    ImportError
        If a package that reads such files is missing.
    ValueError
        If the file is broken, or is not a table.
    """
    try:
        yield
    except ImportError:
        packages = {"parquet": "pyarrow", "feather": "pyarrow"}
        require(
            packages.get(find_container(path).kind, "python_calamine"),
            purpose=f"Reading {path}",
        )
        raise
    except (UnicodeError, LookupError) as error:
        raise ValueError(
            f"{path} cannot be read as a table: {_reason(error)}. Name its encoding: "
            f"--encoding NAME, such as {text_files.USUAL_ENCODINGS}. It is often found "
            "without the option."
        ) from error
    except MemoryError as error:
        raise ValueError(
            f"{path} cannot be read as a table: there is not enough memory. Free some, "
            "or read a part of its rows."
        ) from error
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} cannot be read as a table: {error}.") from error
    except _BROKEN as error:
        if str(error).startswith(str(path)):
            raise
        raise ValueError(
            f"{path} cannot be read as a table: {_reason(error)}."
        ) from error


def _reason(error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".")
    if reason.startswith(("Number of passed names", "Too many columns")):
        return "its rows have other numbers of fields than the column names"
    match = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", reason)
    if match:
        expected, line, saw = match.groups()
        return (
            f"line {line} has {saw} fields, and there are {expected} columns. Remove "
            "what is too much, or put values that hold the separator in quotes"
        )
    return reason or type(error).__name__


# --------------------------------------------------------------------------- texts


def _read_text(
    container: Container,
    options: ReadingOptions,
    columns: _Columns,
    notes: Notes,
) -> pd.DataFrame:
    encoding = options.encoding or text_files.find_encoding(container)
    try:
        frame, layout, found = _read_rows(container, encoding, options, columns)
    except UnicodeDecodeError:
        if options.encoding:
            raise
        encoding = text_files.guess_encoding(container, notes)
        frame, layout, found = _read_rows(container, encoding, options, columns)
    notes.extend(found)
    if frame.empty:
        return frame[layout.names]
    for name in columns.as_written & set(layout.names):
        if not frame[name].isna().any():
            continue
        raw = text_files.read_text(
            container, layout, {name}, [name], keep_missing_words=True
        )
        # Not where cells are empty, beside numbers perhaps.
        if raw[name][frame[name].isna()].notna().any():
            frame[name] = raw[name]
    names = [n for n in layout.names if columns.is_read(n) and n not in columns.known]
    codes = _columns_of_codes(container, layout, frame[names], notes)
    if codes:
        raw = text_files.read_text(container, layout, codes, sorted(codes))
        frame[sorted(codes)] = raw[sorted(codes)]
    is_new = bool(columns.known)
    frame, changed = text_files.whole_rows(frame, layout, is_new, notes)
    for name in columns.ids & set(frame):
        if text_files.are_integers(frame[name]):
            frame[name] = frame[name].astype("int64")
    return frame.apply(_whole_numbers) if changed else frame


def _read_rows(
    container: Container, encoding: str, options: ReadingOptions, columns: _Columns
) -> tuple[pd.DataFrame, TextLayout, Notes]:
    notes = Notes()
    layout = text_files.find_layout(container, encoding, columns.needed, notes)
    texts = set(layout.names) if options.marks.given else columns.as_texts
    return text_files.read_text(container, layout, texts), layout, notes


def _columns_of_codes(
    container: Container, layout: TextLayout, frame: pd.DataFrame, notes: Notes
) -> set[str]:
    """Columns of integers that are codes, which pandas reads as numbers.

    One begins with 0 or has more digits than a float holds, or all have a plus sign.
    Numbers in which a point could separate thousands are noted besides.
    """
    integers = [
        n
        for n in frame
        if is_integer_dtype(frame[n])
        or (is_float_dtype(frame[n]) and _are_integers(frame[n]))
    ]
    fractions = [
        name
        for name in frame
        if is_float_dtype(frame[name]) and _has_three_decimals(frame[name])
    ]
    looked_at = [*integers, *(name for name in fractions if name not in integers)]
    if not looked_at:
        return set()
    texts = text_files.written_texts(container, layout, looked_at)
    codes = {name for name in integers if _are_written_as_codes(texts[name].dropna())}
    grouped = NumberFormat(",", ".").pattern()
    for name in fractions:
        written = texts[name].dropna().str.strip()
        marked = written.str.contains(".", regex=False)
        if marked.any() and written.str.fullmatch(grouped).all():
            note_ambiguous_point(notes, name, written[marked].iloc[0])
    return codes


def _are_written_as_codes(texts: pd.Series) -> bool:
    lines = "\n".join(texts)
    if re.search(r"^[ \t]*(?:0\d+|\d{16,})[ \t]*$", lines, re.MULTILINE):
        return True
    return len(re.findall(r"^[ \t]*\+", lines, re.MULTILINE)) == len(texts) > 0


def _are_integers(column: pd.Series) -> bool:
    """Whether all values are; the first ones are looked at first, to be quick."""
    return all(
        (part.dropna() % 1 == 0).all() for part in (column.head(_N_HEAD), column)
    )


def _has_three_decimals(column: pd.Series) -> bool:
    """Whether all values have at most three decimals and none is below 1."""
    for part in (column.head(_N_HEAD), column):
        values = part.dropna().abs()
        thousands = values * 1000
        if ((values > 0) & (values < 1)).any() or not np.isclose(
            thousands, thousands.round(), rtol=1e-9, atol=0
        ).all():
            return False
    return bool(column.notna().any())


# ------------------------------------------------------------------- other containers


def _read_typed(
    container: Container, options: ReadingOptions, columns: _Columns, notes: Notes
) -> pd.DataFrame:
    """Read a file whose values have types."""
    if container.kind == "spreadsheet":
        return _read_spreadsheet(container.path, options.sheet, columns, notes)
    if container.kind == "json":
        frame = _read_json(container)
    else:
        read = {"parquet": pd.read_parquet, "feather": pd.read_feather}
        frame = read[container.kind](container.path)
        for name in columns.ids & set(frame):
            if is_float_dtype(frame[name]) and frame[name].isna().any():
                # Beside a missing one pandas makes floats of integers, with 16 digits.
                typed = read[container.kind](
                    container.path, columns=[name], dtype_backend="numpy_nullable"
                )
                frame[name] = typed[name]
    named = [name for name in frame.index.names if name is not None]
    if named:
        notes.add(
            "Read as columns, since the index of the file has names",
            ", ".join(map(str, named)),
        )
        frame = frame.reset_index()
    frame.columns = text_files.unique_names(list(frame.columns), notes)
    return frame


def _read_json(container: Container) -> pd.DataFrame:
    start = container.head(1 << 12).lstrip()
    with container.open() as file:
        return pd.read_json(
            file, lines=not start.startswith(b"["), dtype=False, precise_float=True
        )


def _read_spreadsheet(
    path: Path, sheet: str | None, columns: _Columns, notes: Notes
) -> pd.DataFrame:
    require("python_calamine", purpose=f"Reading {path}")
    with pd.ExcelFile(path, engine="calamine") as book:
        names = book.sheet_names
        if sheet is not None and sheet not in names:
            raise ValueError(
                f"there is no sheet {sheet!r}; the sheets are {', '.join(names)}"
            )
        sheets = pd.read_excel(
            book,
            sheet_name=names if sheet is None else [sheet],
            header=None,
            keep_default_na=False,
            na_values=[""],
        )
    sheets = {name: cells for name, cells in sheets.items() if not cells.empty}
    if len(sheets) > 1:
        raise ValueError(
            f"it has {len(sheets)} sheets, {', '.join(sheets)}: name one with --sheet"
        )
    if not sheets:
        raise ValueError("it is empty")
    (cells,) = sheets.values()
    filled = cells.notna().sum(axis=1).to_numpy()
    header = int(np.argmax(filled >= max(2, np.median(filled) - 1)))
    for row in range(min(30, len(cells)) if columns.needed else 0):
        if columns.needed <= {str(cell).strip() for cell in cells.iloc[row]}:
            header = row
            break
    if header:
        notes.add("Left out above the column names", rows_text(header))
    names = cells.iloc[header]
    frame = cells.iloc[header + 1 :].reset_index(drop=True)
    frame.columns = text_files.unique_names(
        ["" if pd.isna(name) else name for name in names], notes
    )
    if not columns.known:
        frame, _ = text_files.leave_out_rows(frame, notes)
    missing = frame.isin(list(text_files.PANDAS_MISSING))
    for name in columns.as_written & set(frame):
        missing[name] = frame[name].isin([""])
    return frame.mask(missing).infer_objects().apply(_whole_numbers)


def _whole_numbers(column: pd.Series) -> pd.Series:
    """Integers, which a spreadsheet does not know."""
    if is_float_dtype(column) and column.notna().all() and (column % 1 == 0).all():
        return column.astype("int64")
    return column


# --------------------------------------------------------------------------- columns


def _without_empty_names(
    frame: pd.DataFrame, notes: Notes
) -> tuple[pd.DataFrame, list[str]]:
    """Leave out columns without a name that are empty or only number the rows."""
    unused = []
    for name in frame:
        if not re.fullmatch(r"Unnamed: \d+", name):
            continue
        column = frame[name]
        counts = is_integer_dtype(column) and (column.diff().iloc[1:] == 1).all()
        if not column.notna().any() or (counts and len(frame) > 1):
            unused.append(name)
            what = "counts the rows" if counts else "is empty"
            notes.add("Left out, since it has no name and " + what, f"{name}")
    return frame.drop(columns=unused), unused


def check_columns(
    frame: pd.DataFrame,
    names: Iterable[str],
    other_roles: Collection[str | None] = (),
    otherwise: str = "",
) -> None:
    """Refuse names of columns that the table does not have, and suggest others.

    Parameters
    ----------
    frame : DataFrame
    names : iterable of str
    other_roles : collection of str or None
        Columns that are known to be something else, and are not suggested.
    otherwise : str
        What to say where no column is suggested.
    """
    missing = [name for name in names if name not in frame]
    if not missing:
        return
    columns = list(frame.columns)
    lower = {name.casefold(): name for name in columns if name not in other_roles}
    near = difflib.get_close_matches(missing[0].strip().casefold(), lower, n=1)
    hint = (
        f" Is it {quoted(lower[near[0]])}?" if near else otherwise and f" {otherwise}"
    )
    if not near and sum(map(_is_number, columns)) >= len(columns) / 2:
        hint = " The first row of the file seems to be data, not column names."
    raise ValueError(
        f"There is no column {', '.join(missing)}. The columns are: "
        f"{', '.join(columns)}.{hint}"
    )


def _is_number(name: str) -> bool:
    return re.fullmatch(r"-?\d+(?:[.,]\d+)?(?:\.\d+)?", name) is not None
