"""Contributions and values in words."""

import datetime

import numpy as np
import pandas as pd
import pytest

from skadaptive._explanation.tables import MixableTable
from skadaptive._explanation.wording import described, reason, value_text


def test_the_example_of_the_documentation():
    table = MixableTable(pd.DataFrame({"amount": [4812.0]}))
    text = reason(described(table, "amount", [0], 0), np.log(3.1))
    assert text == "amount 4,812 raises the odds 3.1 times"


@pytest.mark.parametrize(
    ("factor", "text"),
    [
        (1 / 3.1, "it lowers the odds 3.1 times"),
        (1.3, "it raises the odds 1.3 times"),
        (1.07, "it raises the odds 1.07 times"),
        (1.04, ""),
        (1 / 1.04, ""),
        (25.4, "it raises the odds 25 times"),
        (1234, "it raises the odds 1,234 times"),
        (1e9, "it raises the odds more than 10,000 times"),
    ],
)
def test_reasons(factor, text):
    assert reason("it", np.log(factor)) == text


def test_contributions_without_bounds_have_words():
    assert reason("it", 1e6) == "it raises the odds more than 10,000 times"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.float64(4812), "4,812"),
        (np.float32(0.03125), "0.03125"),
        (123456.789, "123,457"),
        (np.int8(-3), "-3"),
        (999.96, "1,000"),
        (-999.94, "-999.9"),
        (-0.0, "0"),
        (1e-7, "1e-07"),
        (np.nan, "missing"),
        (None, "missing"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        (np.inf, "inf"),
        (np.True_, "true"),
        ("  two\nwords ", "two words"),
        ("x" * 50, "x" * 39 + "…"),
        (pd.Timestamp("2020-02-01"), "2020-02-01"),
        (np.datetime64("2020-02-01T10:30"), "2020-02-01 10:30"),
        (datetime.date(2020, 2, 1), "2020-02-01"),
    ],
)
def test_values(value, text):
    assert value_text(value) == text


def test_a_category_is_named_by_the_column_that_is_set():
    frame = pd.DataFrame({"color_red": [0.0, 1.0, 0.0], "color_blue": [1.0, 0.0, 0.0]})
    table = MixableTable(frame)
    texts = [described(table, "color", [0, 1], row) for row in range(3)]
    assert texts == ["color_blue", "color_red", "color none"]


def test_columns_that_were_put_together_have_their_values():
    table = MixableTable(pd.DataFrame([[1.5, 2.0, 3.0]], columns=["a", "b", "c"]))
    assert described(table, "abc", [0, 1, 2], 0) == "abc (a 1.5, b 2, ...)"
    # Flags of which several are set are no category.
    table = MixableTable(pd.DataFrame([[1.0, 1.0]], columns=["a", "b"]))
    assert described(table, "ab", [0, 1], 0) == "ab (a 1, b 1)"


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ([1, 0, 0], "red"),
        ([0, 0, 0], "color none"),
        ([1, 0, 1], "color (red 1, blue 0, ...)"),
        ([0.5, 0, 0], "color (red 0.5, blue 0, ...)"),
    ],
)
def test_one_hot_columns_are_the_one_that_is_set(row, text):
    table = MixableTable(pd.DataFrame([row], columns=["red", "blue", "green"]))
    assert described(table, "color", [0, 1, 2], 0) == text
