"""Reading tables from files."""

import gzip

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from skadaptive._io.columns import ColumnFormat
from skadaptive._io.tables import read_table
from skadaptive._io.training_table import ColumnRoles, read_training


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_csv_round_trip(frame, tmp_path, separator, suffix):
    path = tmp_path / f"table{suffix}"
    frame.loc[3, "age"] = np.nan
    frame.to_csv(path, sep=separator, index=False)
    found = read_table(path).frame
    assert found.columns.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(found, frame, check_dtype=False)
    assert pd.api.types.is_datetime64_any_dtype(found["since"])


def test_parquet_keeps_its_types(frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame.astype({"city": "category"}).to_parquet(path)
    assert read_table(path).frame["city"].dtype == "category"


def test_quoted_names_may_hold_separators(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('"a;b,c,d";target\n1;0\n2;1\n')
    assert read_table(path).frame.columns.tolist() == ["a;b,c,d", "target"]


def test_dates_and_durations_of_parquet(frame, tmp_path):
    path = tmp_path / "table.parquet"
    frame["day"] = frame["since"].dt.date
    frame["took"] = pd.to_timedelta(np.arange(len(frame)), unit="h")
    frame.to_parquet(path)
    found = read_table(path).frame
    assert pd.api.types.is_datetime64_any_dtype(found["day"])
    assert found["took"].iloc[36] == 1.5  # days


def test_text_that_resembles_dates_stays_text(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("when,target\n2020-01-01,0\n2020-13-45,1\n")
    assert not pd.api.types.is_datetime64_any_dtype(read_table(path).frame["when"])


# Without a time stamp, which would differ between the processes of pytest-xdist.
HALF_A_FILE = gzip.compress(b"a,b\n1,2\n" * 99, mtime=0)[:30]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no file"),
        ("table.xlsx", b"PK", "content is not what its name says"),
        ("table.pdf", b"%PDF-1.4", "a PDF document. What can be read: CSV"),
        ("table.csv", b"", "cannot be read as a table"),
        (
            "table.csv",
            b"\xff\xfe\x00\x81\x00" * 40,
            "has 0 rows and 1 columns|cannot be read",
        ),
        ("table.csv", b"only\n1\n2\n", "2 rows and 1 columns"),
        ("table.csv", b"a,b\n", "0 rows and 2 columns"),
        ("table.csv", b"a,b\n1,2\n1,2,3,4\n", "cannot be read as a table"),
        ("table.csv.gz", b"not gzipped", "cannot be read as a table"),
        ("table.csv.gz", HALF_A_FILE, "cannot be read"),
        ("table.parquet", b"not parquet", "cannot be read as a table"),
    ],
)
def test_invalid_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_table(path)


def test_rows_of_the_training_have_their_numbers_in_the_file(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("when,a,y\n3,10,0\n1,20,\n2,30,1\n1,40,0\n3,50,1\n")
    for time, expected in ((None, [1, 3, 4, 5]), ("when", [4, 3, 1, 5])):
        table = read_training(path, ColumnRoles("y", time=time))
        assert table.row_numbers.tolist() == expected
        assert (table.X["a"] == 10 * table.row_numbers).all()


def test_numbers_that_no_integer_type_holds_together(tmp_path):
    """pandas leaves them texts; that was an error of its own."""
    path = tmp_path / "table.csv"
    path.write_text("n,y\n1,0\n2,1\n")
    known = read_table(path, as_written=["y"]).formats
    path.write_text("n,y\n1,0\n18446744073709551615,1\n-1,0\n,1\n")
    found = read_table(path, known=known, as_written=["y"]).frame["n"]
    np.testing.assert_array_equal(found, [1, 2.0**64, -1, np.nan])


IDS = {
    "a gap": (["7", "", "9"], ["7", None, "9"]),
    "beyond floats": (["9007199254740993", "", "1"], ["9007199254740993", None, "1"]),
    "as written": (["7", "8.0", "9.50"], ["7", "8.0", "9.50"]),
    "zeros": (["007", "08", "1"], ["007", "08", "1"]),
    "words": (["7", "NA", "None"], ["7", "NA", "None"]),
    "integers": (["7", "-8", "0"], [7, -8, 0]),
}


@pytest.mark.parametrize(("cells", "expected"), IDS.values(), ids=IDS)
@pytest.mark.parametrize("last_row", ["", "Total,\n"])
def test_ids_stay_as_they_are_written(cells, expected, last_row, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,0\n2,1\n")
    known = read_table(path, as_written=["y"]).formats
    rows = [f"{cell},{i}" for i, cell in enumerate(cells)]
    path.write_text("\n".join(["key,x", *rows]) + f"\n{last_row}")
    ids = read_table(path, known=known, ids=["key"]).frame["key"]
    assert ids.astype(object).where(ids.notna(), None).tolist() == expected


@pytest.mark.parametrize("with_metadata", [True, False])
@pytest.mark.parametrize("kind", ["parquet", "feather"])
def test_ids_of_typed_files_keep_their_digits(kind, with_metadata, tmp_path):
    path = tmp_path / f"table.{kind}"
    ids = pd.array([2**60 + 1, None, 2**60 + 3], dtype="Int64")
    frame = pd.DataFrame({"key": ids, "x": [1.0, 2.0, 3.0]})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table if with_metadata else table.replace_schema_metadata(None)
    writers = {"parquet": pa.parquet.write_table, "feather": pa.feather.write_feather}
    writers[kind](table, path)
    known = read_table(path, as_written=["key"]).formats
    found = read_table(path, known=known, ids=["key"]).frame["key"]
    assert found.dropna().tolist() == [2**60 + 1, 2**60 + 3] and found.isna()[1]


def test_a_column_may_be_as_written_and_name_the_rows(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("key,a,more\n007,1,x\n,2,y\n")
    known = {"a": ColumnFormat("number")}
    found = read_table(path, known=known, as_written=["key"], ids=["key"]).frame
    assert found.columns.tolist()[:2] == ["key", "a"]
    assert found["key"].iloc[0] == "007" and found["key"].isna().tolist() == [0, 1]
