"""Rows are cut by time."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skadaptive._monitoring.periods import UNITS, cut_periods


def dates(n_days, start="2024-01-01"):
    return pd.Series(pd.date_range(start, periods=n_days), name="day")


def test_without_a_time_all_rows_are_one_period():
    found = cut_periods(None, "auto", 3)
    assert len(found.names) == 1
    assert_array_equal(found.codes, [0, 0, 0])


@pytest.mark.parametrize(
    ("n_days", "n_periods", "first"),
    [
        (10, 10, "2024-01-01"),
        (60, 9, "week of 2024-01-01"),
        (300, 10, "2024-01"),
        (1000, 11, "2024Q1"),
        (4000, 11, "2024"),
    ],
)
def test_the_shortest_unit_that_makes_few_periods(n_days, n_periods, first):
    found = cut_periods(dates(n_days), "auto", n_days)
    assert len(found.names) == n_periods and found.names[0] == first


def test_one_date_for_each_month_is_that_month():
    time = pd.Series(pd.date_range("2024-01-01", periods=5, freq="MS"), name="day")
    assert cut_periods(time, "auto", 5).names[:2] == ["2024-01", "2024-02"]


@pytest.mark.parametrize("unit", list(UNITS))
def test_periods_are_in_the_order_of_time(unit, rng):
    time = dates(90).sample(frac=1, random_state=int(rng.integers(100)))
    time = time.reset_index(drop=True)
    found = cut_periods(time, unit, len(time))
    order = np.argsort(time.to_numpy(), kind="stable")
    assert (np.diff(found.codes[order]) >= 0).all()
    assert set(found.codes) == set(range(len(found.names)))


def test_rows_of_one_hour_stay_in_it_whatever_the_zone():
    time = pd.Series(pd.date_range("2024-03-01 22:00", periods=6, freq="30min"))
    zoned = time.dt.tz_localize("Europe/Rome")
    for column in (time, zoned):
        assert cut_periods(column, "hour", 6).names == [
            "2024-03-01 22:00",
            "2024-03-01 23:00",
            "2024-03-02 00:00",
        ]


@pytest.mark.parametrize("n_parts", [1, 3, 7])
def test_parts_have_about_as_many_rows_and_keep_equal_times_together(n_parts, rng):
    values = rng.integers(0, 200, 1000)
    found = cut_periods(pd.Series(values, name="step"), n_parts, 1000)
    sizes = np.bincount(found.codes)
    assert len(sizes) == n_parts == len(set(found.names))
    assert np.ptp(sizes) < 50
    for value in np.unique(values):
        assert len(set(found.codes[values == value])) == 1
    # Earlier rows are in earlier parts.
    assert (np.diff(found.codes[np.argsort(values, kind="stable")]) >= 0).all()


def test_a_part_is_named_by_its_first_and_last_time():
    values = pd.Series([7, 8, 9, 10, 11, 11], name="step")
    assert cut_periods(values, 3, 6).names == ["7 to 8", "9 to 10", "11"]


def test_few_numbers_and_names_are_periods_themselves():
    numbers = pd.Series([3, 1, 2, 1], name="batch")
    assert cut_periods(numbers, "auto", 4).names == ["1", "2", "3"]
    names = pd.Series(["b", "a", None, "b"], name="batch")
    found = cut_periods(names, "auto", 4)
    assert found.names == ["a", "b"]
    assert_array_equal(found.codes, [1, 0, -1, 1])


@pytest.mark.parametrize("period", ["auto", 12])
def test_names_are_in_the_order_that_a_reader_expects(period):
    names = pd.Series([f"batch {i}" for i in range(12)], name="batch")
    assert cut_periods(names[::-1], period, 12).names == names.tolist()
    assert_array_equal(cut_periods(names, period, 12).codes, range(12))
    months = pd.Series(
        pd.Categorical(["Feb", "Jan", None, "Mar"], ["Jan", "Feb", "Mar"], ordered=True)
    )
    found = cut_periods(months, period, 4)
    assert found.names == ["Jan", "Feb", "Mar"]
    assert_array_equal(found.codes, [1, 0, -1, 2])


def test_periods_have_different_names_that_show_whole_numbers():
    days = pd.Series([20240101.0, 20240102.0, np.nan], name="day")
    for period in ("auto", 2):
        assert cut_periods(days, period, 3).names == ["20240101", "20240102"]
    near = pd.Series([1.00000001, 1.00000002], name="step")
    for period in ("auto", 2):
        assert len(set(cut_periods(near, period, 2).names)) == 2


def test_rows_without_a_time_are_in_no_period():
    time = dates(40).where(np.arange(40) % 4 > 0)
    for period in ("auto", "month", 3):
        found = cut_periods(time, period, 40)
        assert_array_equal(found.codes < 0, time.isna())
        assert set(found.codes[found.codes >= 0]) == set(range(len(found.names)))


@pytest.mark.parametrize(
    ("time", "period", "message"),
    [
        (None, "month", "needs the time of each row"),
        (pd.Series([1.5, 2.5], name="step"), "month", "needs dates, and 'step' holds"),
        (dates(2), "fortnight", "or one of hour, day"),
        (dates(2), 0, "from 1 to 400"),
        (dates(2), np.int64(401), r"from 1 to 400; got 401\."),
        (dates(2), np.float64(1.5), r"from 1 to 400; got 1.5\."),
        (pd.Series([None, None], name="day"), "auto", "No row has a value in 'day'"),
        (dates(500), "day", "makes 500 periods, and at most 400"),
        (pd.Series([f"n{i}" for i in range(500)], name="n"), "auto", "500 periods"),
    ],
)
def test_mistakes(time, period, message):
    with pytest.raises(ValueError, match=message):
        cut_periods(time, period, 2)
