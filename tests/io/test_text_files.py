"""Separated texts and other files: their layout, encoding and container."""

import bz2
import gzip
import json
import lzma
import re
import zipfile
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skadaptive._io.columns import ReadingOptions
from skadaptive._io.tables import read_table

ROWS = [f"{i / 4},{'ABC'[i % 3]},{i % 2}" for i in range(1, 41)]
CLEAN = "\n".join(["size,kind,y", *ROWS])


def read(tmp_path, content, name="t.csv", **options):
    path = tmp_path / name
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return read_table(path, ReadingOptions(**options), as_written=["y"])


@pytest.fixture
def expected(tmp_path):
    return read(tmp_path, CLEAN).frame


LAYOUTS = {
    "separator declared": ("sep=,\r\n" + CLEAN, None),
    "title": ("Customers of 2024\n\n" + CLEAN, "above the column names: 1 row"),
    "title with separators": ("Customers,,\n" + CLEAN, "'Customers'"),
    "comment above": ("# exported, on Monday\n" + CLEAN, "above the column names"),
    "comment between": (
        CLEAN.replace("\n", "\n# page 2\n", 5),
        "Left out as comments: 5 rows",
    ),
    "footer": (CLEAN + "\nTotal,,\n(40 rows)\n", "below the table: 2 rows: 'Total'"),
    "rows without a value": (CLEAN + "\n,,\n,,\n", "have no value: 2 rows"),
    "separators behind the rows": (CLEAN.replace("\n", ",\n") + ",", "is empty"),
    "separators behind the rows only": (
        "size,kind,y\n" + "\n".join(row + "," for row in ROWS),
        None,
    ),
    "rows are numbered": (
        ",size,kind,y\n" + "\n".join(f"{i},{row}" for i, row in enumerate(ROWS)),
        "counts the rows: Unnamed: 0",
    ),
    "rows have names without a heading": (
        "size,kind,y\n" + "\n".join(f'"r{i}",{row}' for i, row in enumerate(ROWS)),
        "names the rows: the first column",
    ),
    "blanks in names": (CLEAN.replace("size,kind,y", "size , kind, y"), None),
    "blanks before values": (CLEAN.replace(",", ", "), None),
    "blanks before quotes": (
        re.sub(r",([ABC])", r', "\1"', CLEAN.replace("kind", '"kind"')),
        None,
    ),
    "names in apostrophes": (CLEAN.replace("size,kind,y", "'size','kind','y'"), None),
    "separated by blanks": (CLEAN.replace(",", "  "), None),
    "separated by bars": (CLEAN.replace(",", "|"), None),
    "decimal commas": (
        CLEAN.replace(",", ";").replace(".", ","),
        r"Read as numbers: size \(decimal comma\)",
    ),
    "carriage returns": (
        "Title\n\n".replace("\n", "\r") + CLEAN.replace("\n", "\r"),
        "T",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_one_table(tmp_path, expected, layout):
    content, note = LAYOUTS[layout]
    table = read(tmp_path, content)
    pd.testing.assert_frame_equal(table.frame, expected)
    notes = " ".join(table.notes)
    if note is None:
        assert not table.notes
    else:
        assert pd.Series([notes]).str.contains(note).all(), notes


def test_a_column_is_not_taken_for_another_where_rows_are_longer(tmp_path):
    """pandas would take the first column for an index, and shift all others."""
    rows = "\n".join(f"{row},x" for row in ROWS)
    rows = rows.replace("0.5,", "0.25,")  # no names of rows, since two are alike
    with pytest.raises(ValueError, match="fields, such as .* 3 column names"):
        read(tmp_path, "size,kind,y\n" + rows)
    rows = "\n".join(f"{row}," for row in ROWS)
    with pytest.raises(ValueError, match="row 41 has more fields.*'9'"):
        read(tmp_path, "size,kind,y\n" + rows + "\n1,A,0,9")


def test_separators_in_quotes_that_follow_a_blank(tmp_path):
    rows = [f'{i}, "a, b", {i % 2}' for i in range(40)]
    frame = read(tmp_path, "\n".join(["size, kind, y", *rows])).frame
    assert set(frame["kind"]) == {"a, b"} and frame["size"].tolist() == [*range(40)]


def test_a_row_that_is_too_long_is_named(tmp_path):
    with pytest.raises(ValueError, match="line 42 has 5 fields, and there are 3"):
        read(tmp_path, CLEAN + "\n1,A,0,9,9")


def test_names_that_occur_again(tmp_path):
    table = read(tmp_path, CLEAN.replace("kind", "size"))
    assert table.frame.columns.tolist() == ["size", "size.1", "y"]
    assert "'size' is size.1" in table.notes[0]


# -------------------------------------------------------------------------- encodings

CITIES = ["Genève", "Köln", "São Paulo"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_encodings_of_unicode_are_found(tmp_path, encoding):
    text = "city,y\n" + "\n".join(f"{city},{i % 2}" for i, city in enumerate(CITIES))
    table = read(tmp_path, text.encode(encoding))
    assert table.frame["city"].tolist() == CITIES and not table.notes
    assert table.frame.columns.tolist() == ["city", "y"]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1252", CITIES),
        ("cp1251", ["Санкт-Петербург", "Новосибирск", "Екатеринбург"]),
        ("cp1253", ["Αθήνα", "Θεσσαλονίκη", "Πάτρα"]),
        ("shift_jis", ["東京", "大阪", "名古屋"]),
        ("gb18030", ["北京", "上海", "广州"]),
    ],
)
def test_other_encodings_are_guessed_and_said(tmp_path, encoding, words):
    lines = [f"{i},{words[i % 3]},{i % 2}" for i in range(30)]
    # Late in the file, as it often is.
    lines = [f"{i},plain,0" for i in range(30_000)] + lines
    content = "\n".join(["size,city,y", *lines]).encode(encoding)
    table = read(tmp_path, content)
    assert table.frame["city"].tail(30).unique().tolist() == words
    assert f"guessed (another one: --encoding NAME): {encoding}" in table.notes[0]
    table = read(tmp_path, content, encoding=encoding)
    assert table.frame["city"].tail(30).unique().tolist() == words and not table.notes


def test_a_named_encoding_that_does_not_fit_is_refused(tmp_path):
    content = "\n".join(["city,y", *(f"{c},1" for c in CITIES)]).encode("cp1252")
    with pytest.raises(ValueError, match="Name its encoding: .*such as utf-8, utf-16"):
        read(tmp_path, content, encoding="utf-8")
    with pytest.raises(ValueError, match="unknown encoding"):
        read(tmp_path, content, encoding="utf-9")


# ------------------------------------------------------------------------- containers


@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t.dat", "t.csv.gz", "t.zip", "t"])
@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_a_file_is_what_its_content_says(tmp_path, expected, name, compress):
    table = read(tmp_path, compress(CLEAN.encode()), name)
    pd.testing.assert_frame_equal(table.frame, expected)


def test_zstandard(tmp_path, expected):
    zstandard = pytest.importorskip("zstandard")
    table = read(tmp_path, zstandard.compress(CLEAN.encode()), "t.csv.zst")
    pd.testing.assert_frame_equal(table.frame, expected)


def test_archives(tmp_path, expected):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/t.csv", CLEAN)
        archive.writestr("__MACOSX/t.csv", "x")
    pd.testing.assert_frame_equal(read_table(path, as_written=["y"]).frame, expected)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.csv", CLEAN)
    with pytest.raises(ValueError, match=r"holds 2 files \(folder/t.csv, other.csv\)"):
        read_table(path)


def test_json_lines(tmp_path, expected):
    records = expected.to_dict("records")
    lines = "\n".join(json.dumps(record) for record in records)
    for content in (lines, json.dumps(records)):
        found = read(tmp_path, content, "t.jsonl").frame
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_feather(tmp_path, expected):
    expected.to_feather(tmp_path / "t.feather")
    found = read_table(tmp_path / "t.feather", as_written=["y"]).frame
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("suffix", [".xlsx", ".ods"])
def test_spreadsheets(tmp_path, expected, suffix):
    pytest.importorskip("python_calamine")
    pytest.importorskip({".xlsx": "openpyxl", ".ods": "odf"}[suffix])
    path = tmp_path / f"t{suffix}"
    dated = expected.assign(
        opened=pd.date_range("2020-01-01", periods=len(expected)),
        amount=[f"{1000.5 + i:,.2f}" if i else "n/k" for i in range(len(expected))],
    )
    with pd.ExcelWriter(path) as writer:
        dated.to_excel(writer, sheet_name="data", index=False, startrow=2)
    cells = read_table(path, as_written=["y"])
    found = cells.frame
    pd.testing.assert_frame_equal(
        found[["size", "kind", "y"]], expected, check_dtype=False
    )
    assert (found["opened"] == dated["opened"]).all()
    assert found["amount"].tolist()[1:] == [1000.5 + i for i in range(1, 40)]
    with pd.ExcelWriter(path) as writer:
        dated.to_excel(writer, sheet_name="data", index=False)
        dated.to_excel(writer, sheet_name="more", index=False)
    with pytest.raises(ValueError, match="2 sheets, data, more: name one with --sheet"):
        read_table(path)
    with pytest.raises(ValueError, match="no sheet 'x'; the sheets are data, more"):
        read_table(path, ReadingOptions(sheet="x"))
    found = read_table(path, ReadingOptions(sheet="more")).frame
    assert len(found) == len(expected)


def test_values_of_parquet_that_are_no_numbers(tmp_path):
    frame = pd.DataFrame({"y": [0, 1] * 20}, index=pd.RangeIndex(40, name="customer"))
    frame["tags"] = [[1, 2]] * 40
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    with pytest.raises(ValueError, match="tags holds lists .* row 1.*--drop tags"):
        read_table(path)
    prices = [Decimal("1.25"), Decimal("2.50")] * 20
    frame = frame.drop(columns="tags").assign(flag=[True, None] * 20, price=prices)
    frame.to_parquet(path)
    table = read_table(path, as_written=["y"])
    assert "customer" in table.frame and "index of the file has names" in table.notes[0]
    assert np.array_equal(table.frame["flag"].isna(), [False, True] * 20)
    assert table.frame["price"].tolist() == [1.25, 2.5] * 20


def test_dates_of_parquet_that_mean_never(tmp_path):
    days = pd.Series(pd.date_range("2020-01-01", periods=40)).astype("datetime64[us]")
    days[7] = pd.Timestamp("9999-12-31").as_unit("us")
    pd.DataFrame({"until": days, "y": [0, 1] * 20}).to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert np.flatnonzero(table.frame["until"].isna()).tolist() == [7]
    assert "until (year 9999 in 1 row)" in table.notes[0]


def test_categories_of_numbers_are_the_same_from_any_file(tmp_path):
    frame = pd.DataFrame({"shop": [1, 2, 3, 1] * 10, "y": [0, 1] * 20})
    frame.astype({"shop": "category"}).to_feather(tmp_path / "t.feather")
    table = read_table(tmp_path / "t.feather", as_written=["y"])
    assert table.frame["shop"].dtype == "category"
    frame.to_csv(tmp_path / "new.csv", index=False)
    new = read_table(tmp_path / "new.csv", known=table.formats).frame
    assert new["shop"].tolist() == table.frame["shop"].tolist()
    assert not read_table(tmp_path / "new.csv", known=table.formats).notes


@pytest.mark.parametrize(
    "above", ["Sales of 2024,,", "Sales of 2024", "# made by a tool", "# one,two"]
)
def test_titles_and_comments_above_the_names_are_left_out(above, tmp_path):
    """Without a column that is looked for, the first line of as many names counts."""
    path = tmp_path / "table.csv"
    path.write_text(f"{above}\na,b,c\n1,2,3\n4,5,6\n")
    table = read_table(path)
    assert table.frame.columns.tolist() == ["a", "b", "c"] and len(table.frame) == 2
    assert any("Left out above the column names" in note for note in table.notes)
