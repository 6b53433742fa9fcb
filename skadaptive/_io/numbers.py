"""Numbers written as text: which format a column of texts is in, and their values.

A format is found from all values of a column. A value is a number in the format or a
word; a word with a digit in it makes the column a column of codes.
"""

import re
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from .._typing import FloatArray

#: Words for a missing value, in lower case, beside those that pandas knows.
MISSING_WORDS = frozenset(
    [
        "?",
        "??",
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "…",
        "*",
        "**",
        "#",
        "x",
        "xx",
        "xxx",
        "na",
        "n.a.",
        "n.a",
        "n/a",
        "n/k",
        "nk",
        "n.k.",
        "n/d",
        "nd",
        "n.d.",
        "k.a.",
        "none",
        "null",
        "nil",
        "nan",
        "missing",
        "unknown",
        "unspecified",
        "undefined",
        "undetermined",
        "empty",
        "blank",
        "unavailable",
        "tbd",
        "tba",
        "n.n.",
        "s/d",
        "s.d.",
        "n/r",
        "nr",
        "n.r.",
        "#n/a",
        "#ref!",
        "#value!",
        "#name?",
        "#null!",
        "#num!",
        "#div/0!",
        "–",
        "—",
        "<na>",
        "<null>",
        "(null)",
        "(missing)",
        "(unknown)",
        "(blank)",
        "[null]",
        "\\n",
    ]
) | {
    "not available",
    "not applicable",
    "not known",
    "not specified",
    "not given",
    "no data",
    "no value",
    "no answer",
    "to be determined",
    "data missing",
    "keine angabe",
    "unbekannt",
    "inconnu",
    "desconhecido",
    "desconocido",
}
# With unknown words, at least this share of rows must be numbers.
NEARLY_ALL = 0.95
# With fewer numbers than this, words beside them make a column categorical.
_N_NUMBERS = 10
# Distinct values that a format is first tried on.
_N_SAMPLE = 500

# The blanks that separate thousands, and characters that look like others.
_CHARACTERS = {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "’": "'"}
_SYMBOLS = "$€£¥₹₽₩₺₪฿₫₴₦"
_CURRENCIES = [
    "US$",
    "R$",
    "A$",
    "C$",
    "CA$",
    "AU$",
    "NZ$",
    "HK$",
    "S$",
    "CHF",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "CNY",
    "INR",
    "BRL",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "CZK",
    "HUF",
    "RUB",
    "TRY",
    "ZAR",
    "MXN",
    "AUD",
    "CAD",
    "NZD",
    "SGD",
    "HKD",
    "KRW",
    "Fr.",
    "kr",
    "zł",
    "Kč",
    "Ft",
] + list(_SYMBOLS)
_CURRENCY = re.compile(
    "|".join(re.escape(c) for c in sorted(_CURRENCIES, key=len, reverse=True))
)
_HAS_DIGIT = r"[0-9]"
_ZERO = r"0+(?:[.,]0*)?"


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes
    ----------
    decimal : {".", ","}
    thousands : {"", ",", ".", " ", "'"}
        Empty if thousands are not separated.
    currency : str
        Symbol or code before or after the numbers; empty if there is none.
    percent : bool
        Whether a per cent sign follows the numbers. 3.6 % is read as 3.6.
    """

    decimal: str = "."
    thousands: str = ""
    currency: str = ""
    percent: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it is the format that pandas reads by itself."""
        return self == NumberFormat()

    def describe(self) -> str:
        """What is unusual about the format, for a message; empty for a plain one."""
        marks = {",": "comma", ".": "point", " ": "blank", "'": "apostrophe"}
        parts = []
        if self.decimal != ".":
            parts.append(f"decimal {marks[self.decimal]}")
        if self.thousands:
            parts.append(f"thousands separated by {marks[self.thousands]}")
        if self.currency:
            parts.append(self.currency)
        if self.percent:
            parts.append("per cent")
        return ", ".join(parts)

    def pattern(self) -> str:
        """Regular expression, of the whole text, for a number in this format."""
        decimal, thousands = re.escape(self.decimal), re.escape(self.thousands)
        whole = r"[0-9]+"
        if self.thousands:
            whole = rf"(?:[1-9][0-9]{{0,2}}(?:{thousands}[0-9]{{3}})+|[0-9]+)"
        core = rf"(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        currency = re.escape(self.currency)
        before = rf"(?:{currency} ?)" if currency else ""
        after = rf"(?: ?{currency})" if currency else ""
        percent = " ?%" if self.percent else ""
        optional = "?" if currency else ""
        body = f"{before}{optional}{core}{percent}{after}{optional}"
        signed = rf"[+-]? ?{body}"
        if currency:
            signed += rf"|{before}[+-] ?{core}{percent}"
        return rf"(?:{signed}|\({body}\)|{body}-)"

    def matches(self, texts: pd.Series) -> pd.Series:
        """Which texts are numbers in this format; a per cent sign may miss after 0."""
        matched = texts.str.fullmatch(self.pattern())
        if self.percent:
            matched |= texts.str.fullmatch(_ZERO)
        return matched

    def parse(self, texts: pd.Series) -> pd.Series:
        """Values of texts that all are numbers in this format."""
        negative = texts.str.startswith("(") | texts.str.endswith("-")
        for mark in (self.currency, "%", " ", "(", ")", self.thousands):
            if mark:
                texts = texts.str.replace(mark, "", regex=False)
        if self.decimal != ".":
            texts = texts.str.replace(self.decimal, ".", regex=False)
        texts = texts.str.removesuffix("-").str.removeprefix("+")
        try:
            values = pd.to_numeric(texts)
        except ValueError:  # of pandas 2, for a number beyond the range of floats
            values = texts.astype("float64")
        if not is_numeric_dtype(values):
            # No type of integers holds 2**64 - 1 beside a negative number.
            values = texts.astype("float64")
        return values.where(~negative, -values)


def normalized(texts: pd.Series) -> pd.Series:
    """Texts without blanks and quotes around them, and with ordinary characters."""
    unusual = "|".join([*_CHARACTERS, r"^\s", r"\s$", r"""^=?['"]"""])
    if not texts.str.contains(unusual, regex=True).any():
        return texts
    for character, plain in _CHARACTERS.items():
        texts = texts.str.replace(character, plain, regex=False)
    texts = texts.str.strip()
    quoted = texts.str.fullmatch(r"""=?"[^"]*"|'[^']*'?""")
    if quoted.any():
        inside = texts.str.removeprefix("=").str.strip("\"'").str.strip()
        texts = inside.where(quoted, texts)
    return texts


@dataclass(frozen=True)
class NumbersFound:
    """Numbers among the distinct texts of a column.

    Attributes
    ----------
    format : NumberFormat
    values : ndarray of shape (n_texts,)
        NaN for words; integers if all are.
    is_number : ndarray of shape (n_texts,)
    ambiguous : bool
        Whether another format reads all texts, too, as other numbers.
    """

    format: NumberFormat
    values: FloatArray
    is_number: np.ndarray
    ambiguous: bool = False


@dataclass(frozen=True)
class NumberMarks:
    """Marks that the user has named; None leaves them to the values.

    Attributes
    ----------
    decimal : {".", ","} or None
    thousands : {",", ".", " ", "'"} or None
    """

    decimal: str | None = None
    thousands: str | None = None

    @property
    def given(self) -> bool:
        """Whether the user has named any."""
        return self.decimal is not None or self.thousands is not None

    def pairs(self) -> list[tuple[str, str]]:
        """Pairs of a decimal mark and a separator of thousands that are possible."""
        thousands = ("", ",", ".", " ", "'")
        return [
            (mark, separator)
            for mark, separator in product(".,", thousands)
            if mark not in (separator, self.thousands)
            and self.decimal in (None, mark)
            and (self.thousands is None or separator in ("", self.thousands))
        ]


def find_numbers(
    texts: pd.Series, counts: np.ndarray, marks: NumberMarks
) -> NumbersFound | None:
    """Find the format that most of the texts are numbers in.

    Parameters
    ----------
    texts : Series of str, of shape (n_texts,)
        The distinct values of a column, normalized.
    counts : ndarray of shape (n_texts,)
        How many rows have each.
    marks : NumberMarks

    Returns
    -------
    NumbersFound or None
        None if less than half of the rows would be numbers.
    """
    sample = texts.iloc[:_N_SAMPLE]
    best = _best_format(sample, marks)
    for _ in range(3):
        if best is None:
            return None
        rest = texts[~best.matches(texts)]
        rest = rest[rest.str.contains(_HAS_DIGIT)]
        if rest.index.isin(sample.index).all():
            break
        # What the sample lacked, such as the only value above 1,000, decides.
        sample = pd.concat([sample, rest.iloc[:_N_SAMPLE]])
        sample = sample[~sample.index.duplicated()]
        best = _best_format(sample, marks)
    if best is None:
        return None
    matched = best.matches(texts)
    if counts[matched].sum() < 0.5 * counts.sum():
        return None
    numbers = best.parse(texts[matched])
    values = numbers.reindex(texts.index).to_numpy()
    return NumbersFound(
        format=best,
        values=values,
        is_number=matched.to_numpy(dtype=bool),
        ambiguous=_is_ambiguous(texts[matched], best, marks),
    )


def _best_format(sample: pd.Series, marks: NumberMarks) -> NumberFormat | None:
    """The format that most texts of a sample are in; the plainest of several."""
    with_digits = sample[sample.str.contains(_HAS_DIGIT)]
    if with_digits.empty:
        return None
    symbols = with_digits.str.extract(f"({_CURRENCY.pattern})", expand=False).dropna()
    currency = symbols.mode().iloc[0] if len(symbols) else ""
    shares = with_digits[~with_digits.str.fullmatch(_ZERO)]
    percent = bool(len(shares) and shares.str.contains("%", regex=False).mean() > 0.5)
    formats = [
        NumberFormat(decimal, thousands, currency, percent)
        for decimal, thousands in marks.pairs()
    ]
    matching = [candidate.matches(with_digits).sum() for candidate in formats]
    most = max(matching)
    if most == 0:
        return None
    leaders = [f for f, n in zip(formats, matching, strict=True) if n == most]
    return _decided(leaders, with_digits)


def _decided(leaders: list[NumberFormat], texts: pd.Series) -> NumberFormat:
    """One of the formats that read equally many texts.

    A comma before three digits each time separates thousands if there are values
    without it below 1,000 only: a decimal part of three digits would be written out in
    these, too.
    """
    plain = next((f for f in leaders if not f.thousands), leaders[0])
    grouped = [f for f in leaders if f.thousands == plain.decimal == ","]
    if grouped:
        bare = texts[~texts.str.contains(",", regex=False)]
        if len(bare) and plain.parse(bare).abs().max() < 1000:
            return grouped[0]
    return plain


def _is_ambiguous(texts: pd.Series, chosen: NumberFormat, marks: NumberMarks) -> bool:
    """Whether the mark that is decimal could separate thousands in all texts."""
    if chosen.thousands:
        return False
    other = {".": ",", ",": "."}[chosen.decimal]
    if (other, chosen.decimal) not in marks.pairs():
        return False
    grouped = NumberFormat(other, chosen.decimal, chosen.currency, chosen.percent)
    marked = texts.str.contains(chosen.decimal, regex=False)
    return bool(marked.any() and grouped.matches(texts).all())


def are_codes(texts: pd.Series) -> bool:
    """Whether texts of digits are codes.

    One begins with 0, has more digits than a float can hold, or has a plus sign,
    though none has a minus sign.

    Parameters
    ----------
    texts : Series of str
        Normalized values that are numbers in some format.
    """
    if texts.str.contains(r"^[(+-]?0\d|^[+-]?\d{16,}$", regex=True).any():
        return True
    return bool(
        texts.str.startswith("+").any()
        and not texts.str.contains(r"^[-(]|-$", regex=True).any()
    )


def _are_grades(texts: pd.Series, written: NumberFormat) -> bool:
    """Whether "2-" is a grade and "(2)" a note: amounts have fractions or more."""
    if not texts.str.contains(r"^\(|-$", regex=True).any() or written.currency:
        return False
    marks = f"[{re.escape(written.decimal + written.thousands)}]"
    return not texts.str.contains(marks, regex=True).any()


def accept_numbers(found: NumbersFound, texts: pd.Series, counts: np.ndarray) -> bool:
    """Whether a column is one of numbers, the words in it standing for missing values.

    Parameters
    ----------
    found : NumbersFound
    texts : Series of str, of shape (n_texts,)
    counts : ndarray of shape (n_texts,)

    Returns
    -------
    bool
        Not if a word holds a digit, as codes do; nor with words that are not known
        to mean "missing", if fewer than 95 % of the rows are numbers or there are
        fewer than ten different ones.
    """
    words = texts[~found.is_number]
    written = texts[found.is_number]
    if are_codes(written) or _are_grades(written, found.format):
        return False
    if words.empty:
        return True
    if words.str.contains(_HAS_DIGIT).any():
        return False
    if words.str.lower().isin(MISSING_WORDS).all():
        return True
    share = counts[found.is_number].sum() / counts.sum()
    return bool(share >= NEARLY_ALL and found.is_number.sum() >= _N_NUMBERS)
