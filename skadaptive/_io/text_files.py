"""Separated text: its encoding, its separator, where the table begins and ends."""

import codecs
import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype, is_object_dtype, is_string_dtype
from pandas.errors import DtypeWarning

from .._packages import require
from .columns import Notes, quoted, rows_text
from .containers import Container

# Bytes of the beginning that the layout is found from.
_N_BYTES = 1 << 18
# Rows of which the texts of numbers are looked at, for codes such as 00123.
_N_ROWS = 10_000
_SEPARATORS = ",;\t|"
_BLANKS = r"\s+"
# Encodings other than UTF-8 that files are looked at for. A short text in one of them
# looks like one in many others, of which these are the frequent ones.
_ENCODINGS = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1257",
    "shift_jis",
    "euc_jp",
    "gb18030",
    "big5",
    "euc_kr",
    "mac_roman",
]
#: Those that messages name.
USUAL_ENCODINGS = "utf-8, utf-16 or cp1252"
# Another encoding than that of Western Europe must resemble a language by so much more.
_MORE_COHERENT = 0.2
# Records that the column names are looked for in.
_N_TITLES = 30
#: Rows at the end that may stand below the table.
N_BELOW = 10
# So many distinct texts tell the encoding.
_N_CELLS = 2000
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# pandas reads these as missing; the empty text is one of them.
PANDAS_MISSING = frozenset(
    [
        "",
        "#N/A",
        "#N/A N/A",
        "#NA",
        "-1.#IND",
        "-1.#QNAN",
        "-NaN",
        "-nan",
        "1.#IND",
        "1.#QNAN",
        "<NA>",
        "N/A",
        "NA",
        "NULL",
        "NaN",
        "None",
        "n/a",
        "nan",
        "null",
    ]
)


@dataclass(frozen=True)
class TextLayout:
    """How a table is laid out in a text.

    Attributes
    ----------
    encoding : str
    separator : str
        A character, or a regular expression for blanks.
    quote : str
    skipped_lines : int
        Lines before the first row below the column names.
    names : list of str
        Of the columns, made unique.
    surplus : list of str
        Names for the fields of the rows that have none: one for names of rows, or some
        for separators at the end of the rows.
    only_returns : bool
        Whether lines end as in files of old Macintoshes, which pandas cannot skip.
    blanks_before_quotes : bool
        Whether there are blanks between separators and quotes.
    """

    encoding: str
    separator: str
    quote: str
    skipped_lines: int
    names: list[str]
    surplus: list[str]
    only_returns: bool = False
    blanks_before_quotes: bool = False

    @property
    def field_names(self) -> list[str]:
        """Names of all fields of a row."""
        if self.surplus == [_ROW_NAMES]:
            return [_ROW_NAMES, *self.names]
        return [*self.names, *self.surplus]


_INTEGER = r"-?(?:0|[1-9][0-9]{0,17})"
_ROW_NAMES, _TRAILING = "\0row names", "\0trailing"


def find_layout(
    container: Container, encoding: str, needed: set[str], notes: Notes
) -> TextLayout:
    """Find out how a text holds its table.

    Columns that are needed, such as the target, help to find the row of names.

    Raises
    ------
    ValueError
        If there are no column names, or rows have more fields than these.
    """
    head = container.head(_N_BYTES)
    if not head.strip():
        raise ValueError("it is empty")
    text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(head)
    complete = len(head) < _N_BYTES
    # Not splitlines, which also splits at characters that may stand in a cell.
    lines = list(io.StringIO(text, newline=None))
    if not complete and len(lines) > 1:
        lines.pop()  # it may be cut off
    declared = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE)
    n_declared = int(declared is not None)
    separator = declared.group(1) if declared else None
    quote = _quote(lines[n_declared:])
    if separator is None:
        separator = _find_separator(lines, quote)
    records = _records(lines[n_declared:], separator, quote)
    if not records:
        raise ValueError("it has no rows")
    first = _find_names(records, needed)
    if first:
        title = separator.join(records[0][0]).strip(separator)
        notes.add(f"Left out above the column names: {rows_text(first)}", quoted(title))
    names, end = records[first]
    rows = [row for row, _ in records[first + 1 :]]
    while rows and len(names) > _usual_width(records[first + 1 :]) and not names[-1]:
        names = names[:-1]
    begin_quoted = np.mean([line.startswith(quote) for line in lines]) > 0.9
    surplus = _surplus(names, rows, bool(begin_quoted))
    if surplus == [_ROW_NAMES]:
        notes.add(
            "Left out, since the column has no name and names the rows",
            "the first column",
        )
    blanks = "" if separator == _BLANKS else rf"{re.escape(separator)} +{quote}"
    return TextLayout(
        encoding=encoding,
        separator=separator,
        quote=quote,
        skipped_lines=end + n_declared,
        names=unique_names(names, notes),
        surplus=surplus,
        only_returns="\r" in text and "\n" not in text,
        blanks_before_quotes=bool(blanks and re.search(blanks, text)),
    )


def find_encoding(container: Container) -> str:
    """The encoding that the first bytes show; UTF-8 if they do not show any."""
    head = container.head(_N_BYTES)
    for mark, encoding in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    zeros = np.frombuffer(head[: len(head) // 2 * 2], dtype=np.uint8) == 0
    if zeros.size and zeros.mean() > 0.2:
        return "utf-16-le" if zeros[1::2].mean() > zeros[::2].mean() else "utf-16-be"
    return "utf-8"


def guess_encoding(container: Container, notes: Notes) -> str:
    """The likeliest encoding of a text that is not in UTF-8."""
    require("charset_normalizer", purpose="Reading a file that is not in UTF-8")
    from charset_normalizer import from_bytes

    sample = _cells_with_high_bytes(container)
    matches = list(from_bytes(sample, cp_isolation=list(_ENCODINGS)))
    # Of a few accented letters many encodings make a text without flaws; the one of
    # Western Europe is by far the most frequent of them.
    encoding = matches[0].encoding if matches else "cp1252"
    for match in matches:
        as_good = match.chaos <= matches[0].chaos
        as_good &= match.coherence >= matches[0].coherence - _MORE_COHERENT
        if as_good and "cp1252" in match.could_be_from_charset:
            encoding = "cp1252"
    shown = sample.decode(encoding, errors="replace").splitlines()[0]
    notes.add(
        "The encoding is not UTF-8, and was guessed (another one: --encoding NAME)",
        f"{encoding}, as in {quoted(shown.strip())}",
    )
    return encoding


def _cells_with_high_bytes(container: Container) -> bytes:
    """Distinct texts that are not ASCII, one in each line."""
    cells: dict[bytes, None] = {}
    with container.open() as file:
        for line in file:
            if not line.isascii():
                parts = re.split(rb"[,;\t|\"\r\n]+", line)
                cells |= dict.fromkeys(part for part in parts if not part.isascii())
            if len(cells) > _N_CELLS:
                break
    return b"\n".join(cells)


def _quote(lines: list[str]) -> str:
    """Apostrophes, if the first row has each of its fields in them."""
    first = next((line.strip() for line in lines if line.strip()), "")
    single = re.fullmatch(r"'[^']*'([,;\t|])(?:'[^']*'\1)*'[^']*'", first)
    return "'" if single else '"'


def _records(lines: list[str], separator: str, quote: str) -> list[tuple[list, int]]:
    """Fields of each record, and the number of records up to it, empty ones too.

    pandas counts records when it skips some: a quoted name may have line breaks.
    """
    if separator == _BLANKS:
        separator, lines = (
            " ",
            [line.replace("\t", " ").strip() + "\n" for line in lines],
        )
    reader = csv.reader(
        io.StringIO("".join(lines), newline=""),
        delimiter=separator,
        quotechar=quote,
        skipinitialspace=True,
    )
    try:
        return [(row, i) for i, row in enumerate(reader, 1) if row and row != [""]]
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error


def _find_separator(lines: list[str], quote: str) -> str:
    """The separator that cuts most rows into equally many fields."""
    best, most = ",", (0.0, 0, 0)
    for separator in (*_SEPARATORS, _BLANKS):
        if separator == _BLANKS and most[0] > 0:
            break
        try:
            records = _records(lines, separator, quote)
        except ValueError:
            continue
        widths = Counter(len(row) for row, _ in records)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        if width < 2:
            continue
        # Names that are cut, too, decide between separators that cut all rows.
        score = (round(count / len(records), 2), len(records[0][0]), width)
        if score > most:
            best, most = separator, score
    return best


def _find_names(records: list[tuple[list, int]], needed: set[str]) -> int:
    """Index of the record with the column names."""
    if needed:
        for i, (row, _) in enumerate(records[:_N_TITLES]):
            if needed <= {_clean_name(name) for name in row}:
                return i
    width = _usual_width(records)
    may_be = (i for i, (row, _) in enumerate(records) if _may_be_names(row, width))
    return next(may_be, 0)


def _usual_width(records: list[tuple[list, int]]) -> int:
    widths = Counter(len(row) for row, _ in records)
    return max(widths, key=lambda width: (widths[width], width))


def _surplus(names: list[str], rows: list[list[str]], begin_quoted: bool) -> list[str]:
    """Names for the fields that rows have beside those of the column names.

    Raises
    ------
    ValueError
        If these are neither empty nor names of rows.
    """
    width = _usual_width([(row, 0) for row in rows]) if rows else len(names)
    n_more = width - len(names)
    full = [row for row in rows if len(row) == width]
    if n_more <= 0 or len(full) <= len(rows) / 2:
        return []
    n_empty = sum(not "".join(row[-n_more:]).strip() for row in full)
    if n_empty > len(full) / 2:
        return [f"{_TRAILING}{i}" for i in range(n_more)]
    # R writes quoted names of rows without a heading. Unquoted cells that hold the
    # separator would look the same otherwise.
    keys = {row[0] for row in full}
    if n_more == 1 and begin_quoted and len(keys) == len(full):
        return [_ROW_NAMES]
    raise ValueError(
        f"its rows have {width} fields, such as {quoted(' | '.join(full[0]))}, and "
        f"there are {len(names)} column names"
    )


def _may_be_names(row: list[str], width: int) -> bool:
    """Whether a record names the columns: a title or a comment names at most one."""
    n_named = sum(bool(name.strip()) for name in row)
    comment = row[0].lstrip().startswith("#") and len(row) < width
    return len(row) >= width - 1 and n_named >= min(2, width) and not comment


def _clean_name(name: Any) -> str:
    return re.sub(r"\s+", " ", str(name)).strip()


def _check_quotes(frame: pd.DataFrame, layout: TextLayout) -> None:
    """Refuse cells that hold rows of the table, since a quote is not closed."""
    least = len(layout.names) - 1
    for name in frame:
        if not is_string_dtype(frame[name]):
            continue
        texts = frame[name][frame[name].str.contains("\n", regex=False, na=False)]
        swallowed = texts[texts.str.count(re.escape(layout.separator)) >= max(1, least)]
        if len(swallowed):
            raise ValueError(
                f"column {name} holds rows of the table in row "
                f"{swallowed.index[0] + 1}: {quoted(swallowed.iloc[0])}. A quote is "
                "not closed"
            )


def unique_names(names: list[Any], notes: Notes) -> list[str]:
    """Names without blanks around them, a number after those that occur again."""
    found: list[str] = []
    for i, given in enumerate(names):
        name = _clean_name(given) or f"Unnamed: {i}"
        unique, n = name, 0
        while unique in found:
            n += 1
            unique = f"{name}.{n}"
        if n:
            notes.add(
                "Names that occur again have a number", f"{quoted(name)} is {unique}"
            )
        found.append(unique)
    return found


def read_text(
    container: Container,
    layout: TextLayout,
    text_columns: set[str],
    columns: list[str] | None = None,
    n_rows: int | None = None,
    keep_missing_words: bool = False,
) -> pd.DataFrame:
    """Read the rows of a text.

    Parameters
    ----------
    container : Container
    layout : TextLayout
    text_columns : set of str
        Columns that are read as they are written.
    columns : list of str, default=None
        Columns to read; None is all.
    n_rows : int, default=None
        Rows to read; None is all.
    keep_missing_words : bool, default=False
        Whether "NA", "None" and so on are texts, not missing values.
    """
    wanted = layout.field_names if columns is None else columns
    as_texts = {n for n in wanted if n in text_columns | {*layout.surplus}}
    options = _options(layout) | {
        "nrows": n_rows,
        "keep_default_na": not keep_missing_words,
        "na_values": [""] if keep_missing_words else None,
    }
    with (
        warnings.catch_warnings(record=True) as caught,
        _source(container, layout) as source,
    ):
        warnings.simplefilter("always", DtypeWarning)
        # Not with usecols of all columns: rows that are too long would not be noticed.
        frame = pd.read_csv(
            source, usecols=columns, dtype=dict.fromkeys(as_texts, str), **options
        )
    if any(issubclass(w.category, DtypeWarning) for w in caught):
        # pandas reads in chunks, and took some for numbers: "007" is 7 there.
        mixed = [n for n in wanted if infer_dtype(frame[n]).startswith("mixed")]
        with _source(container, layout) as source:
            texts = pd.read_csv(source, usecols=mixed, dtype=str, **options)
        frame[mixed] = texts[mixed]
    _check_width(frame, layout)
    return frame


def text_chunks(
    container: Container,
    layout: TextLayout,
    dtypes: dict[str, Any],
    as_written: str | None,
    n_rows: int,
) -> Iterator[pd.DataFrame]:
    """Read the rows of a text, some at a time.

    Parameters
    ----------
    container : Container
    layout : TextLayout
    dtypes : dict of str to dtype
        Of columns; pandas finds those of the others anew in each chunk.
    as_written : str or None
        A column in which "NA", "None" and so on are texts, not missing values.
    n_rows : int
        Of a chunk; the last one may have fewer.

    Yields
    ------
    DataFrame of shape (n_rows, n_columns)
        Its index goes on from chunk to chunk.
    """
    options = _options(layout) | {"chunksize": n_rows, "low_memory": False}
    if as_written is not None:
        missing = dict.fromkeys(layout.field_names, sorted(PANDAS_MISSING))
        options["na_values"] = missing | {as_written: [""]}
        options["keep_default_na"] = False
    dtypes = dtypes | dict.fromkeys(layout.surplus, str)
    with (
        _source(container, layout) as source,
        pd.read_csv(source, dtype=dtypes, **options) as chunks,
    ):
        for frame in chunks:
            _check_width(frame, layout)
            yield frame


def _options(layout: TextLayout) -> dict[str, Any]:
    """How pandas has to read a text."""
    return {
        "sep": layout.separator,
        "quotechar": layout.quote,
        "encoding": layout.encoding,
        "header": None,
        "names": layout.field_names,
        "skiprows": layout.skipped_lines,
        "compression": None,  # which the content has told, not the name
        # Without need it is slow; blanks before unquoted values are dealt with later.
        "skipinitialspace": layout.blanks_before_quotes,
    }


def _check_width(frame: pd.DataFrame, layout: TextLayout) -> None:
    if not isinstance(frame.index, pd.RangeIndex):
        raise ValueError(
            f"its first row has more fields than there are columns "
            f"({len(layout.field_names)})"
        )


@contextmanager
def _source(container: Container, layout: TextLayout) -> Iterator[Any]:
    """What pandas reads: the path if it can, which is faster than an open file."""
    if not container.compression and not layout.only_returns:
        yield container.path
        return
    with container.open() as file:
        if layout.only_returns:
            yield io.TextIOWrapper(file, layout.encoding, newline=None)
        else:
            yield file


def whole_rows(
    frame: pd.DataFrame, layout: TextLayout, is_new: bool, notes: Notes
) -> tuple[pd.DataFrame, bool]:
    """Rows of the table: no empty ones, no comments, nothing below it.

    Returns
    -------
    frame : DataFrame
    changed : bool
        Whether rows were left out, after which columns may hold numbers alone.
    """
    frame = checked_rows(frame, layout)
    if not is_new:
        return leave_out_rows(frame, notes)
    # Each new row has a prediction, whatever it lacks; a sum is no row.
    below = sums_below(frame)
    if below.any():
        notes.add("Left out below the table", rows_text(int(below.sum())))
    return frame[~below].reset_index(drop=True), bool(below.any())


def checked_rows(frame: pd.DataFrame, layout: TextLayout) -> pd.DataFrame:
    """Rows as they were read, without the fields that have no column names.

    Parameters
    ----------
    frame : DataFrame
        Its index counts the rows of the table from 0.
    layout : TextLayout

    Raises
    ------
    ValueError
        If a row has too many or too few fields, or a quote is not closed.
    """
    for name in layout.surplus:
        extra = frame[name]
        if name != _ROW_NAMES and extra.notna().any():
            row = int(np.flatnonzero(extra.notna())[0])
            raise ValueError(
                f"row {frame.index[row] + 1} has more fields than there are column "
                f"names, the last one {quoted(extra.iloc[row])}"
            )
    frame = frame.drop(columns=layout.surplus)
    if layout.separator == _BLANKS and frame.iloc[:, -1].isna().any():
        row = int(np.flatnonzero(frame.iloc[:, -1].isna())[0])
        raise ValueError(
            f"row {frame.index[row] + 1} has fewer fields than there are column names; "
            "with blanks between the columns an empty cell cannot be seen"
        )
    _check_quotes(frame, layout)
    return frame


_SUM = re.compile(
    r"(?:grand |sub)?totals?|sums?|subtotals?|count|average|mean|gesamt|gesamtsumme|"
    r"summe|total (?:général|general|geral)|totale|suma|soma|somme|合計|итого",
    re.IGNORECASE,
)


def leave_out_rows(frame: pd.DataFrame, notes: Notes) -> tuple[pd.DataFrame, bool]:
    """Leave out rows without any value, comments, and what stands below the table."""
    first = frame.iloc[:, 0]
    # Only rows without a last value can be one of these, and the last ten.
    looked_at = frame.iloc[:, -1].isna().to_numpy(copy=True)
    looked_at[-N_BELOW:] = True
    counts = np.full(len(frame), frame.shape[1])
    counts[looked_at] = frame[looked_at].notna().sum(axis=1)
    empty = counts == 0
    alone = (counts == 1) & first.notna().to_numpy() & (frame.shape[1] > 2)
    comment = alone.copy()
    comment[alone] = first[alone].astype(str).str.lstrip().str.startswith("#")
    below = sums_below(frame) | _last_ones(alone, empty)
    names = _names_again(frame)
    if empty.any():
        notes.add("Left out, since they have no value", rows_text(int(empty.sum())))
    if names.any():
        notes.add("Left out, since they repeat names", rows_text(int(names.sum())))
    if (comment & ~below).any():
        notes.add("Left out as comments", rows_text(int((comment & ~below).sum())))
    if below.any():
        shown = ", ".join(map(quoted, first[below].iloc[:3]))
        notes.add(f"Left out below the table: {rows_text(int(below.sum()))}", shown)
    left_out = empty | comment | below | names
    if not left_out.any():
        return frame, False
    return frame[~left_out].reset_index(drop=True), True


def sums_below(frame: pd.DataFrame) -> np.ndarray:
    """Which of the last rows begin with a word for a sum, as no other row does."""
    below = np.zeros(len(frame), dtype=bool)
    below[-N_BELOW:] = are_sums(frame.iloc[-N_BELOW:, 0])
    if below.any():
        words = set(frame.iloc[:, 0][below])
        if frame.iloc[:, 0].isin(words).sum() > below.sum():
            below[:] = False
    return below


def are_sums(cells: pd.Series) -> np.ndarray:
    """Which cells hold a word for a sum."""
    texts = cells.astype(str).str.strip().str.rstrip(": ")
    return texts.str.fullmatch(_SUM).to_numpy(dtype=bool)


def _last_ones(wanted: np.ndarray, between: np.ndarray) -> np.ndarray:
    """Those wanted rows below which there are only wanted ones and some others."""
    others = np.flatnonzero(~(wanted | between))
    found = wanted.copy()
    found[: others[-1] + 1 if len(others) else 0] = False
    return found


def _names_again(frame: pd.DataFrame) -> np.ndarray:
    """Which rows hold the column names, or units and rules below them."""
    again = np.zeros(len(frame), dtype=bool)
    texts = [is_string_dtype(dtype) or is_object_dtype(dtype) for dtype in frame.dtypes]
    if not all(texts) or frame.empty:
        return again
    name = frame.columns[0]
    same = frame.iloc[:, 0].astype(str).str.strip() == name
    for row in np.flatnonzero(same):
        again[row] = [_clean_name(v) for v in frame.iloc[row]] == list(frame.columns)
    cells = frame.iloc[0].dropna().astype(str).str.strip()
    again[0] |= len(cells) > 0 and bool(
        cells.str.fullmatch(r"\[.*\]|\(.*\)|:?-{2,}:?").all()
    )
    return again


def are_integers(texts: pd.Series) -> bool:
    """Whether all texts are integers, written as Python writes them.

    Parameters
    ----------
    texts : Series of str
    """
    known = bool(texts.notna().all())
    return known and bool(texts.astype(str).str.fullmatch(_INTEGER).all())


def written_texts(
    container: Container, layout: TextLayout, columns: list[str]
) -> pd.DataFrame:
    """The first 10,000 rows of some columns as they are written."""
    return read_text(container, layout, set(columns), columns, _N_ROWS)
