"""What the page says that the columns of a file were taken for."""

import numpy as np
import pandas as pd
import pytest

from skadaptive._io.columns import ColumnFormat
from skadaptive._io.numbers import NumberFormat
from skadaptive._report.source import ColumnUse, Source, describe_columns


def test_every_kind_of_column_has_its_words():
    n_rows = 60
    X = pd.DataFrame(
        {
            "amount": [1234567.0, -2.5, np.nan, *np.zeros(n_rows - 3)],
            "opened": pd.to_datetime(["2020-02-01", None] + ["2021-03-04"] * 58),
            "plain date": pd.to_datetime(["2020-02-01"] * n_rows),
            "is new": [True, False] * 30,
            "town": ["Rome", *["Oslo"] * 30, *["Rome"] * 28, "Oslo"],
            "code": [*(f"c{i % 7}" for i in range(n_rows - 4)), "c0", "c0", "c1", None],
            "empty": np.full(n_rows, np.nan),
            "complaint": [
                f"the parcel number {i} came late and broken" for i in range(n_rows)
            ],
        }
    )
    formats = {
        "amount": ColumnFormat("number", NumberFormat(",", ".")),
        "opened": ColumnFormat("date", date_format="%d.%m.%Y"),
    }
    uses = describe_columns(X, formats, {"id": "row number", "y": "target"})
    found = {use.name: (use.use, use.detail) for use in uses}
    written = formats["amount"].number.describe()
    assert found == {
        "amount": ("number", f"-2.5 to 1.23457e+06; {written}; 1 missing"),
        "opened": (
            "date",
            "2020-02-01 to 2021-03-04; written as %d.%m.%Y; 1 missing",
        ),
        "plain date": ("date", "2020-02-01 to 2020-02-01"),
        "is new": ("number", "false or true"),
        "town": ("category", "2 levels: 'Oslo', 'Rome'"),
        "code": (
            "category",
            "7 levels: 'c0', 'c1', 'c2', 'c3', 'c4' and 2 more; 1 missing",
        ),
        "empty": ("number", "60 missing"),
        "complaint": (
            "text",
            "60 texts, such as 'the parcel number 0 came late and broken'",
        ),
        "id": ("row number", ""),
        "y": ("target", ""),
    }
    assert uses[-1] == ColumnUse("y", "target", "")


def test_from_when_to_when_rows_are():
    days = pd.Series(pd.date_range("2020-01-30", periods=4), name="day")
    assert Source("t.csv", "y", times=days).span([1, 2]) == (
        " by day, from 2020-01-31 to 2020-02-01"
    )
    years = pd.Series([1999.5, 2000, 12345], name="year")
    assert Source("t.csv", "y", times=years).span([0, 2]) == (
        " by year, from 1999.5 to 12345"
    )
    assert Source("t.csv", "y").span([0, 2]) == ""


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("", "MODEL"),
        ("it.model", "it.model"),
        ("in here/it.model", "'in here/it.model'"),
        ("far/" * 20 + "it.model", "it.model"),  # a page would cut the path
        ("far/" * 20 + "my it.model", "'my it.model'"),
    ],
)
def test_the_file_of_the_model_for_a_shell(model, shown):
    assert Source("t.csv", "y", model=model).shell_model == shown
