"""Dates written as text or as integers: their format, and their values."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

#: strptime's names of formats, and two of our own for seconds and milliseconds.
ISO, EPOCH_SECONDS, EPOCH_MILLISECONDS = "ISO8601", "epoch-s", "epoch-ms"
COMPACT = "%Y%m%d"
#: Integers that stand for no date among compact ones.
NO_DATES = (0, 99991231, 99999999)
# Distinct values that a format is first tried on.
_N_SAMPLE = 50
# If at least this share of the values are dates, the others are remarked on.
_MOST = 0.8
# So many different integers that all are dates are no coincidence.
_N_INTEGERS = 10
_MONTH = r"[A-Za-z]{3,9}\.?"
_TIME = (
    r"(?P<gap>[ T]|, ?)(?P<hour>\d{1,2}):\d{2}(?P<seconds>:\d{2})?(?P<fraction>\.\d+)?"
    r"(?P<half> ?[AaPp][Mm])?"
)
# Each with the formats that its texts may be in; # stands for the separator.
_TEMPLATES = [
    (r"\d{4}(?P<sep>[/.])\d{1,2}(?P=sep)\d{1,2}", ("%Y#%m#%d",)),
    (r"\d{1,2}(?P<sep>[/.-])\d{1,2}(?P=sep)\d{4}", ("%d#%m#%Y", "%m#%d#%Y")),
    # With one digit they could be versions of a program.
    (r"\d{2}(?P<sep>\.)\d{2}(?P=sep)\d{2}", ("%d#%m#%y", "%m#%d#%y")),
    (r"\d{1,2}(?P<sep>/)\d{1,2}(?P=sep)\d{2}", ("%d#%m#%y", "%m#%d#%y", "%y#%m#%d")),
    (r"\d{2}(?P<sep>-)\d{2}(?P=sep)\d{2}", ("%d#%m#%y", "%m#%d#%y", "%y#%m#%d")),
    (rf"\d{{1,2}}(?P<sep>[ -]){_MONTH}(?P=sep)\d{{4}}", ("%d#%b#%Y", "%d#%B#%Y")),
    (rf"\d{{1,2}}(?P<sep>[ -]){_MONTH}(?P=sep)\d{{2}}", ("%d#%b#%y", "%d#%B#%y")),
    (rf"{_MONTH}(?P<sep> )\d{{1,2}},? \d{{4}}", ("%b#%d#%Y", "%B#%d#%Y")),
    (r"\d{8}", (COMPACT,)),
]
_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ].*)?"
# The greatest and the least year that stand for "never" and "not known".
_NO_END, _NO_DATE = r"9999\D?\d|\d\D9999\b", r"(?:0000|0001)\D|\D(?:0000|0001)\b"


class AmbiguousDates(ValueError):
    """Dates that several formats read, as different days.

    Attributes
    ----------
    example : str
    formats : list of str
    """

    def __init__(self, example: str, formats: list[str]) -> None:
        super().__init__(example)
        self.example, self.formats = example, formats


@dataclass(frozen=True)
class DatesFound:
    """Dates among the distinct texts of a column.

    Attributes
    ----------
    format : str
        As of strptime, or one of the names above.
    values : DatetimeIndex of shape (n_texts,)
        NaT for texts that are no dates.
    is_date : ndarray of shape (n_texts,)
    in_utc : bool
        Whether texts had different time zones.
    """

    format: str
    values: pd.DatetimeIndex
    is_date: np.ndarray
    in_utc: bool = False


def parse_dates(texts: pd.Series, date_format: str) -> DatesFound:
    """Read texts in a known format.

    Parameters
    ----------
    texts : Series of str or of numbers
    date_format : str
        See :class:`DatesFound`.
    """
    if date_format in (EPOCH_SECONDS, EPOCH_MILLISECONDS):
        unit = "s" if date_format == EPOCH_SECONDS else "ms"
        numbers = pd.to_numeric(texts, errors="coerce")
        whole = numbers.astype("float64").round().astype("Int64")
        values = pd.to_datetime(whole, unit=unit, errors="coerce")
    elif date_format == ISO:
        return _parse_iso(texts)
    else:
        texts = _one_style(texts.astype(str))
        values = pd.to_datetime(texts, format=date_format, errors="coerce")
    values = pd.DatetimeIndex(values)
    return DatesFound(date_format, values, ~values.isna())


def _parse_iso(texts: pd.Series) -> DatesFound:
    texts = texts.astype(str)
    matching = texts.where(texts.str.fullmatch(_ISO))
    try:
        values = pd.to_datetime(matching, format="ISO8601", errors="coerce")
        in_utc = False
        if not isinstance(values.dtype, np.dtype | pd.DatetimeTZDtype):
            raise ValueError
    except ValueError:  # several time zones
        values = pd.to_datetime(matching, format="ISO8601", errors="coerce", utc=True)
        in_utc = True
    values = pd.DatetimeIndex(values)
    return DatesFound(ISO, values, ~values.isna(), in_utc)


def _one_style(texts: pd.Series) -> pd.Series:
    """Texts without the points and commas that strptime would have to know of."""
    if not texts.str.contains(r"[A-Za-z]{3}").any():
        return texts
    texts = texts.str.replace(r"([A-Za-z]{3})\.", r"\1", regex=True)
    texts = texts.str.replace(r"(?i)\bsept\b", "Sep", regex=True)
    return texts.str.replace(r"^([A-Za-z]+ \d{1,2}),", r"\1", regex=True)


def are_placeholders(texts: pd.Series) -> pd.Series:
    """Which texts stand for no date: the year 0000 or 0001, or 9999."""
    is_one = texts.str.contains(_NO_END) | texts.str.contains(_NO_DATE)
    return is_one & texts.str.fullmatch(r"[\d\W]*(?:T[\d\W]*Z?)?")


def find_dates(texts: pd.Series) -> DatesFound | None:
    """Find the format that the texts with digits are dates in.

    Parameters
    ----------
    texts : Series of str, of shape (n_texts,)
        The distinct values of a column, without blanks around them.

    Returns
    -------
    DatesFound or None
        None if less than 80 % of the texts with digits are dates of one format.

    Raises
    ------
    AmbiguousDates
        If they are dates in several formats, and other ones in each.
    """
    digits = texts.str.contains(r"\d")
    if not digits.any():
        return None
    dates = texts[digits & ~are_placeholders(texts)]
    if dates.empty:
        return None
    sample = dates.iloc[:_N_SAMPLE]
    if sample.str.fullmatch(_ISO).mean() >= _MOST:
        tried = [_parse_iso(dates)]
    else:
        formats = _formats(sample)
        tried = [parse_dates(dates, date_format) for date_format in formats]
    read = [found for found in tried if found.is_date.all()]
    if not read:
        return _nearly_all(tried, dates, texts)
    first = read[0]
    different = [f for f in read[1:] if not f.values.equals(first.values)]
    if different:
        point = "." in first.format and first.format.startswith("%d")
        # Where days and months are separated by points, the day comes first.
        if not point:
            raise AmbiguousDates(
                str(dates.iloc[0]), [first.format, *(f.format for f in different)]
            )
    return _among(first, dates, texts)


def _nearly_all(
    tried: list[DatesFound], dates: pd.Series, texts: pd.Series
) -> DatesFound | None:
    """The format that most are dates in, if any, for a remark on the others."""
    best = max(tried, key=lambda found: found.is_date.sum(), default=None)
    if best is None or best.is_date.mean() < _MOST:
        return None
    return _among(best, dates, texts)


def _among(found: DatesFound, dates: pd.Series, texts: pd.Series) -> DatesFound:
    """What was found in some of the texts, for all of them."""
    values = pd.Series(found.values, index=dates.index).reindex(texts.index)
    is_date = texts.index.isin(dates.index[found.is_date])
    return DatesFound(found.format, pd.DatetimeIndex(values), is_date, found.in_utc)


def _formats(sample: pd.Series) -> list[str]:
    """Formats that the sample may be in, by its punctuation alone."""
    for pattern, formats in _TEMPLATES:
        matching = sample[sample.str.fullmatch(_plain(pattern))]
        if len(matching) < _MOST * len(sample):
            continue
        match = re.fullmatch(f"{pattern}(?:{_TIME})?", matching.iloc[0])
        if match is None:
            continue
        groups = match.groupdict()
        time = ""
        if groups["gap"]:
            time = groups["gap"] + ("%I" if groups["half"] else "%H") + ":%M"
            time += ":%S" if groups["seconds"] else ""
            time += ".%f" if groups["fraction"] else ""
            half = groups["half"] or ""
            time += (" " if half.startswith(" ") else "") + ("%p" if half else "")
        separator = groups.get("sep") or ""
        return [f.replace("#", separator) + time for f in formats]
    return []


def _plain(pattern: str) -> str:
    """The pattern with a time of day, without what RE2 does not know."""
    pattern = pattern.replace("(?P=sep)", r"[/. -]")
    return re.sub(r"\?P<\w+>", "?:", f"{pattern}(?:{_TIME})?")


def find_integer_dates(name: str, values: pd.Series) -> str | None:
    """Whether integers are dates: 20240131, or seconds or milliseconds since 1970.

    Parameters
    ----------
    name : str
        Name of the column, which may say that it is a time.
    values : Series of int or float
        NaN where missing.

    Returns
    -------
    str or None
        The format, of which there must be ten different values. Seconds are dates if
        they are whole minutes or the name says that they are a time.
    """
    present = values.dropna()
    present = present[~present.isin(NO_DATES)]
    if present.empty:
        return None
    low, high = present.min(), present.max()
    ranges = {
        COMPACT: (19000101, 21001231),
        EPOCH_SECONDS: (6.3e8, 2.3e9),  # 1990 to 2042
        EPOCH_MILLISECONDS: (6.3e11, 2.3e12),
    }
    for date_format, (least, greatest) in ranges.items():
        if not (least <= low and high <= greatest):
            continue
        distinct = pd.Series(present.unique())
        if len(distinct) < _N_INTEGERS or not (distinct % 1 == 0).all():
            return None
        if date_format == COMPACT:
            text = distinct.astype("int64").astype(str)
            found = parse_dates(text, COMPACT)
            return COMPACT if found.is_date.all() else None
        minute = 60 if date_format == EPOCH_SECONDS else 60_000
        named = re.search(r"(?i)time|date|epoch|(?:^|_)(?:ts|at|on)$", name)
        return date_format if named or (distinct % minute == 0).all() else None
    return None
