"""Columns of one category and correlated columns belong together."""

import numpy as np
import pandas as pd
import pytest

from skadaptive._explanation.groups import _ranks, correlated_groups, make_units
from skadaptive._explanation.tables import MixableTable


@pytest.fixture
def colors(rng):
    values = rng.choice(["red", "green", "blue"], 200)
    return pd.DataFrame({"color": values, "size": rng.normal(size=200)})


def test_one_hot_columns_are_one_unit(colors):
    encoded = pd.get_dummies(colors, dtype=float)
    names = list(make_units(MixableTable(encoded)))
    assert names == ["size", "color"]
    # In an array they are told by their sum, and at any place.
    swapped = encoded.iloc[:, [1, 2, 3, 0]].to_numpy()
    units = make_units(MixableTable(swapped))
    assert units == {"x0 to x2": [0, 1, 2], "x3": [3]}


def test_one_hot_columns_without_the_first_share_a_name(colors):
    encoded = pd.get_dummies(colors, drop_first=True)
    assert make_units(MixableTable(encoded))["color"] == [1, 2]
    # Without names nothing tells them from two flags.
    assert len(make_units(MixableTable(encoded.to_numpy(dtype=float)))) == 3


def test_flags_that_are_set_together_stay_apart(rng):
    flags = rng.integers(0, 2, (100, 3))
    frame = pd.DataFrame(flags, columns=["has_car", "has_house", "has_debt"])
    assert len(make_units(MixableTable(frame))) == 3


def test_told_columns_belong_together(colors):
    table = MixableTable(colors.assign(latitude=1.0, longitude=2.0))
    units = make_units(table, {"place": ["longitude", "latitude"], "first": [0]})
    assert units == {"first": [0], "size": [1], "place": [2, 3]}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (
            {"place": ["size", "nowhere"]},
            r"feature_groups\['place'\]: X has no column 'nowhere'",
        ),
        ({"place": [4]}, "no column 4. Its columns: color, .* from 0 to 1"),
        ({"a": ["size"], "b": [1]}, "'size' twice, in 'a' and in 'b'"),
        ({"place": "size"}, "must be a list of columns; got 'size'"),
        ({"place": 1}, "must be a list of columns; got 1"),
        ([["size"]], "must be a dict of lists of columns"),
        ({"place": []}, "holds no column"),
        ({"color": ["size"]}, "the name of a column that is not in it"),
    ],
)
def test_what_is_wrong_with_told_groups_is_said(colors, told, message):
    with pytest.raises(ValueError, match=message):
        make_units(MixableTable(colors), told)


def test_groups_hold_features_that_are_all_correlated_with_each_other(rng):
    base = rng.normal(size=(500, 3))
    noise = rng.normal(size=(500, 3))
    X = np.column_stack(
        [base[:, 0], np.exp(base[:, 0]), -base[:, 0] + 0.2 * noise[:, 0], base[:, 1]]
    )
    X[::7, 1] = np.nan
    table = MixableTable(X)
    units = make_units(table)
    groups = correlated_groups(table, units, 0.8)
    assert groups == {("x0", "x1", "x2"): [0, 1, 2], ("x3",): [3]}
    assert len(correlated_groups(table, units, None)) == 4
    assert len(correlated_groups(table, units, 1.0)) == 4


def test_a_chain_of_correlations_is_cut(rng):
    """Neighbours of a random walk are correlated, its ends are not."""
    X = np.cumsum(rng.normal(size=(1000, 12)), axis=1)
    table = MixableTable(X)
    correlation = np.abs(pd.DataFrame(X).corr(method="spearman").to_numpy())
    groups = correlated_groups(table, make_units(table), 0.7).values()
    assert 1 < len(groups) < 12
    for columns in groups:
        assert (correlation[np.ix_(columns, columns)] > 0.7).all()


def test_a_sorted_table_has_the_groups_of_a_shuffled_one(rng):
    """Its first rows are no sample: counts are 0 or 1, and some features alike."""
    n_rows = 12_000
    count = np.sort(rng.integers(0, 4, n_rows))
    first, second = rng.normal(size=(2, n_rows))
    second[: n_rows // 2] = first[: n_rows // 2]
    flag = (count != 1).astype(int)  # one of them is 1 in the first half of the rows
    frame = pd.DataFrame(
        {"flag": flag, "count": count, "first": first, "second": second}
    )
    for rows in (frame, frame.sample(frac=1, random_state=0)):
        table = MixableTable(rows)
        units = make_units(table)
        assert len(units) == 4
        assert len(correlated_groups(table, units, 0.8)) == 4


def test_missing_values_have_the_mean_rank():
    table = MixableTable(pd.DataFrame({"x": [3.0, np.nan, 1.0, 3.0, 9.0, np.nan]}))
    found = _ranks(table, 0, np.arange(6))
    np.testing.assert_allclose(found, [2.5, 2.5, 1, 2.5, 4, 2.5])


def test_constant_columns_and_texts_stay_alone(colors):
    table = MixableTable(colors.assign(one=1.0, two=2.0, none=np.nan))
    assert len(correlated_groups(table, make_units(table), 0.5)) == 5
