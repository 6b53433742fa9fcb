"""Files that would be misread without a word, and what happens instead."""

import pandas as pd
import pytest

from skadaptive._io.columns import ColumnFormat, Notes, ReadingOptions
from skadaptive._io.tables import read_table
from skadaptive._io.target import read_target
from skadaptive._io.training_table import ColumnRoles, read_training


@pytest.fixture
def write(tmp_path):
    def write(content, name="t.csv"):
        (tmp_path / name).write_text(content)
        return tmp_path / name

    return write


ROWS = "\n".join(f"{i / 4},{'abc'[i % 3]},{i % 2}" for i in range(1, 41))


def test_a_line_break_in_a_name_loses_no_row(write):
    table = read_table(write('a,"b\n[kg]",y\n1,2,1\n3,4,0\n5,6,0'), as_written=["y"])
    assert table.frame["a"].tolist() == [1, 3, 5]
    assert table.frame.columns.tolist() == ["a", "b [kg]", "y"]


def test_missing_values_that_were_named_are_kept_for_new_rows(write):
    path = write("a,c,y\n" + "\n".join(f"{i},k,0\n-999,none,1" for i in range(9)))
    table = read_table(path, ReadingOptions(missing_values=("-999", "none")))
    assert table.frame["a"].isna().sum() == table.frame["c"].isna().sum() == 9
    new = read_table(write("a,c\n-999,none\n5,k"), known=table.formats).frame
    assert new["a"].isna().tolist() == new["c"].isna().tolist() == [True, False]


def test_a_quote_that_is_not_closed_is_an_error(write):
    lines = ["id,size,y", *(f"{i},{i},0" for i in range(40))]
    lines[10], lines[20] = '9,"3in,0', '19,"3in,0'
    with pytest.raises(ValueError, match="rows of the table in row 10.*quote"):
        read_table(write("\n".join(lines)))


def test_empty_cells_between_blanks_are_an_error(write):
    lines = ["y id x z", *(f"0 {i} {'  ' if i == 7 else i} 5" for i in range(40))]
    with pytest.raises(ValueError, match="row 8 has fewer fields"):
        read_table(write("\n".join(lines)))


@pytest.mark.parametrize(
    "content",
    ["id,name,x,y\n0,Smith, John,3,1\n1,Doe, Jane,4,0", "x,z,y\n0,7,5,1\n1,8,6,0"],
)
def test_separators_in_unquoted_cells_are_an_error(write, content):
    with pytest.raises(ValueError, match="column names"):
        read_table(write(content))


@pytest.mark.parametrize(
    ("below", "note"),
    [
        ("Total,3,10", "below the table"),
        ("合計,,10", "below the table"),
        ("size,kind,y", "repeat names"),
    ],
)
def test_sums_and_names_that_occur_again_are_no_rows(write, below, note):
    rows = ROWS.replace("\n", f"\n{below}\n", 20) if "size" in below else ROWS
    path = write(f"size,kind,y\n{rows}\n{below}")
    table = read_training(path, ColumnRoles("y"))
    assert len(table.X) == 40 and set(table.target.y) == {0, 1}
    assert note in " ".join(table.notes)
    assert table.X["size"].dtype == float


def test_names_of_companies_and_illnesses_are_rows(write):
    rows = ["Total SA,1,1", "endometriosis,2,1", "Notebook,38,0", "Sumatra,,1"]
    frame = read_table(write("\n".join(["what,n,y", *rows]))).frame
    assert frame["what"].tolist() == [row.partition(",")[0] for row in rows]


def test_units_below_the_names_are_no_row(write):
    table = read_training(write(f"size,kind,y\n[kg],[-],[-]\n{ROWS}"), ColumnRoles("y"))
    assert len(table.X) == 40 and table.X["size"].dtype == float


@pytest.mark.parametrize("word", ["?", "unknown", "."])
def test_a_word_for_missing_is_no_class_of_three(word):
    labels = pd.Series(["0", "1", "0", word] * 20, name="y")
    target = read_target(labels, notes=Notes())
    assert set(target.y) == {0, 1} and target.has_label.sum() == 60


def test_the_target_finds_the_names_below_titles(write):
    title = "Created;01.02.2024;;\nFirm;ACME;;\nk;size;kind;y\n"
    rows = "\n".join(f"{i};{i},5;a;{i % 2}" for i in range(40))
    table = read_training(write(title + rows), ColumnRoles("y"))
    assert table.X.columns.tolist() == ["k", "size", "kind"] and len(table.X) == 40


def test_dates_in_digits_with_zeros(write):
    days = pd.date_range("2023-01-01", periods=40).strftime("%Y%m%d").tolist()
    days[3], days[5] = "0", "99991231"
    table = read_table(write("d,y\n" + "\n".join(f"{d},0" for d in days)))
    assert table.frame["d"].isna().sum() == 2
    assert table.frame["d"].iloc[0] == pd.Timestamp("2023-01-01")
    assert any("Read as missing" in note for note in table.notes)


def test_long_numbers_are_codes(write):
    numbers = [str(4000123412341234000 + i) for i in range(40)]
    numbers[3] = ""
    frame = read_table(write("n,y\n" + "\n".join(f"{n},0" for n in numbers))).frame
    assert frame["n"].nunique() == 39


def test_grades_are_no_negative_numbers(write):
    values = ["1", "2-", "2", "3-"] * 10
    frame = read_table(write("g,y\n" + "\n".join(f"{v},0" for v in values))).frame
    assert frame["g"].tolist() == values


def test_seconds_are_not_taken_for_milliseconds(write):
    seconds = [1_600_000_020 + 60 * i for i in range(40)]
    table = read_table(write("at,y\n" + "\n".join(f"{s},0" for s in seconds)))
    text = "at,y\n" + "\n".join(f"{s}000,0" for s in seconds)
    new = read_table(write(text), known=table.formats)
    pd.testing.assert_series_equal(
        new.frame["at"], table.frame["at"], check_dtype=False
    )
    assert "written otherwise" in " ".join(new.notes)


def test_new_rows_with_a_single_value_have_a_prediction_too(write):
    known = read_table(write(f"size,kind,y\n{ROWS}"), as_written=["y"]).formats
    assert len(read_table(write("size,kind\n1,a\n2,"), known=known).frame) == 2
    one = {"size": known["size"]}
    assert len(read_table(write("size\n3\n70"), known=one).frame) == 2


def test_new_dates_in_another_format_without_doubt(write):
    days = pd.date_range("2023-01-15", periods=40)
    known = read_table(write("d,y\n" + "\n".join(f"{d:%Y-%m-%d},0" for d in days)))
    new = write("d,y\n" + "\n".join(f"{d:%d.%m.%Y},0" for d in days))
    found = read_table(new, known=known.formats)
    assert (found.frame["d"] == known.frame["d"]).all() and found.notes


def test_part_numbers_can_be_said_to_be_no_dates(write):
    path = write(
        "p,y\n" + "\n".join(f"{i % 9 + 1}/{i % 7 + 1}/10,0" for i in range(40))
    )
    with pytest.raises(ValueError, match="--date-format 'p=text'"):
        read_table(path)
    frame = read_table(path, ReadingOptions(date_formats={"p": "text"})).frame
    assert frame["p"].iloc[0] == "1/1/10"


def test_digits_of_other_scripts_are_texts(write):
    path = write("n,y\n" + "\n".join(f"{i},0" for i in "123３5678"))
    assert "３" in set(read_table(path).frame["n"])


def test_columns_that_are_dropped_are_not_looked_at(write):
    """What spoils them, such as dates in doubt, spoils nothing."""
    rows = "\n".join(f"01/0{i % 9 + 1}/2022,inf,{i}.5,{i % 2}" for i in range(40))
    path = write("d,n,x,y\n" + rows)
    with pytest.raises(ValueError, match="cannot be told apart"):
        read_training(path, ColumnRoles("y"))
    table = read_training(path, ColumnRoles("y", drop=["d", "n"]))
    assert table.X.columns.tolist() == ["x"] and not table.notes
    # Nor are columns of new rows that the training did not have.
    assert not read_table(path, known=table.formats, as_written=["y"]).notes


def test_new_rows_bring_no_notes_that_their_columns_would_in_training(write):
    values = [f"{i}.{i + 100}" for i in range(10, 50)]
    known = read_table(write("n,y\n" + "\n".join(f"{v},0" for v in values))).formats
    known["n"] = ColumnFormat("number")
    table = read_table(write("n\n" + "\n".join(values)), known=known)
    assert not table.notes


def test_a_date_format_for_no_column_is_an_error(write):
    options = ReadingOptions(date_formats={"opend": "%d/%m/%Y"})
    with pytest.raises(ValueError, match="no column opend.*Is it 'opened'"):
        read_table(write("opened,y\n01/02/2022,0\n02/02/2022,1"), options)
