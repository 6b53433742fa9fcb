"""Columns as they come from Python, Parquet or a spreadsheet, and what is said."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pytest

from skadaptive._io.columns import Notes, is_text, plain_types, quoted, rows_text
from skadaptive._io.tables import _without_empty_names, check_columns
from skadaptive._io.text_files import leave_out_rows, sums_below, unique_names

DAY = datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ("values", "dtype", "expected", "kind"),
    [
        ([DAY / 2, None, 3 * DAY], "timedelta64[ns]", [0.5, np.nan, 3], "float64"),
        ([DAY / 2, 3 * DAY], object, [0.5, 3], "float64"),
        ([True, False], "boolean", [True, False], "bool"),
        ([True, None], "boolean", [1, np.nan], "float64"),
        ([True, None, False], object, [1, np.nan, 0], "float64"),
        ([True, False], object, [True, False], "bool"),
        ([1, None], "Int64", [1, np.nan], "float64"),
        ([1, 2**62 + 1], "Int64", [1, 2**62 + 1], "int64"),
        ([1.5, None], "Float32", [1.5, np.nan], "float64"),
        ([1, 2], "Float64", [1, 2], "float64"),
        ([1, None], object, [1, np.nan], "float64"),
        ([1, 2], object, [1, 2], "int64"),
        ([1, 2.5], object, [1, 2.5], "float64"),
        ([2**63 - 1, -(2**63)], object, [2**63 - 1, -(2**63)], "int64"),
        ([2**63, None], object, [str(2**63), None], "object"),
        ([-(2**63) - 1, 4], object, [str(-(2**63) - 1), "4"], "object"),
        ([decimal.Decimal("1.5"), None], object, [1.5, np.nan], "float64"),
        (["a", None], object, ["a", None], "object"),
        (["a", 1.0, 2.5, b"x", None], object, ["a", "1", "2.5", "x", None], "object"),
        ([1.0, 2.0], "float32", [1, 2], "float32"),
    ],
)
def test_values_of_every_kind(values, dtype, expected, kind):
    found = plain_types(pd.Series(values, dtype=dtype), "it")
    assert str(found.dtype) == kind or (kind == "object" and is_text(found))
    for value, wanted in zip(found, expected, strict=True):
        assert value == wanted or (pd.isna(value) and pd.isna(wanted))


@pytest.mark.parametrize(
    "values",
    [
        [datetime.date(2024, 2, 1), None],
        [datetime.datetime(2024, 2, 1), None],
        [np.datetime64("2024-02-01"), None],
    ],
)
def test_dates(values):
    found = plain_types(pd.Series(values, dtype=object), "day")
    assert found.iloc[0] == pd.Timestamp("2024-02-01") and pd.isna(found.iloc[1])


@pytest.mark.parametrize("nested", [[1], {"a": 1}, {2}, np.zeros(2)], ids=str)
def test_nested_values_are_refused_with_their_row(nested):
    values = np.array(["a", None, None], dtype=object)
    values[1] = nested
    with pytest.raises(ValueError, match="^Column it holds lists .* in row 2. Write"):
        plain_types(pd.Series(values, dtype=object), "it")


def test_texts_are_no_categories():
    assert is_text(pd.Series(["a"])) and is_text(pd.Series(["a"], dtype=object))
    assert not is_text(pd.Series(["a"], dtype="category"))
    assert not is_text(pd.Series([1.0]))


def test_notes_of_a_kind_are_one_line():
    notes, more = Notes(), Notes()
    notes.add("Left out", "")
    notes.add("Read as dates", "a")
    more.add("Read as dates", "b")
    more.add("New", "c")
    notes.extend(more)
    assert notes.lines() == ["Left out.", "Read as dates: a; b.", "New: c."]
    other = Notes()
    other.add("New", "d")
    other.add("Newer", "e")
    notes.extend_with_new(other)
    assert notes.lines()[2:] == ["New: c.", "Newer: e."]
    for n, end in ((20, "; x19."), (21, "; x19; and 1 more."), (25, "; and 5 more.")):
        many = Notes()
        for i in range(n):
            many.add("All", f"x{i}")
        (line,) = many.lines()
        assert line.startswith("All: x0; x1;") and line.endswith(end)


def test_numbers_of_rows_and_quotes():
    texts = [rows_text(n) for n in (0, 1, 2, 1234)]
    assert texts == ["0 rows", "1 row", "2 rows", "1,234 rows"]
    assert quoted("a'b") == '"a\'b"' and quoted(3) == "'3'"
    assert quoted("x" * 60) == repr("x" * 60)
    assert quoted("x" * 61) == repr("x" * 57 + "...")


def test_names_that_are_empty_or_occur_again():
    notes = Notes()
    names = unique_names([" a ", "a", "", "a.1", "a"], notes)
    assert names == ["a", "a.1", "Unnamed: 2", "a.1.1", "a.2"]
    assert notes.lines() == [
        "Names that occur again have a number: 'a' is a.1; 'a.1' is a.1.1; 'a' is a.2."
    ]


def test_columns_without_a_name_are_left_out_if_they_tell_nothing():
    frame = pd.DataFrame(
        {
            "Unnamed: 0": [5, 6, 7],
            "Unnamed: 1": np.nan,
            "Unnamed: 2": [1, 2, 4],
            "Unnamed: 3": [1.0, 2.0, 3.0],
            "Unnamed: 4": ["a", None, None],
            "Unnamed: x": [1, 2, 3],
            "row": [1, 2, 3],
        }
    )
    notes = Notes()
    found, unused = _without_empty_names(frame, notes)
    assert unused == ["Unnamed: 0", "Unnamed: 1"]
    assert list(found) == list(frame)[2:]
    assert notes.lines() == [
        "Left out, since it has no name and counts the rows: Unnamed: 0.",
        "Left out, since it has no name and is empty: Unnamed: 1.",
    ]
    # A single row counts nothing.
    assert _without_empty_names(frame[:1], Notes())[1] == ["Unnamed: 1"]


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        (
            ["Age", "City"],
            ["city "],
            "column city . The columns are: Age, City. Is it 'C",
        ),
        (
            ["Age", "City"],
            ["b", "Age", "c"],
            r"column b, c. The columns are: Age, City.$",
        ),
        (["3", "x"], ["b"], "The first row of the file seems to be data, not column"),
        (["-3,5", "x", "y"], ["b"], "The columns are: -3,5, x, y.$"),
    ],
)
def test_a_column_that_is_not_there(columns, names, message):
    frame = pd.DataFrame(columns=columns)
    check_columns(frame, columns)
    with pytest.raises(ValueError, match=message):
        check_columns(frame, names)


def test_sums_below_a_table_are_no_rows():
    frame = pd.DataFrame({"who": ["a", "b", "Total"], "n": ["1", "2", "3"]})
    assert sums_below(frame).tolist() == [False, False, True]
    # The word is a value of other rows as well.
    again = pd.DataFrame({"who": ["Total", *"abcdefghijkl", "Total"], "n": "1"})
    assert not sums_below(again).any()


def test_rows_that_are_none_are_left_out():
    frame = pd.DataFrame(
        [
            ["# read by hand", None, None],
            ["a", "1", "2"],
            [None, None, None],
            ["who", "n", "m"],
            ["b", "3", "4"],
            ["Total", "4", "6"],
            ["source: the office", None, None],
        ],
        columns=["who", "n", "m"],
    )
    notes = Notes()
    found, changed = leave_out_rows(frame, notes)
    assert changed and found["who"].tolist() == ["a", "b"]
    assert found.index.tolist() == [0, 1]
    assert notes.lines() == [
        "Left out, since they have no value: 1 row.",
        "Left out, since they repeat names: 1 row.",
        "Left out as comments: 1 row.",
        "Left out below the table: 2 rows: 'Total', 'source: the office'.",
    ]
    same, changed = leave_out_rows(found, Notes())
    assert not changed and same is found
