"""A table that means the same is read the same, however it was written down."""

import gzip
import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from skadaptive._io.columns import ReadingOptions
from skadaptive._io.numbers import NumberMarks
from skadaptive._io.tables import read_table

N_ROWS = 120


def written(value, decimal=".", thousands="", places=2):
    """A number as a spreadsheet of some country writes it."""
    text = f"{abs(value):,.{places}f}" if thousands else f"{abs(value):.{places}f}"
    text = text.translate(str.maketrans({",": thousands or ",", ".": decimal}))
    return ("-" if value < 0 else "") + text


NUMBER_STYLES = {
    "plain": lambda v: written(v),
    "decimal comma": lambda v: written(v, ","),
    "points and commas": lambda v: written(v, ",", "."),
    "commas and points": lambda v: written(v, ".", ","),
    "blanks": lambda v: written(v, ",", "\u202f"),
    "apostrophes": lambda v: written(v, ".", "’"),
    "dollars": lambda v: ("-" if v < 0 else "") + "$" + written(abs(v), ".", ","),
    "euros": lambda v: written(v, ",", ".") + " €",
    "code": lambda v: "CHF " + written(v, ".", "'"),
    "per cent": lambda v: written(v) + " %",
    "parentheses": lambda v: f"({written(-v)})" if v < 0 else written(v),
    "minus behind": lambda v: f"{written(-v)}-" if v < 0 else written(v),
    "real minus": lambda v: written(v).replace("-", "\u2212"),
    "quoted": lambda v: f"'{written(v)}'",
    "blanks around": lambda v: f" {written(v)} ",
}
DATE_STYLES = [
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%d %b %Y",
    "%B %d, %Y",
    "%d-%b-%y",
    "%d.%m.%y",
    "%Y%m%d",
    "%m/%d/%Y %I:%M %p",
    "%d.%m.%Y %H:%M:%S",
    "epoch-s",
    "epoch-ms",
]
WORDS = ["?", "n/k", "unknown", "-", ".", "tbd", "not available", "see letter", " "]


def date_text(date, style):
    if style.startswith("epoch"):
        return str(int(date.timestamp()) * (1000 if style == "epoch-ms" else 1))
    return date.strftime(style)


@pytest.fixture
def clean(rng):
    """A table, and its cells as they are written plainly."""
    frame = pd.DataFrame(
        {
            "amount": rng.normal(0, 4000, N_ROWS).round(2),
            "rate": (rng.beta(2, 9, N_ROWS) * 100).round(2),
            "opened": pd.Timestamp("2015-01-01")
            + pd.to_timedelta(rng.integers(0, 3000, N_ROWS), unit="D"),
            "city": rng.choice(["Genève", "Köln", "São Paulo"], N_ROWS),
            "y": (rng.random(N_ROWS) < 0.3).astype(int),
        }
    )
    frame.loc[0, ["amount", "rate"]] = [1234.56, 7.5]
    frame.loc[1, "amount"] = -12345.67
    return frame


def dirty_csv(clean, rng, style, date_style, word, separator=","):
    """Lines of the table in some style, and the clean table with the same gaps."""
    frame = clean.copy()
    gaps = rng.choice(np.arange(5, N_ROWS), 3, replace=False)
    columns = {
        "amount": [NUMBER_STYLES[style](v) for v in frame["amount"]],
        "rate": [NUMBER_STYLES[style](v) for v in frame["rate"]],
        "opened": [date_text(d, date_style) for d in frame["opened"]],
        "city": list(frame["city"]),
        "y": [str(v) for v in frame["y"]],
    }
    for name in ("amount", "opened"):
        for row in gaps:
            columns[name][row] = word
            frame.loc[row, name] = None
    table = pd.DataFrame(columns)
    text = io.StringIO()
    table.to_csv(text, index=False, sep=separator)
    return text.getvalue().splitlines(), frame


def assert_same(found, expected):
    # Dates may be in other units, which are compared as numbers otherwise.
    expected = expected.copy()
    for name in expected:
        if pd.api.types.is_datetime64_any_dtype(expected[name]):
            expected[name] = expected[name].astype(found[name].dtype)
    pd.testing.assert_frame_equal(
        found, expected, check_dtype=False, check_exact=True, check_freq=False
    )


@pytest.mark.parametrize("style", NUMBER_STYLES)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_numbers_written_as_text(clean, rng, tmp_path, style, separator):
    lines, expected = dirty_csv(clean, rng, style, "%Y-%m-%d", "?", separator)
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    table = read_table(tmp_path / "t.csv", as_written=["y"])
    assert_same(table.frame, expected)
    assert any("Read as missing" in note for note in table.notes)
    if style not in ("plain", "blanks around", "real minus", "quoted"):
        assert any(note.startswith("Read as numbers: amount") for note in table.notes)


@pytest.mark.parametrize("style", DATE_STYLES)
@pytest.mark.parametrize("word", ["", "tbd", "0000-00-00", "31.12.9999"])
def test_dates_written_in_other_ways(clean, rng, tmp_path, style, word):
    lines, expected = dirty_csv(clean, rng, "plain", style, word)
    expected["amount"] = expected["amount"].astype(float)
    lines = [line.replace(f",{word},", ",,", 1) if word else line for line in lines]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    found = read_table(tmp_path / "t.csv", as_written=["y"]).frame
    assert_same(found["opened"].to_frame(), expected["opened"].to_frame())


def test_tables_in_any_combination(clean, rng, tmp_path):
    """Numbers, dates, words, layout, encoding and container, each drawn at random."""
    for number in range(40):
        style = rng.choice(list(NUMBER_STYLES))
        separator = rng.choice([",", ";", "\t", "|"])
        word = rng.choice(WORDS)
        lines, expected = dirty_csv(
            clean, rng, style, rng.choice(DATE_STYLES), word, separator
        )
        if rng.random() < 0.3:  # rows end in a separator, the names perhaps, too
            first = rng.integers(0, 2)
            lines = lines[:first] + [line + separator for line in lines[first:]]
        if rng.random() < 0.2:
            lines = ["Customers of the year", ""] + lines
        elif rng.random() < 0.2:
            lines = ["# exported in March", *lines]
        elif rng.random() < 0.2:
            lines = [f"sep={separator}", *lines]
        if rng.random() < 0.2:
            lines += [separator * 4, "Total: 120 rows"]
        encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "cp1252"])
        newline = rng.choice(["\n", "\r\n", "\r"])
        content = newline.join(lines)
        try:
            data = content.encode(encoding)
        except UnicodeEncodeError:  # cp1252 has no narrow blank
            data = content.encode("utf-8")
        path = tmp_path / "t.csv"
        container = rng.choice(["plain", "gzip", "zip"])
        if container == "gzip":
            data = gzip.compress(data)
        if container == "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("inner.csv", data)
        else:
            path.write_bytes(data)
        try:
            table = read_table(path, as_written=["y"])
            assert_same(table.frame, expected)
        except Exception as error:
            error.add_note(f"table {number}: {lines[:5]}, {encoding}, {container}")
            raise
        # Read in the same way again, a single row is what it was in the table.
        known = table.formats
        row = int(rng.integers(0, N_ROWS))
        header = next(i for i, line in enumerate(lines) if "amount" in line)
        path.write_text("\n".join([lines[header], lines[header + 1 + row]]), "utf-8")
        one = read_table(path, known=known, as_written=["y"]).frame
        assert_same(one, expected.iloc[[row]].reset_index(drop=True))


# ------------------------------------------------------------------- no wrong guesses


def column_of(tmp_path, values, **options):
    """A column of a CSV file with these values, as it is read, and what was said."""
    frame = pd.DataFrame({"x": values, "y": np.arange(len(values)) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", ReadingOptions(**options), as_written=["y"])
    return table.frame["x"], " ".join(table.notes)


TEXTS = {
    "leading zeros": ["00501", "10001", "90210", "60601"],
    "leading zeros and letters": ["00501", "10001", "9021A", "60601"],
    "versions": ["1.2.3", "1.10.0", "2.0.1", "3.11.12"],
    "two-part versions and a word": ["1.10", "1.9", "2.0b1", "1.10"],
    "phone numbers": ["+41 44 668 18 00", "+41 44 632 11 11", "+49 30 901820"],
    "phone numbers, plain": ["+41446681800", "+41446321111", "+4930901820", "+1212555"],
    "addresses": ["192.168.0.1", "10.0.0.1", "127.0.0.1", "172.16.0.1"],
    "irregular groups": ["1,23", "12,3456", "1,2,3", "10"],
    "levels, most of them numbers": ["2", "3", "4", "5more"],
    "codes of which many are numbers": ["1023", "2044", "A17", "3301"],
    "times": ["12:30", "9:15", "23:59", "00:00"],
    "ranges": ["10-20", "20-30", "30-40", "40+"],
    "two currencies": ["$5.00", "€5.00", "$6.10", "€7.20"],
    "card numbers": ["4111111111111111", "5500000000000004", "4012888888881881x"],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_that_resemble_numbers_stay_texts(tmp_path, kind):
    values = TEXTS[kind] * 30
    column, notes = column_of(tmp_path, values)
    assert column.tolist() == values
    if kind in ("leading zeros", "phone numbers, plain"):
        assert "begin with 0 or +" in notes and notes.endswith(": x.")


def test_codes_keep_their_zeros_though_a_letter_comes_late(tmp_path):
    """pandas reads in chunks, and the first ones are numbers for it."""
    values = ["007"] * 300_000 + ["A1"]
    column, _ = column_of(tmp_path, values)
    assert column.iloc[0] == "007" and column.iloc[-1] == "A1"


@pytest.mark.parametrize(
    "values",
    [
        ["1.234", "5.678", "9.012"],  # "today's reading stands"
        ["1", "2", "3"],
        ["+5", "-3", "2"],
        ["1e5", "2e-3", "1.5"],
        ["20240131", "20249999", "12"],  # not all dates
        ["1700000001", "1700000007", "1700000011"],  # too few for seconds
        [str(1_700_000_001 + 7 * i) for i in range(30)],  # no whole minutes, no name
    ],
)
def test_numbers_that_pandas_reads_stay_numbers(tmp_path, values):
    column, _ = column_of(tmp_path, values * 10)
    assert column.tolist() == [float(value) for value in values * 10]


def test_names_say_that_seconds_are_times(tmp_path):
    seconds = [1_700_000_001 + 7 * i for i in range(30)]
    frame = pd.DataFrame({"opened_at": seconds, "y": [0, 1] * 15})
    frame.to_csv(tmp_path / "t.csv", index=False)
    found = read_table(tmp_path / "t.csv", as_written=["y"]).frame["opened_at"]
    assert found.tolist() == pd.to_datetime(seconds, unit="s").tolist()


def test_a_zero_needs_no_per_cent_sign(tmp_path):
    column, _ = column_of(tmp_path, ["1.5%", "0", "20%", "0.0"] * 10)
    assert column.tolist() == [1.5, 0, 20, 0] * 10
    # Of another number it is not known what it is a share of.
    values = ["1.5%", "0.2", "20%", "7%"] * 10
    column, _ = column_of(tmp_path, values)
    assert column.tolist() == values


def test_a_point_that_could_separate_thousands_is_said(tmp_path):
    values = ["1.234", "15.678", "999.012"] * 10
    column, notes = column_of(tmp_path, values)
    assert column[0] == 1.234 and "--decimal , or --thousands ." in notes
    for marks in (NumberMarks(decimal=","), NumberMarks(thousands=".")):
        column, notes = column_of(tmp_path, values, marks=marks)
        assert column[0] == 1234 and column.dtype == "int64"
    _, notes = column_of(tmp_path, [*values, "0.5"])
    assert not notes


def test_a_comma_that_could_be_either_is_asked_about(tmp_path):
    values = ["1,234", "15,678", "999,012"] * 10
    column, notes = column_of(tmp_path, values)
    assert column.tolist() == values and "--decimal , or --thousands ," in notes
    column, _ = column_of(tmp_path, values, marks=NumberMarks(decimal=","))
    assert column[0] == 1.234
    column, _ = column_of(tmp_path, values, marks=NumberMarks(thousands=","))
    assert column[0] == 1234
    # Values without a comma decide, if all are below 1,000.
    column, _ = column_of(tmp_path, [*values, "818"])
    assert column[0] == 1234
    column, _ = column_of(tmp_path, [*values, "818", "5000"])
    assert column[0] == "1,234"


@pytest.mark.parametrize(("n_words", "is_date"), [(0, True), (40, False), (2, False)])
def test_dates_among_words_are_categories(n_words, is_date, tmp_path):
    days = [f"2024-01-{day:02}" for day in range(1, 32)]
    path = tmp_path / "table.csv"
    texts = [*days, *["soon"] * n_words]
    path.write_text("\n".join(["when,x", *(f"{t},{i}" for i, t in enumerate(texts))]))
    when = read_table(path).frame["when"]
    assert pd.api.types.is_datetime64_any_dtype(when) == is_date


@pytest.mark.parametrize("late", ["1.234,5", "1.234.567", "(3,5)"])
def test_a_late_number_decides_on_the_format(late, tmp_path):
    """What is looked at first has neither thousands nor brackets."""
    texts = [f"{i},25" for i in range(100, 900)] + [late]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["amount;x", *(f"{t};{t[-1]}" for t in texts)]))
    amount = read_table(path).frame["amount"]
    expected = {"1.234,5": 1234.5, "1.234.567": 1_234_567, "(3,5)": -3.5}[late]
    assert amount.iloc[0] == 100.25 and amount.iloc[-1] == expected


@pytest.mark.parametrize(
    ("texts", "zone"),
    [
        (["2024-01-01T09:00:00+01:00", "2024-07-01T09:00:00+02:00"], "UTC"),
        (["2024-01-01T08:00:00Z", "2024-07-01 09:00+02:00"], "UTC"),
        (["2024-01-01T09:00:00+01:00", "2024-07-01T08:00:00+01:00"], "UTC+01:00"),
    ],
)
def test_times_of_several_zones_are_converted(texts, zone, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n".join(["when,x", *(f"{text},{text[6]}" for text in texts)]))
    table = read_table(path)
    expected = pd.to_datetime(["2024-01-01 08:00", "2024-07-01 07:00"], utc=True)
    when = table.frame["when"]
    assert str(when.dt.tz) == zone and (when == expected).all()
    told = "Times of several time zones were converted to UTC: when."
    assert (told in table.notes) == (zone == "UTC")


def test_dates_that_could_be_either_are_asked_about(tmp_path):
    values = ["01/02/2022", "03/04/2022", "05/06/2021"] * 10
    with pytest.raises(ValueError, match="'x=%d/%m/%Y', or --date-format 'x=%m/%d/%Y'"):
        column_of(tmp_path, values)
    column, _ = column_of(tmp_path, values, date_formats={"x": "%d/%m/%Y"})
    assert column[0] == pd.Timestamp("2022-02-01")
    column, _ = column_of(tmp_path, [*values, "01/13/2022"])
    assert column[0] == pd.Timestamp("2022-01-02")
    with pytest.raises(
        ValueError, match="'01/13/2022', which is no date in the format"
    ):
        column_of(tmp_path, [*values, "01/13/2022"], date_formats={"x": "%d/%m/%Y"})


def test_a_column_of_numbers_but_for_a_code_is_remarked_on(tmp_path):
    values = [f"{i}.5" for i in range(99)] + ["12O.5"]
    column, notes = column_of(tmp_path, values)
    assert column.tolist() == values
    assert "99 of 100 rows are, but not '12O.5' in row 100" in notes


@pytest.mark.parametrize(
    ("numbers", "n_words"),
    [(range(90), 10), ([1, 2, 3, 4, 5] * 40, 2)],  # too many words; too few numbers
)
def test_words_that_need_not_mean_missing_make_categories(tmp_path, numbers, n_words):
    values = [f"{n}.5" for n in numbers] + ["blocked"] * n_words
    column, _ = column_of(tmp_path, values)
    assert column.tolist() == values
    # One that does mean it makes a gap in either case.
    values = [value.replace("blocked", "unknown") for value in values]
    column, _ = column_of(tmp_path, values)
    assert column.isna().sum() == n_words and column[0] == float(values[0])


@pytest.mark.parametrize("style", ["%Y-%m-%d", "%d.%m.%Y"])
def test_a_column_of_dates_but_for_one_is_remarked_on(tmp_path, style):
    days = pd.date_range("2022-01-01", periods=99, freq="3D").strftime(style).tolist()
    wrong = pd.Timestamp("2022-02-28").strftime(style).replace("28", "30")
    column, notes = column_of(tmp_path, [*days[:50], wrong, *days[50:]])
    assert column.tolist() == [*days[:50], wrong, *days[50:]]
    assert f"99 of 100 rows are, but not {wrong!r} in row 51" in notes


def test_values_that_stand_for_missing_ones(tmp_path):
    column, notes = column_of(tmp_path, ["1.5", "-999", "2", "?"] * 10)
    assert column[1] == -999 and "'?' in 10 rows" in notes
    column, _ = column_of(tmp_path, ["1.5", "-999", "2"] * 10, missing_values=("-999",))
    assert column.isna().sum() == 10


@pytest.mark.usefixtures("tabular_data")
def test_clean_tables_are_read_as_pandas_reads_them(tabular_data):
    paths = sorted(tabular_data.glob("*.csv.gz"))
    assert paths
    for path in paths:
        table = read_table(path, as_written=["target"])
        pd.testing.assert_frame_equal(table.frame, pd.read_csv(path, low_memory=False))


# ------------------------------------------------------------------------- new rows


def test_new_rows_are_read_as_the_training_was(tmp_path):
    """Codes remain texts without the letter that made them so; gaps remain gaps."""
    codes = ["100", "200", "A3"] * 20
    frame = pd.DataFrame({"code": codes, "vip": [True, False, None] * 20})
    frame["amount"], frame["y"] = ["1.234,50", "17,00", "n/k"] * 20, [0, 1] * 30
    frame.to_csv(tmp_path / "t.csv", index=False, sep=";")
    known = read_table(tmp_path / "t.csv", as_written=["y"]).formats
    new = pd.DataFrame({"code": [100, None], "amount": ["1.234", "?"]})
    new["vip"] = [None, True]
    new.to_csv(tmp_path / "new.csv", index=False, sep=";")
    found = read_table(tmp_path / "new.csv", known=known).frame
    assert found["code"].tolist()[0] == "100" and found["code"].isna()[1]
    assert found["amount"].tolist()[0] == 1234 and found["amount"].isna()[1]
    assert found["vip"].tolist()[1] == 1 and found["vip"].isna()[0]
    new.to_parquet(tmp_path / "new.parquet")
    found = read_table(tmp_path / "new.parquet", known=known).frame
    assert found["code"].tolist()[0] == "100"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("amount", "1O.5", "amount held numbers in training, and '1O.5' in data row"),
        ("amount", "paid", "'paid' in data row 2 is none. Correct it, or leave"),
        ("opened", "31.02.2022", "opened held dates.*'31.02.2022' in data row 2"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(tmp_path, name, value, message):
    days = pd.date_range("2020-01-01", periods=60, freq="9D").strftime("%d.%m.%Y")
    frame = pd.DataFrame({"amount": np.arange(60) / 8, "opened": days})
    frame.to_csv(tmp_path / "t.csv", index=False)
    known = read_table(tmp_path / "t.csv").formats
    frame = frame.astype(object).head(3)
    frame.loc[1, name] = value
    frame.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "new.csv", known=known)


def test_numbers_for_what_were_per_cents_are_remarked_on(tmp_path):
    """A spreadsheet holds .7 for 70 %."""
    column_of(tmp_path, [f"{i}%" for i in range(40)])
    known = read_table(tmp_path / "t.csv", as_written=["y"]).formats
    pd.DataFrame({"x": [0.7, 0.2]}).to_parquet(tmp_path / "new.parquet")
    notes = read_table(tmp_path / "new.parquet", known=known).notes
    assert notes == ["Numbers are written otherwise than in training: x (no %)."]


def test_values_that_training_has_not_seen_are_remarked_on(tmp_path):
    column_of(tmp_path, ["A", "B"] * 30)
    known = read_table(tmp_path / "t.csv", as_written=["y"]).formats
    column_of(tmp_path, ["a", "b ", "B"] * 20)
    notes = read_table(tmp_path / "t.csv", known=known, as_written=["y"]).notes
    assert "x ('a' and others, 40 rows of 60; in training 'A', 'B')" in notes[0]


@pytest.mark.parametrize("n_levels", [6, 1500])
def test_categories_of_new_rows_are_those_of_the_training(tmp_path, n_levels):
    """Apostrophes, blanks and quotes of any kind are made plain in both."""
    written = ["O’Neil", "'quoted'", "a\u00a0b", "plain", '="x"', "'lead"]
    written += [f"level ’{i}" for i in range(n_levels - len(written))]
    frame = pd.DataFrame({"name": written * 3, "y": np.arange(3 * n_levels) % 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv", as_written=["y"])
    new = read_table(tmp_path / "t.csv", known=table.formats)
    assert table.frame["name"].tolist()[:3] == ["O'Neil", "quoted", "a b"]
    assert new.frame["name"].tolist() == table.frame["name"].tolist()
    assert not any("not seen" in note for note in new.notes)


@pytest.mark.parametrize("text", ["%d.%m.%Y", "%Y-%m-%d"])
def test_dates_in_a_format_that_could_be_another_are_noted(text, tmp_path):
    days = pd.date_range("2024-01-01", periods=90)
    table = pd.DataFrame({"day": days.strftime(text), "x": np.arange(90)})
    table.to_csv(tmp_path / "t.csv", index=False)
    read = read_table(tmp_path / "t.csv")
    assert (read.frame["day"] == days).all()
    noted = [note for note in read.notes if note.startswith("Read as dates")]
    assert len(noted) == (text == "%d.%m.%Y")
    assert all("01.01.2024" in note for note in noted)
