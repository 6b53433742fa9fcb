"""Tables that are read some rows at a time are those that are read in one piece."""

import gzip

import numpy as np
import pandas as pd
import pytest

from skadaptive._io.chunks import ChunkedTable, _EmptyNames
from skadaptive._io.columns import ColumnFormat, ReadingOptions
from skadaptive._io.tables import read_table

N_ROWS = 60
SIZES = [2, 7, 25, 1000]


def texts(rng, n_rows, last_row=""):
    """Lines of a table whose columns would be taken for something else in parts."""
    number = rng.normal(size=n_rows).round(3)
    rows = {
        # Dates, in whose first rows days and months cannot be told apart.
        "opened": [f"{i % 28 + 1:02}.{i % 12 + 1:02}.2024" for i in range(n_rows)],
        "compact": [f"202401{i % 28 + 1:02}" if i % 5 else "" for i in range(n_rows)],
        "comma": [f"{v:.3f}".replace(".", ",") for v in number],
        # "1.234" is 1234 beside a decimal comma.
        "grouped": [f"{i + 1}.{i:03},5" if i % 4 else "1.234" for i in range(n_rows)],
        "percent": [f"{i} %" if i % 3 else "0" for i in range(n_rows)],
        # Integers at first, a placeholder and a fraction far below.
        "late": [str(i) for i in range(n_rows - 2)] + ["?", "2.5"],
        "code": [f"{i % 40:03}" if i % 7 else "NA" for i in range(n_rows)],
        "level": [["1", "2", "b c", " d "][i % 4] for i in range(n_rows)],
        "flag": ["True" if i < 30 or i % 2 else "False" for i in range(n_rows)],
        "gap": ["" if i < 35 else str(i) for i in range(n_rows)],
        "whole": [str(2 * i) for i in range(n_rows)],
        "key": [f"{i}" if i != n_rows - 3 else "NA" for i in range(n_rows)],
        "y": [str(int(i % 9 == 0)) for i in range(n_rows)],
    }
    lines = [";".join(rows)] + [
        ";".join(row) for row in zip(*rows.values(), strict=True)
    ]
    return "\n".join(lines) + "\n" + last_row


@pytest.fixture
def known(tmp_path):
    """Formats of the columns of a training table."""
    path = tmp_path / "train.csv"
    path.write_text(texts(np.random.default_rng(0), N_ROWS))
    formats = read_table(path, as_written=["y", "key"]).formats
    kinds = {name: column.kind for name, column in formats.items()}
    assert [kinds[n] for n in ("opened", "compact", "gap")] == [
        "date",
        "date",
        "number",
    ]
    assert [kinds[n] for n in ("code", "level")] == ["category", "category"]
    assert formats["late"].missing_words == ("?",)
    return formats


def in_parts(path, known, n_rows, **parameters):
    table = ChunkedTable(path, known=known, n_rows=n_rows, **parameters)
    chunks = list(table.chunks())
    assert all(len(chunk.frame) <= n_rows for chunk in chunks)
    assert sum(len(chunk.frame) for chunk in chunks) == table.n_rows
    frame = pd.concat([chunk.frame for chunk in chunks], ignore_index=True)
    return table, frame, chunks


def assert_same(found, expected):
    """The same values, also of columns that are missing in some chunks."""
    expected = expected[list(found)]
    assert len(found) == len(expected)
    for name in found:
        one, other = found[name], expected[name]
        assert one.isna().tolist() == other.isna().tolist(), name
        if pd.api.types.is_datetime64_any_dtype(other):
            one = one.astype(other.dtype)
        assert one.dropna().tolist() == other.dropna().tolist(), name


SUM = "Total;;;;;;;;;;;;\n"


@pytest.mark.parametrize(
    ("n_rows", "last_row"), [(1, ""), *((n, SUM) for n in SIZES), (1000, "")]
)
def test_borders_of_chunks_change_nothing_in_texts(n_rows, last_row, known, tmp_path):
    path = tmp_path / "new.csv.gz"
    text = texts(np.random.default_rng(1), N_ROWS, last_row)
    path.write_bytes(gzip.compress(text.encode()))
    whole = read_table(path, known=known, as_written=["y"], ids=["key"])
    table, frame, chunks = in_parts(path, known, n_rows, id_column="key")
    assert table.n_rows == N_ROWS == len(whole.frame)
    assert set(table.names) == set(whole.frame)
    assert_same(frame, whole.frame)
    ids = pd.concat([chunk.ids for chunk in chunks])
    assert ids.tolist() == whole.frame["key"].tolist()


@pytest.mark.parametrize("n_rows", SIZES)
def test_borders_of_chunks_change_nothing_in_parquet(n_rows, known, tmp_path):
    """Whose columns have types, but other ones where a value is missing."""
    i = np.arange(N_ROWS)
    frame = pd.DataFrame(
        {
            "opened": pd.to_datetime("2024-01-01") + pd.to_timedelta(i, unit="D"),
            "compact": (20240101 + i % 28).astype(float),
            "comma": i / 7,
            "grouped": pd.array(np.where(i < 40, i, -1)).astype("Int64"),
            "percent": i.astype("int32"),
            "late": np.where(i == 50, np.nan, i),
            # Codes that became numbers, one of them no integer.
            "code": np.where(i == 59, 0.5, i % 40),
            "level": pd.Categorical(np.array(["1", "2", "b c"])[i % 3]),
            "flag": pd.array(i % 2 == 0).astype("boolean"),
            "gap": pd.array(i).astype("Int64"),
            "whole": i,
            "key": pd.array(2**60 + i).astype("Int64"),
            "Unnamed: 13": i,
        }
    )
    frame.loc[41, ["grouped", "flag", "gap", "key"]] = pd.NA
    path = tmp_path / "new.parquet"
    frame.set_index("key").to_parquet(path, row_group_size=11)
    whole = read_table(path, known=known, as_written=["key"])
    table, found, chunks = in_parts(path, known, n_rows, id_column="key")
    assert set(table.names) == set(whole.frame)
    assert_same(found, whole.frame)
    ids = pd.concat([chunk.ids for chunk in chunks])
    assert ids.dropna().astype(int).tolist() == frame["key"].dropna().tolist()


@pytest.mark.parametrize(
    ("values", "in_chunk"),
    [
        (["1.0", "7.0", "8.0", "9.0"], "1"),
        (["1.0", "7.0", "8.0", "9.5"], "1.0"),
    ],
)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_codes_of_many_levels_that_became_numbers(suffix, values, in_chunk, tmp_path):
    """Their last value decides whether the first one is 1 or 1.0."""
    path = tmp_path / f"new.{suffix}"
    if suffix == "csv":
        path.write_text("a,b\n" + "".join(f"{value},1\n" for value in values))
    else:
        frame = pd.DataFrame({"a": [float(value) for value in values], "b": 1})
        frame.to_parquet(path)
    known = {"a": ColumnFormat("category"), "b": ColumnFormat("number")}
    expected = read_table(path, known=known).frame
    for n_rows in (1, 2, 4):
        _, found, _ = in_parts(path, known, n_rows)
        assert_same(found, expected)
        assert found["a"].iloc[0] == in_chunk


def test_typed_values_of_a_category_with_gaps(tmp_path):
    """Which pandas makes floats, in all rows or in none."""
    path = tmp_path / "new.parquet"
    frame = pd.DataFrame({"flag": [True, False, None], "code": [2**53 + 1, 7, None]})
    frame.astype({"flag": "boolean", "code": "Int64"}).to_parquet(path)
    known = dict.fromkeys(("flag", "code"), ColumnFormat("category", levels=("1",)))
    expected = read_table(path, known=known).frame
    assert expected["flag"].iloc[0] == "1"
    assert_same(in_parts(path, known, 1)[1], expected)


def test_one_call_takes_formats_that_chunks_refuse(tmp_path):
    """All rows together leave no doubt of them; those of a chunk may."""
    path = tmp_path / "new.csv"
    rows = "".join(f"2024-{i % 12 + 1:02}-{i + 1:02};{i},5\n" for i in range(20))
    path.write_text("opened;size\n" + rows)
    known = {
        "opened": ColumnFormat("date", date_format="%d.%m.%Y"),
        "size": ColumnFormat("number"),
    }
    assert len(read_table(path, known=known).notes) == 2
    for name in known:
        with pytest.raises(ValueError, match=f"Column {name} held .*row 1 is none"):
            in_parts(path, {name: known[name]}, 7)


def test_a_byte_far_below_tells_the_encoding(known, tmp_path):
    text = texts(np.random.default_rng(1), N_ROWS).splitlines()
    text[-1] = text[-1].replace(text[-1].split(";")[7], "Müller")
    path = tmp_path / "new.csv"
    path.write_bytes("\n".join(text).encode("cp1252"))
    table, frame, _ = in_parts(path, known, 7)
    assert frame["level"].iloc[-1] == "Müller"
    assert "cp1252" in table.notes[0]
    with pytest.raises(ValueError, match="--encoding NAME"):
        ChunkedTable(path, known=known, encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("comma", "1.234.5", "Column comma held numbers in training .decimal comma.*"),
        ("late", "2024-01-01", "Column late held numbers"),
        ("opened", "2024-01-31", "Column opened held dates in training .%d.%m.%Y."),
    ],
)
def test_no_other_format_is_taken_and_the_row_is_named(
    column, cell, message, known, tmp_path
):
    lines = texts(np.random.default_rng(1), N_ROWS).splitlines()
    cells = lines[50].split(";")
    cells[lines[0].split(";").index(column)] = cell
    lines[50] = ";".join(cells)
    path = tmp_path / "new.csv"
    path.write_text("\n".join(lines))
    for n_rows in (7, 1000):
        with pytest.raises(ValueError, match=f"{message}.*{cell}.*in data row 50 "):
            in_parts(path, known, n_rows)


@pytest.mark.parametrize(("column", "cell"), [("whole", "inf"), ("comma", "-1e999")])
def test_an_infinite_number_names_column_and_row(column, cell, known, tmp_path):
    lines = texts(np.random.default_rng(1), N_ROWS).splitlines()
    cells = lines[50].split(";")
    cells[lines[0].split(";").index(column)] = cell
    lines[50] = ";".join(cells)
    path = tmp_path / "new.csv"
    path.write_text("\n".join(lines))
    message = f"Column {column} holds an infinite value, .*inf, in row 50. Correct it"
    with pytest.raises(ValueError, match=message):
        read_table(path, known=known)
    for n_rows in (7, 1000):
        with pytest.raises(ValueError, match=message):
            in_parts(path, known, n_rows)
    with pytest.raises(ValueError, match=message):
        read_table(path, ReadingOptions(missing_values=("never",)))


@pytest.mark.parametrize("row", ["1;2", "1;2;3;4", '1;"2\n3;4\n5;6'])
def test_broken_rows_are_refused(row, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("a;b;c\n" + "1;2;3\n" * 30 + f"{row}\n")
    known = dict.fromkeys("abc", ColumnFormat("number"))
    if row == "1;2":
        in_parts(path, known, 4)
        return
    with pytest.raises(ValueError, match="row 31|line 32|EOF inside string"):
        in_parts(path, known, 4)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_without_rows_has_one_chunk(suffix, known, tmp_path):
    path = tmp_path / f"new.{suffix}"
    frame = pd.DataFrame(columns=[*known, "key"], dtype=float)
    frame.to_csv(path, index=False) if suffix == "csv" else frame.to_parquet(path)
    table = ChunkedTable(path, known=known, id_column="key")
    (chunk,) = table.chunks()
    assert table.n_rows == 0 and chunk.frame.shape == (0, len(known))
    assert len(chunk.ids) == 0


@pytest.mark.parametrize("suffix", ["xlsx", "feather", "jsonl"])
def test_other_files_are_cut(suffix, known, tmp_path):
    text = tmp_path / "new.csv"
    text.write_text(texts(np.random.default_rng(1), N_ROWS))
    columns = ["whole", "gap", "late", "level", "key"]
    known = {name: known[name] for name in columns[:-1]}
    frame = pd.read_csv(text, sep=";")[columns]
    path = tmp_path / f"new.{suffix}"
    if suffix == "xlsx":
        pytest.importorskip("openpyxl")
        frame.to_excel(path, index=False)
    elif suffix == "feather":
        frame.to_feather(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    whole = read_table(path, known=known, as_written=["key"]).frame
    _, found, chunks = in_parts(path, known, 7, id_column="key")
    assert_same(found, whole)
    pd.testing.assert_series_equal(pd.concat([c.ids for c in chunks]), whole["key"])


@pytest.mark.parametrize(("n_rows", "is_left_out"), [(1, False), (2, True), (5, True)])
def test_a_column_without_name_that_numbers_two_rows_names_them(n_rows, is_left_out):
    empty = _EmptyNames(["Unnamed: 0", "x"])
    for row in range(n_rows):
        empty.add(pd.DataFrame({"Unnamed: 0": [row], "x": [row]}))
        empty.add(pd.DataFrame({"Unnamed: 0": [0], "x": [0]}).iloc[:0])
    assert empty.names() == ({"Unnamed: 0"} if is_left_out else set())
