"""Columns of a file: numbers and dates among its texts, and what was guessed.

What is learnt from the file of the training is a :class:`ColumnFormat` for each column;
new rows are read by it.
"""

import re
from collections.abc import Collection, Hashable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import (
    infer_dtype,
    is_bool_dtype,
    is_datetime64_any_dtype,
    is_integer_dtype,
    is_numeric_dtype,
    is_string_dtype,
    is_timedelta64_dtype,
)

from . import dates, numbers
from .dates import AmbiguousDates
from .numbers import MISSING_WORDS, NEARLY_ALL, NumberFormat, NumberMarks

# At least this share of the rows, and so many different values, must be numbers for a
# remark on those that are not.
_WORTH_A_REMARK = 0.8
_N_REMARK = 10
_MOST_SHOWN = 5
#: In place of the format of dates, for a column that holds none.
NO_DATE_FORMAT = "text"
# Levels of a category that a model file holds.
_MOST_LEVELS = 1000


@dataclass(frozen=True)
class ColumnFormat:
    """What a column was taken for, and how its values are written.

    Attributes
    ----------
    kind : {"number", "date", "category"}
    number : NumberFormat
    date_format : str or None
        See :class:`skadaptive._io.dates.DatesFound`; None if it came as dates.
    missing_words : tuple of str
        Texts that stand for missing values.
    levels : tuple of str
        Distinct values of a category, if there are at most 1,000.
    """

    kind: str
    number: NumberFormat = NumberFormat()
    date_format: str | None = None
    missing_words: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()

    @property
    def needs_text(self) -> bool:
        """Whether the values have to be read as they are written."""
        return self.kind == "category" or not self.number.is_plain

    def to_json(self) -> dict[str, Any]:
        """Nested dicts and lists of Python's own types."""
        lists = {"missing_words": list(self.missing_words), "levels": list(self.levels)}
        return asdict(self) | lists

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ColumnFormat":
        """The inverse of :meth:`to_json`."""
        number = NumberFormat(**values["number"])
        lists = {name: tuple(values[name]) for name in ("missing_words", "levels")}
        return cls(values["kind"], number, values["date_format"], **lists)


@dataclass(frozen=True)
class ReadingOptions:
    """What the user says about a file.

    Attributes
    ----------
    marks : NumberMarks
    date_formats : dict of str to str
        Formats of strptime by column, or ``NO_DATE_FORMAT``.
    missing_values : tuple of str
        Texts that stand for missing values in any column, beside the usual ones.
    encoding, sheet : str or None
    """

    marks: NumberMarks = NumberMarks()
    date_formats: dict[str, str] = field(default_factory=dict)
    missing_values: tuple[str, ...] = ()
    encoding: str | None = None
    sheet: str | None = None


class Notes:
    """What was guessed while a table was read: one line for each kind of guess."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, kind: str, detail: str) -> None:
        """Add a column, or whatever it is about, to the line of this kind."""
        self._lines.setdefault(kind, []).append(detail)

    def extend(self, other: "Notes") -> None:
        """Add all that another one has."""
        for kind, details in other._lines.items():
            self._lines.setdefault(kind, []).extend(details)

    def extend_with_new(self, other: "Notes") -> None:
        """Add the kinds of guesses that are not among these yet."""
        for kind, details in other._lines.items():
            self._lines.setdefault(kind, details)

    def lines(self) -> list[str]:
        """Sentences; of many columns the first are named, and the others counted."""
        found = []
        for kind, details in self._lines.items():
            more = len(details) - 20
            shown = "; ".join(details[:20]) + (f"; and {more} more" if more > 0 else "")
            found.append(f"{kind}: {shown}." if shown else f"{kind}.")
        return found


def rows_text(n_rows: int) -> str:
    """A number of rows, as text."""
    return f"{n_rows:,} row{'' if n_rows == 1 else 's'}"


def quoted(text: Any) -> str:
    """A value in quotes, shortened if it is long."""
    text = str(text)
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


# ------------------------------------------------------------------ types of a column


def plain_types(column: pd.Series, name: str) -> pd.Series:
    """A column of numbers, booleans, dates, categories or texts.

    Raises
    ------
    ValueError
        If it holds lists or other nested values.
    """
    if is_timedelta64_dtype(column):
        return column.dt.total_seconds() / 86_400
    if str(column.dtype) == "bool[pyarrow]" or str(column.dtype) == "boolean":
        return column.astype("float64") if column.isna().any() else column.astype(bool)
    if is_numeric_dtype(column) and pd.api.types.is_extension_array_dtype(column):
        if is_integer_dtype(column) and not column.isna().any():
            return column.astype("int64")
        return column.astype("float64")
    if column.dtype != object:
        return column
    kind = infer_dtype(column, skipna=True)
    if kind == "boolean":
        return column.astype("float64") if column.isna().any() else column.astype(bool)
    if kind in ("date", "datetime", "datetime64"):
        return pd.to_datetime(column, errors="coerce")
    if kind in ("decimal", "floating", "mixed-integer-float"):
        return column.astype("float64")
    if kind in ("timedelta", "timedelta64"):
        return pd.to_timedelta(column).dt.total_seconds() / 86_400
    if kind in ("string", "empty"):
        return column
    if kind == "integer":  # as of Python, where a number is too great for 64 bits
        return _without_gaps(column) if _fits(column) else column.map(str, "ignore")
    nested = column.map(lambda value: isinstance(value, list | dict | set | np.ndarray))
    if nested.any():
        value = column[nested].iloc[0]
        raise ValueError(
            f"Column {name} holds lists or nested values, such as {quoted(value)} in "
            f"row {np.flatnonzero(nested)[0] + 1}. Write one value for each row, or "
            f"leave it out: --drop {name}"
        )
    return column.where(column.isna(), column.map(_as_text))


def _without_gaps(column: pd.Series) -> pd.Series:
    return column.astype("float64" if column.isna().any() else "int64")


def _fits(column: pd.Series) -> bool:
    present = column.dropna()
    return bool(present.map(lambda value: -(2**63) <= value < 2**63).all())


def _as_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def is_text(column: pd.Series) -> bool:
    """Whether a column holds texts; a categorical one does not."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return False
    return column.dtype == object or is_string_dtype(column)


# ------------------------------------------------------------------------- inference


def infer_column(
    column: pd.Series, name: str, options: ReadingOptions, notes: Notes
) -> tuple[pd.Series, ColumnFormat]:
    """Numbers or dates of a column of texts, or the texts without blanks around them.

    Parameters
    ----------
    column : Series of shape (n_samples,)
        Of the types of :func:`plain_types`.
    name : str
    options : ReadingOptions
    notes : Notes
        What is guessed is added.

    Returns
    -------
    column : Series of shape (n_samples,)
    format : ColumnFormat

    Raises
    ------
    ValueError
        If dates may be in several formats, or are not in the one that is given.
    """
    column, written = _inferred(column, name, options, notes)
    words = dict.fromkeys([*written.missing_words, *options.missing_values])
    return column, replace(written, missing_words=tuple(words))


def _inferred(
    column: pd.Series, name: str, options: ReadingOptions, notes: Notes
) -> tuple[pd.Series, ColumnFormat]:
    date_format = options.date_formats.get(name)
    if is_datetime64_any_dtype(column):
        return _without_no_dates(column, name, notes), ColumnFormat("date")
    if isinstance(column.dtype, pd.CategoricalDtype):
        # Texts, as they would be in a CSV file.
        column = column.cat.rename_categories(column.cat.categories.map(str))
        return column, ColumnFormat(
            "category", levels=_levels(column.dropna().unique())
        )
    if not is_text(column):
        if is_bool_dtype(column):
            return column, ColumnFormat("number")
        extra = _extra_missing(options.missing_values)
        if extra:
            column = column.mask(column.isin(extra))
        _check_finite(column, name, _TO_READ_AS_MISSING)
        return _infer_integers(column, name, date_format, notes)
    every = _Texts.of(column)
    kept = every.those(~every.texts.isin({"", *options.missing_values}))
    as_category = ColumnFormat("category", levels=_levels(kept.texts))
    if kept.texts.empty:
        return kept.spread(np.full(0, np.nan), name), ColumnFormat("number")
    if date_format == NO_DATE_FORMAT:
        return kept.as_texts(), as_category
    if date_format is None:
        read = _infer_numbers(kept, name, options, notes)
        if read is not None:
            values, written = read
            if not written.number.is_plain:
                return read
            values, as_date = _infer_integers(values, name, None, notes)
            return values, replace(as_date, missing_words=written.missing_words)
    read = _infer_dates(kept, name, date_format, notes)
    if read is not None:
        return read
    return kept.as_texts(), as_category


def _levels(texts: Any) -> tuple[str, ...]:
    distinct = dict.fromkeys(map(str, texts[: _MOST_LEVELS + 1]))
    return tuple(distinct) if len(texts) <= _MOST_LEVELS else ()


@dataclass(frozen=True)
class _Texts:
    """Distinct texts of a column, normalized, and the rows that they are in.

    Attributes
    ----------
    texts : Series of shape (n_texts,)
        Its index holds the codes of the texts.
    counts : ndarray of shape (n_texts,)
        Numbers of rows.
    column : Series of shape (n_samples,)
    codes : ndarray of shape (n_samples,)
        -1 where missing.
    written : array-like
        All distinct texts as they are written, by code.
    """

    texts: pd.Series
    counts: np.ndarray
    column: pd.Series
    codes: np.ndarray
    written: Any

    @classmethod
    def of(cls, column: pd.Series) -> "_Texts":
        """All texts of a column."""
        codes, uniques = pd.factorize(column)
        texts = numbers.normalized(pd.Series(uniques).astype(str))
        counts = np.bincount(codes[codes >= 0], minlength=len(texts))
        return cls(texts, counts, column, codes, uniques)

    def those(self, is_wanted: pd.Series) -> "_Texts":
        """Some of the texts; rows with others count as missing."""
        wanted = is_wanted.to_numpy(dtype=bool)
        return replace(self, texts=self.texts[wanted], counts=self.counts[wanted])

    def spread(self, values: Any, name: Hashable) -> pd.Series:
        """Values of the texts, for each row; missing where there is no text."""
        by_text = pd.Series(values, index=self.texts.index)
        missing_first = by_text.reindex(range(-1, self.codes.max(initial=-1) + 1))
        taken = missing_first.take(self.codes + 1)
        return taken.set_axis(self.column.index).rename(name)

    def as_texts(self) -> pd.Series:
        """The texts, for each row, or the column itself if nothing was changed."""
        before = np.asarray(self.written, dtype=object)
        if np.array_equal(before, self.texts.to_numpy(dtype=object)):
            return self.column
        values = self.texts.to_numpy(dtype=object)
        return self.spread(values, self.column.name).astype(self.column.dtype)

    def first_row(self, is_wanted: np.ndarray) -> tuple[int, str]:
        """Number of the first row with one of some texts, from 1, and its text."""
        wanted = self.texts.index[is_wanted]
        row = int(np.flatnonzero(np.isin(self.codes, wanted))[0])
        return row + 1, str(self.column.iloc[row])

    def words(self, is_word: np.ndarray) -> list[str]:
        """The most frequent of some texts, quoted, with numbers of rows."""
        counts = pd.Series(self.counts[is_word], self.texts[is_word])
        counts = counts.sort_values(ascending=False, kind="stable")
        shown = [
            f"{quoted(text)} in {rows_text(n)}"
            for text, n in counts.iloc[:_MOST_SHOWN].items()
        ]
        more = counts.iloc[_MOST_SHOWN:]
        if len(more):
            shown.append(f"{len(more)} others in {rows_text(more.sum())}")
        return shown


def _extra_missing(words: Collection[str]) -> list[float]:
    """Numbers among the texts that stand for missing values."""
    values = pd.to_numeric(pd.Series(list(words), dtype=object), errors="coerce")
    return values.dropna().tolist()


_TO_READ_AS_MISSING = "have it read as missing: --missing={value}"
_TO_LEAVE_EMPTY = "leave the cell empty."


def _check_finite(
    column: pd.Series, name: str, otherwise: str, first_row: int = 0
) -> None:
    """Refuse numbers beyond the range of floats, such as "inf" and 1e999."""
    infinite = np.isinf(column.to_numpy(dtype=float, na_value=np.nan))
    if infinite.any():
        row, value = int(np.flatnonzero(infinite)[0]), column[infinite].iloc[0]
        raise ValueError(
            f"Column {name} holds an infinite value, {value}, in row "
            f"{row + first_row + 1:,}. Correct it, or {otherwise.format(value=value)}"
        )


def _without_no_dates(column: pd.Series, name: str, notes: Notes) -> pd.Series:
    """Dates without those of the year 9999, which stand for "never"."""
    never = column.dt.year == 9999
    if not never.any():
        return column
    notes.add(
        "Read as missing, since the other values are dates",
        f"{name} (year 9999 in {rows_text(int(never.sum()))})",
    )
    return column.mask(never)


def _infer_integers(
    column: pd.Series, name: str, date_format: str | None, notes: Notes
) -> tuple[pd.Series, ColumnFormat]:
    """Dates among columns of numbers; other numbers stay as they are."""
    if date_format is None:
        date_format = dates.find_integer_dates(name, column)
        if date_format is None:
            return column, ColumnFormat("number")
        example = f"{column.dropna().iloc[0]:.0f}"
        notes.add("Read as dates", f"{name} ({date_format}, such as {example})")
    never = column.isin(dates.NO_DATES)
    if never.any() and date_format == dates.COMPACT:
        notes.add(
            "Read as missing, since the other values are dates",
            f"{name} ({quoted(int(column[never].iloc[0]))} in "
            f"{rows_text(int(never.sum()))})",
        )
        column = column.mask(never)
    present = column.dropna().astype("int64").astype(str)
    found = dates.parse_dates(present, date_format)
    _check_dates(present, found.is_date, name, date_format)
    values = pd.Series(found.values, index=present.index).reindex(column.index)
    return values.rename(name), ColumnFormat("date", date_format=date_format)


def _infer_numbers(
    kept: _Texts, name: str, options: ReadingOptions, notes: Notes
) -> tuple[pd.Series, ColumnFormat] | None:
    found = numbers.find_numbers(kept.texts, kept.counts, options.marks)
    if found is None:
        return None
    n_numbers = kept.counts[found.is_number].sum()
    share = n_numbers / kept.counts.sum()
    if not numbers.accept_numbers(found, kept.texts, kept.counts):
        if numbers.are_codes(kept.texts[found.is_number]):
            if share >= _WORTH_A_REMARK:
                notes.add(
                    "Kept as categories, since values begin with 0 or + or have over "
                    "15 digits",
                    name,
                )
            return None
        if share >= _WORTH_A_REMARK and found.is_number.sum() >= _N_REMARK:
            row, text = kept.first_row(~found.is_number)
            notes.add(
                "Kept as categories, since not all values are numbers",
                f"{name} ({n_numbers:,} of {kept.counts.sum():,} rows are, but not "
                f"{quoted(text)} in row {row:,})",
            )
        return None
    if found.ambiguous:
        example = kept.texts[found.is_number].iloc[0]
        if found.format.decimal == ",":
            notes.add(
                "Kept as categories, since a comma may be decimal or separate "
                "thousands (say which: --decimal , or --thousands ,)",
                f"{name} (such as {quoted(example)})",
            )
            return None
        note_ambiguous_point(notes, name, example)
    values = kept.spread(found.values, name)
    _check_finite(values, name, _TO_LEAVE_EMPTY)
    if not values.isna().any() and (values % 1 == 0).all() and _are_whole(kept, found):
        values = values.astype("int64")
    words = ~found.is_number
    if not found.format.is_plain:
        notes.add("Read as numbers", f"{name} ({found.format.describe()})")
    elif kept.texts[found.is_number].str.contains(r"^\(|-$", regex=True).any():
        notes.add(
            "Read as numbers",
            f"{name} (negative ones in parentheses or with the minus behind)",
        )
    if words.any():
        notes.add(
            "Read as missing, since the other values are numbers",
            f"{name} ({', '.join(kept.words(words))})",
        )
    missing = tuple(kept.texts[words])
    return values, ColumnFormat("number", found.format, missing_words=missing)


def _are_whole(kept: _Texts, found: numbers.NumbersFound) -> bool:
    """Whether the numbers are written as integers."""
    texts = kept.texts[found.is_number]
    marks = f"[{found.format.decimal}eE]"
    return bool(not texts.str.contains(marks, regex=True).any())


def note_ambiguous_point(notes: Notes, name: str, example: str) -> None:
    notes.add(
        "Read with a decimal point, though each value could have a point between "
        "thousands (if so: --decimal , or --thousands .)",
        f"{name} (such as {quoted(example)})",
    )


def _infer_dates(
    kept: _Texts, name: str, date_format: str | None, notes: Notes
) -> tuple[pd.Series, ColumnFormat] | None:
    if date_format is None:
        try:
            found = dates.find_dates(kept.texts)
        except AmbiguousDates as error:
            which = ", or ".join(
                f"--date-format '{name}={date_format}'" for date_format in error.formats
            )
            raise ValueError(
                f"Column {name} holds dates such as {quoted(error.example)}, in which "
                f"days and months cannot be told apart. Say which come first: {which}; "
                f"or, if they are no dates, --date-format '{name}={NO_DATE_FORMAT}'"
            ) from None
        if found is None:
            return None
    else:
        found = dates.parse_dates(kept.texts, date_format)
    never = dates.are_placeholders(kept.texts).to_numpy(dtype=bool)
    is_date = found.is_date & ~never
    words = kept.texts[~is_date & ~never]
    share = kept.counts[is_date].sum() / kept.counts.sum()
    known = words.str.lower().isin(MISSING_WORDS).all()
    with_digits = words[words.str.contains(r"\d")]
    if date_format is not None:
        _check_dates(with_digits, np.zeros(len(with_digits)), name, date_format)
    elif len(with_digits):
        row, text = kept.first_row(~is_date & ~never)
        notes.add(
            "Kept as categories, since not all values are dates",
            f"{name} ({kept.counts[is_date].sum():,} of {kept.counts.sum():,} rows "
            f"are, but not {quoted(text)} in row {row:,})",
        )
        return None
    elif not (known or share >= NEARLY_ALL):
        return None
    values = kept.spread(pd.Series(found.values).where(is_date).array, name)
    if found.format != dates.ISO and date_format is None:
        example = kept.texts[is_date].iloc[0]
        notes.add("Read as dates", f"{name} ({found.format}, such as {example})")
    if found.in_utc:
        notes.add("Times of several time zones were converted to UTC", name)
    if not is_date.all():
        notes.add(
            "Read as missing, since the other values are dates",
            f"{name} ({', '.join(kept.words(~is_date))})",
        )
    missing = tuple(kept.texts[~is_date])
    column_format = ColumnFormat(
        "date", date_format=found.format, missing_words=missing
    )
    return values, column_format


def _check_dates(
    texts: pd.Series, is_date: np.ndarray, name: str, date_format: str
) -> None:
    if not np.all(is_date):
        value = texts[~np.asarray(is_date, dtype=bool)].iloc[0]
        raise ValueError(
            f"Column {name} holds {quoted(value)}, which is no date in the format "
            f"{date_format}."
        )


# -------------------------------------------------------------------- known formats


@dataclass(frozen=True)
class ColumnPart:
    """What is known of a column of which only some rows are at hand.

    Attributes
    ----------
    first_row : int
        Rows of the column before these.
    ends_in_zeros : bool
        Whether :func:`ends_in_zeros` is true of the whole column.
    """

    first_row: int
    ends_in_zeros: bool = False


def convert_column(
    column: pd.Series,
    name: str,
    known: ColumnFormat,
    notes: Notes,
    part: ColumnPart | None = None,
) -> pd.Series:
    """A column of new rows, read as that of the training was.

    Parameters
    ----------
    column : Series of shape (n_samples,)
        Of the types of :func:`plain_types`.
    name : str
    known : ColumnFormat
        Of the training.
    notes : Notes
    part : ColumnPart, default=None
        If these are not all rows. No other format than the known one is accepted then:
        only all rows together leave no doubt of it.

    Returns
    -------
    Series of shape (n_samples,)

    Raises
    ------
    ValueError
        If a value is neither in the known format nor in another one that leaves no
        doubt, or is beyond the range of floats; names the row.
    """
    first_row = part.first_row if part else 0
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = plain_types(column.astype(object), name)
    column = _without_missing(column, known)
    if not column.notna().any():
        return _all_missing(column, known.kind)
    if known.kind == "category":
        texts = _texts_of(column)
        zeros = part.ends_in_zeros if part else _all_end_in_zeros(texts)
        texts = _as_levels(texts, known.levels, zeros)
        _note_new_levels(texts, name, known, notes)
        return texts
    if known.kind == "date":
        return _known_dates(column, name, known, notes, part)
    if not is_text(column):
        if is_datetime64_any_dtype(column):
            raise ValueError(
                f"Column {name} held numbers in training, and now it holds dates, such "
                f"as {quoted(column.dropna().iloc[0])}."
            )
        if known.number.percent:
            notes.add(
                "Numbers are written otherwise than in training", f"{name} (no %)"
            )
        _check_finite(column, name, _TO_LEAVE_EMPTY, first_row)
        return column
    every = _Texts.of(column)
    texts, missing = every.texts, _means_missing(every.texts, known)
    kept = every.those(~missing)
    rest = kept.texts
    if rest.empty:
        return _all_missing(column, known.kind)
    number_format = known.number
    if not number_format.matches(rest).all():
        found = None if part else numbers.find_numbers(rest, kept.counts, NumberMarks())
        if found is None or not found.is_number.all() or found.ambiguous:
            matched = number_format.matches(rest).to_numpy(dtype=bool)
            row, text = kept.first_row(~matched)
            written = number_format.describe() if part else ""
            held = f"numbers in training{written and f' ({written})'}"
            raise ValueError(
                f"Column {name} held {held}, and {quoted(text)} in data row "
                f"{row + first_row:,} is none. Correct it, or leave the cell empty."
            )
        number_format = found.format
        notes.add(
            "Numbers are written otherwise than in training",
            f"{name} ({number_format.describe() or 'decimal point'})",
        )
    unknown = texts[missing & ~texts.isin({"", *known.missing_words})]
    if len(unknown):
        words = ", ".join(map(quoted, unknown.iloc[:_MOST_SHOWN]))
        notes.add(
            "Read as missing, since there were numbers in training", f"{name} ({words})"
        )
    values = kept.spread(number_format.parse(rest).to_numpy(), name)
    _check_finite(values, name, _TO_LEAVE_EMPTY, first_row)
    return values


def _means_missing(texts: pd.Series, known: ColumnFormat) -> pd.Series:
    words = {"", *known.missing_words}
    return texts.str.lower().isin(MISSING_WORDS) | texts.isin(words)


def _without_missing(column: pd.Series, known: ColumnFormat) -> pd.Series:
    """Values without those that stood for missing ones in training."""
    if not known.missing_words:
        return column
    if is_text(column):
        texts = column.astype(str).str.strip()
        return column.mask(texts.isin(known.missing_words))
    if is_numeric_dtype(column) and not is_bool_dtype(column):
        return column.mask(column.isin(_extra_missing(known.missing_words)))
    return column


def ends_in_zeros(column: pd.Series, known: ColumnFormat) -> bool:
    """Whether all values of a category are written as ``7.0``, without exception."""
    return _all_end_in_zeros(_texts_of(_without_missing(column, known)))


def _all_end_in_zeros(texts: pd.Series) -> bool:
    return all(re.fullmatch(r"-?\d+\.0+", text) for text in texts.dropna().unique())


def _as_levels(
    texts: pd.Series, levels: tuple[str, ...], all_end_in_zeros: bool
) -> pd.Series:
    """Texts as the training has written them, where both are the same.

    They are the same number, or the same text but for quotes and kinds of apostrophes
    and blanks, which :func:`infer_column` has changed in training.
    """
    by_number = {_without_zeros(level): level for level in levels}
    seen, distinct = set(levels), texts.dropna().unique()
    unseen = [text for text in distinct if text not in seen]
    if not unseen:
        return texts
    plain = numbers.normalized(pd.Series(unseen, dtype=object).astype(str)).tolist()
    if levels:
        plain = [by_number.get(_without_zeros(text), text) for text in plain]
    elif all_end_in_zeros:
        plain = [_without_zeros(text) for text in plain]
    known = {text: new for text, new in zip(unseen, plain, strict=True) if text != new}
    if not known:
        return texts
    # Not replace, which takes a pass over the column for each of the texts.
    texts = texts.map({text: known.get(text, text) for text in distinct})
    return texts.where(texts != "", np.nan)


def _without_zeros(text: str) -> str:
    return re.sub(r"(\d)\.0+$", r"\1", text)


def _note_new_levels(
    texts: pd.Series, name: str, known: ColumnFormat, notes: Notes
) -> None:
    """Remark on a column most of whose values the training has not seen.

    A single value is no column; callers tell of it by itself.
    """
    present = texts.dropna()
    new = present[~present.isin(known.levels)]
    if known.levels and len(present) > 1 and len(new) > len(present) / 2:
        others = " and others" if new.nunique() > 1 else ""
        seen = ", ".join(map(quoted, known.levels[:_MOST_SHOWN]))
        notes.add(
            "Mostly values that were not seen in training",
            f"{name} ({quoted(new.iloc[0])}{others}, {rows_text(len(new))} of "
            f"{len(present):,}; in training {seen})",
        )


def _all_missing(column: pd.Series, kind: str) -> pd.Series:
    dtype = {"date": "datetime64[us]", "category": object}.get(kind, "float64")
    return pd.Series(None, index=column.index, name=column.name, dtype=dtype)


def _texts_of(column: pd.Series) -> pd.Series:
    """Texts without blanks around them; whole numbers without a decimal point."""
    if is_text(column) and not is_bool_dtype(column):
        # Each distinct text once, or a long column would be objects of Python.
        codes, distinct = pd.factorize(column)
        texts = _stripped(pd.Series(distinct).map(str).astype(object))
        values = texts.array.take(codes, allow_fill=True)
        return pd.Series(values, column.index, name=column.name)
    if is_bool_dtype(column):
        texts = column.map(str, na_action="ignore").astype(object)
    elif is_numeric_dtype(column):
        whole = (column.dropna() % 1 == 0).all()
        texts = column.map(
            lambda value: str(int(value)) if whole else str(value), na_action="ignore"
        ).astype(object)
    else:
        texts = column.astype("string").astype(object)
    return _stripped(texts)


def _stripped(texts: pd.Series) -> pd.Series:
    texts = texts.map(str.strip, na_action="ignore")
    return texts.where(texts.notna() & (texts != ""), np.nan)


def _known_dates(
    column: pd.Series,
    name: str,
    known: ColumnFormat,
    notes: Notes,
    part: ColumnPart | None,
) -> pd.Series:
    if is_datetime64_any_dtype(column):
        return column
    if not is_text(column):
        present = column.dropna()
        if (present % 1 == 0).all():
            texts = present.astype("int64").astype(str).reindex(column.index)
            column = texts.astype(object)
    every = _Texts.of(column)
    missing = _means_missing(every.texts, known) | dates.are_placeholders(every.texts)
    kept = every.those(~missing)
    rest = kept.texts
    if rest.empty:
        return _all_missing(column, "date")
    found = dates.parse_dates(rest, known.date_format or dates.ISO)
    if not (found.is_date.all() and _are_of_these_days(found)):
        other = None if part else _dates_otherwise(rest, known.date_format)
        if other is None:
            wrong = ~found.is_date if not found.is_date.all() else found.is_date
            row, text = kept.first_row(wrong)
            row += part.first_row if part else 0
            raise ValueError(
                f"Column {name} held dates in training ({known.date_format or 'ISO'}),"
                f" and {quoted(text)} in data row {row:,} is none. Correct it, or "
                "leave the cell empty."
            )
        found = other
        notes.add("Dates are written otherwise than in training", name)
    return kept.spread(found.values.array, name)


def _are_of_these_days(found: dates.DatesFound) -> bool:
    """Whether seconds were not milliseconds, or the reverse."""
    if found.format not in (dates.EPOCH_SECONDS, dates.EPOCH_MILLISECONDS):
        return True
    return bool(((found.values.year >= 1971) & (found.values.year < 2100)).all())


def _dates_otherwise(
    texts: pd.Series, date_format: str | None
) -> dates.DatesFound | None:
    """Dates in any format that leaves no doubt."""
    units = [dates.EPOCH_SECONDS, dates.EPOCH_MILLISECONDS]
    for unit in units if date_format in units else ():
        found = dates.parse_dates(texts, unit)
        if found.is_date.all() and _are_of_these_days(found):
            return found
    try:
        other = dates.find_dates(texts)
    except AmbiguousDates:
        return None
    return other if other is not None and other.is_date.all() else None
