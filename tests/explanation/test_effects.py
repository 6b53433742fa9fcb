"""The values of a feature at which its effect is computed, by hand."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skadaptive._explanation.effects import grid_rows
from skadaptive._explanation.tables import MixableTable


def grid(frame, *columns):
    """Values of the grid, in its order, their shares, and whether they are ordered."""
    table = MixableTable(frame)
    rows, share, is_ordered = grid_rows(table, list(columns) or [0])
    values = frame.iloc[rows, list(columns) or [0]].squeeze(axis=1)
    return values, share, is_ordered


def test_few_numbers_are_all_taken_in_their_order():
    frame = pd.DataFrame({"x": [3.0, 1.0, np.nan, 3.0, 2.0, np.nan, 3.0, 1.0]})
    values, share, is_ordered = grid(frame)
    assert is_ordered
    assert_allclose(values, [1, 2, 3, np.nan])
    assert_allclose(share, np.array([2, 1, 3, 2]) / 8)


def test_dates_are_ordered_and_texts_the_most_frequent_first():
    days = pd.to_datetime(["2024-03-01", "2024-01-01", "2024-03-01", None])
    values, share, is_ordered = grid(pd.DataFrame({"day": days}))
    assert is_ordered and values[:2].is_monotonic_increasing and values.isna().iloc[-1]
    assert_allclose(share, [0.25, 0.5, 0.25])
    towns = pd.DataFrame({"town": ["Oslo", "Rome", None, "Rome", "Bern", "Rome"]})
    values, share, is_ordered = grid(towns)
    assert not is_ordered
    assert values.fillna("").tolist() == ["Rome", "Oslo", "Bern", ""]
    assert_allclose(share, np.array([3, 1, 1, 1]) / 6)


def test_a_column_without_values_is_missing_in_all_rows():
    values, share, _ = grid(pd.DataFrame({"x": [np.nan] * 3}))
    assert values.isna().tolist() == [True] and share.tolist() == [1]


def test_columns_of_one_category_are_one_feature():
    """None of them is missing, and the first value counts like the others."""
    frame = pd.DataFrame(
        {"z": 0.0, "red": [1.0, 0, 1, 0, 1], "blue": [0.0, 1, 0, 1, 0]}
    )
    values, share, is_ordered = grid(frame, 1, 2)
    assert not is_ordered
    assert values.to_numpy().tolist() == [[1, 0], [0, 1]]
    assert_allclose(share, [0.6, 0.4])


@pytest.mark.parametrize("n_distinct", [20, 21, 1000])
def test_of_many_numbers_there_are_quantiles(n_distinct, rng):
    x = rng.permutation(np.repeat(np.arange(n_distinct), 3)).astype(float)
    values, share, _ = grid(pd.DataFrame({"x": x}))
    assert values.is_unique and values.is_monotonic_increasing
    assert_allclose(share, 1 / n_distinct)
    if n_distinct == 20:
        assert len(values) == 20
    else:
        levels = np.linspace(0.02, 0.98, 20) * (len(x) - 1)
        expected = np.unique(np.sort(x)[np.round(levels).astype(int)])
        assert_allclose(values, expected)


@pytest.mark.parametrize("n_distinct", [20, 21, 40])
def test_of_many_categories_there_are_the_most_frequent(n_distinct):
    codes = [f"c{i}" for i in range(n_distinct) for _ in range(n_distinct - i)]
    values, share, _ = grid(pd.DataFrame({"code": codes}))
    assert values.tolist() == [f"c{i}" for i in range(20)]
    assert_allclose(share, (n_distinct - np.arange(20)) / len(codes))
