"""Tables as text: no cell breaks a row, and formulas are seen."""

import csv
import io

import pandas as pd
import pytest

from skadaptive._io.text_output import (
    count_formulas,
    is_formula,
    note_on_formulas,
    without_formulas,
    write_text,
)

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "--1"]
FORMULAS += ["-", "+49 170", "=HYPERLINK(A1,'x')"]
HARMLESS = ["-1.5", "+3", "-1,5", "-1.234,5", "-.5", "-5.", "+1e-7", "a=1", " =1", ""]
HARMLESS += ["'=1", "x\ty", "\N{MINUS SIGN}1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_with_a_mark_is_a_formula(text):
    assert is_formula(text)


@pytest.mark.parametrize("text", HARMLESS)
def test_numbers_and_other_texts_are_none(text):
    assert not is_formula(text)


def test_they_are_counted_by_column_and_escaped():
    frame = pd.DataFrame(
        {
            "=key": [*FORMULAS, *HARMLESS],
            "probability": -0.5,
            "prediction": pd.Categorical([*HARMLESS, *FORMULAS]),
        }
    )
    n = len(FORMULAS)
    assert count_formulas(frame) == {"=key": n + 1, "prediction": n}
    assert count_formulas(frame, with_names=False) == {"=key": n, "prediction": n}
    safe = without_formulas(frame)
    assert not count_formulas(safe)
    assert list(safe) == ["'=key", "probability", "prediction"]
    for before, after in zip(frame.to_numpy(), safe.to_numpy(), strict=True):
        for cell, escaped in zip(before, after, strict=True):
            is_one = isinstance(cell, str) and is_formula(cell)
            assert escaped == (f"'{cell}" if is_one else cell)
    note = note_on_formulas({"=key": 1, **{f"c{i}": 1000 for i in range(7)}})
    assert "7,001 cells begin with =, +, -, @" in note and "'=key' (1)" in note
    assert "c3" in note and "c4" not in note and "3 more" in note


@pytest.mark.parametrize("separator", [",", "\t"])
def test_every_text_is_read_as_it_was_written(separator):
    """A carriage return as well, which some versions of Python do not quote."""
    texts = [*FORMULAS, "a\rb", "x\ny", 'say "=1"', "a,b\t", "\r\n"]
    frame = pd.DataFrame({"k\r": texts, "n": 1.5})
    stream = io.StringIO(newline="")
    write_text(frame, stream, separator=separator)
    stream.seek(0)
    rows = list(csv.reader(stream, delimiter=separator))
    assert rows == [["k\r", "n"], *([text, "1.5"] for text in texts)]
