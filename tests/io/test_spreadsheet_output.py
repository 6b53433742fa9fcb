"""Tables as spreadsheets: types stay, no text becomes a formula, sizes are told."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from test_text_output import FORMULAS, HARMLESS

from skadaptive._io.spreadsheet_output import check_size, write_spreadsheet

openpyxl = pytest.importorskip("openpyxl")

#: Texts that openpyxl takes for errors, that XML does not hold as they are, and one
#: that looks like the escape of another one.
ODD = ["#N/A", "#REF!", "http://x.y", "007", "1e5", "a\rb", "x\ny", "a\x00\x1bb"]
ODD += ["_x000D_", "\N{EURO SIGN}\N{GRINNING FACE}"]


def written(frame, folder):
    """The rows of cells below the names, and the names."""
    write_spreadsheet(frame, folder / "t.xlsx")
    names, *rows = openpyxl.load_workbook(folder / "t.xlsx").active.iter_rows()
    return rows, names


def test_no_text_becomes_a_formula_an_error_or_a_link(tmp_path):
    texts = [*FORMULAS, *filter(None, HARMLESS), *ODD]
    rows, (name, other) = written(pd.DataFrame({"=k": texts, "p": 0.5}), tmp_path)
    assert (name.value, name.data_type, other.value) == ("=k", "s", "p")
    assert {cell.data_type for cell, _ in rows} == {"s"}
    assert not any(cell.hyperlink for cell, _ in rows)
    # Excel makes none of it either, when the cell is edited.
    assert [cell.quotePrefix for cell, _ in rows[: len(FORMULAS)]] == [True] * 10
    assert not any(cell.quotePrefix for cell, _ in rows[len(FORMULAS) :])
    # Excel decodes the escapes of the format, and openpyxl only on request.
    from openpyxl.utils.escape import unescape

    assert [unescape(cell.value) for cell, _ in rows] == texts


def test_columns_are_as_wide_as_what_they_hold(tmp_path):
    frame = pd.DataFrame({"a name": ["b"], "c": ["a longer text"], "d": ["x" * 300]})
    _, names = written(frame, tmp_path)
    sheet = names[0].parent
    widths = [sheet.column_dimensions[letter].width for letter in "ABC"]
    assert widths[:2] == [8, 15] and 15 < widths[2] < 100
    assert sheet.freeze_panes == "A2" and all(cell.font.bold for cell in names)


def test_numbers_and_dates_keep_their_types(tmp_path, rng):
    n = 50
    frame = pd.DataFrame(
        {
            "p": rng.random(n) ** 9,
            "count": rng.integers(-(10**15) + 1, 10**15, n),
            "flag": rng.random(n) < 0.5,
            "day": pd.date_range("1900-03-01", periods=n, freq="1009D"),
        }
    )
    frame.loc[3, ["p", "day"]] = None
    rows, _ = written(frame, tmp_path)
    p, count, flag, day = (pd.Series([r[i].value for r in rows]) for i in range(4))
    assert_allclose(p.astype(float), frame["p"], rtol=1e-15)
    assert count.tolist() == frame["count"].tolist()
    assert flag.tolist() == frame["flag"].tolist()
    assert (pd.to_datetime(day).dropna() == frame["day"].dropna()).all()
    kinds = [["n", "n", "b", "d"]] * n
    kinds[3] = ["n", "n", "b", "n"]  # an empty cell is one of a number
    assert [[cell.data_type for cell in row] for row in rows] == kinds
    assert rows[3][0].value is rows[3][3].value is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10**15, "1000000000000000"),  # the first 15 digits would be kept
        (-(10**18) - 1, "-1000000000000000001"),
        (np.inf, "inf"),
        (Decimal("0.1"), "0.1"),
        (pd.Timestamp("1900-02-28"), "1900-02-28 00:00:00"),
        (pd.Timestamp("2024-01-01", tz="UTC"), "2024-01-01 00:00:00+00:00"),
        (datetime.date(2024, 1, 2), datetime.datetime(2024, 1, 2)),
        (pd.NaT, None),
        (pd.NA, None),
        ("", None),
    ],
)
def test_what_a_cell_has_no_room_for_is_a_text(value, expected, tmp_path):
    rows, _ = written(pd.DataFrame({"x": [value, "a"]}, dtype=object), tmp_path)
    assert rows[0][0].value == expected
    assert (rows[0][0].data_type == "s") == isinstance(expected, str)


def test_what_a_sheet_does_not_hold_is_refused(tmp_path):
    check_size(1_048_575, 16_384)
    with pytest.raises(ValueError, match=r"1,048,575 rows below .* are 1,048,576\. Wr"):
        check_size(1_048_576, 1)
    with pytest.raises(ValueError, match=r"16,384 columns, and there are 16,385\."):
        check_size(1, 16_385)
    for text, is_held in (("x" * 32_767, True), ("x" * 32_768, False)):
        frame = pd.DataFrame({"x": [text]})
        if is_held:
            assert written(frame, tmp_path)[0][0][0].value == text
            continue
        with pytest.raises(ValueError, match=r"32,767 characters, .* has 32,768\."):
            written(frame, tmp_path)
    with pytest.raises(ValueError, match="1,048,576"):
        write_spreadsheet(pd.DataFrame(index=range(1_048_576)), tmp_path / "n.xlsx")
    assert not (tmp_path / "n.xlsx").exists()
