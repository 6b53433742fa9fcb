"""Tables that pandas writes, in any dialect of CSV, are read with the same values."""

import csv
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skadaptive._io.columns import ReadingOptions
from skadaptive._io.numbers import MISSING_WORDS
from skadaptive._io.tables import read_table

pytestmark = pytest.mark.slow

# What separates, quotes, looks like a formula, or is of another alphabet.
_LETTERS = (
    list("abz éüßñ") + list(",;\t|\"'#=+-@%.:/\\()&<>$€") + ["漢", "Ж", "😀", "\n"]
)
TEXTS = st.lists(st.sampled_from([*_LETTERS, "0", "7"]), min_size=1, max_size=8).map(
    lambda letters: "".join(letters).strip()
)
NAMES = st.lists(st.sampled_from(_LETTERS[:-1]), max_size=6).map("".join)
KINDS = ["integer", "float", "rounded", "text", "bool", "date", "time", "missing"]
DIALECTS = st.fixed_dictionaries(
    {
        "sep": st.sampled_from(list(",;\t|")),
        "quoting": st.sampled_from(
            [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]
        ),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "na_rep": st.sampled_from(["", "NA", "NaN", "null", "None", "#N/A"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
        "decimal": st.sampled_from([".", ","]),
        "date_format": st.sampled_from([None, "%d.%m.%Y", "%Y/%m/%d", "%d %b %Y"]),
    }
)


def column(kind, texts, size, rng):
    """Values of a kind, some of them missing."""
    digits = rng.integers(1, 15)
    values = {
        "integer": rng.integers(-(10**digits), 10**digits, size),
        "float": rng.normal(size=size) * 10.0 ** rng.uniform(-300, 300, size),
        "rounded": (rng.normal(size=size) * 1000).round(2),
        "text": np.array(texts, object)[rng.integers(len(texts), size=size)],
        "bool": rng.random(size) < 0.5,
        "date": pd.Timestamp("1950-01-01")
        + pd.to_timedelta(rng.integers(0, 40_000, size), "D"),
        "time": pd.Timestamp("1999-01-01")
        + pd.to_timedelta(rng.integers(0, 10**9, size), "s"),
        "missing": np.full(size, np.nan),
    }[kind]
    column = pd.Series(values)
    if kind in ("integer", "bool") or rng.random() < 0.5:
        return column
    return column.mask(rng.random(size) < 0.2)


def _is_a_word(text):
    """Whether a text is read as it is, and is no word for a missing value."""
    if text[0] in "\"'" or text.startswith(("='", '="')):
        return False  # quotes around a text are left out
    return text.lower() not in MISSING_WORDS and any(c in text for c in "abzéüßñ漢Ж")


@st.composite
def tables(draw):
    """A table and the dialect that it is written in."""
    size = draw(st.integers(1, 40))
    texts = [f"w{text}" for text in draw(st.lists(TEXTS, min_size=1, max_size=4))]
    begun = draw(st.lists(TEXTS.filter(_is_a_word), max_size=3))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # A row with a single cell at the end would be a remark below the table.
    key = np.arange(size)
    frame = pd.DataFrame({"key": [f"row {i}" for i in key], "number": key % 7})
    for i, kind in enumerate(kinds):
        frame[f"n{draw(NAMES)}{i}"] = column(kind, [*texts, *begun], size, rng)
    dialect = draw(DIALECTS)
    if dialect["decimal"] == dialect["sep"]:
        dialect["decimal"] = "."
    try:
        frame.to_csv(index=False).encode(dialect["encoding"])
    except UnicodeEncodeError:
        dialect["encoding"] = "utf-8"
    if "time" in kinds:
        dialect["date_format"] = None
    return frame, dialect


@bounded(30)
@given(tables())
def test_a_table_is_read_as_it_was_written(case):
    frame, dialect = case
    encoding = dialect["encoding"]
    options = ReadingOptions(encoding=encoding if encoding == "cp1252" else None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        frame.to_csv(path, index=False, **dialect)
        try:
            table = read_table(path, options)
        except ValueError as error:
            assert any(name in str(error) for name in frame), error
            # Days and months cannot be told apart.
            assert "--date-format" in str(error), error
            assert dialect["date_format"] == "%d.%m.%Y"
            return
        new = read_table(path, options, known=table.formats).frame
    found = table.frame
    pd.testing.assert_frame_equal(new, found, check_dtype=False)
    assert list(found) == [" ".join(name.split()) for name in frame]
    assert len(found) == len(frame)
    for name, written in frame.items():
        assert_same_values(found[" ".join(name.split())], written)


def assert_same_values(found, expected):
    """Equal values, whatever their types are called."""
    assert_array_equal(found.isna(), expected.isna(), err_msg=expected.name)
    found, expected = found.dropna(), expected.dropna()
    if pd.api.types.is_datetime64_any_dtype(expected):
        assert pd.api.types.is_datetime64_any_dtype(found) or not len(found)
        found = pd.to_datetime(found)
    if pd.api.types.is_bool_dtype(expected):
        found, expected = found.astype(str), expected.astype(str)
    if pd.api.types.is_float_dtype(expected):  # the last digit is wrong before pandas 3
        assert_allclose(found.astype(float), expected, rtol=1e-14)
    else:
        assert found.tolist() == expected.tolist()
