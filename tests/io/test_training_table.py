"""Roles of the columns of a table to train on, and their mistakes."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skadaptive._io.training_table import ColumnRoles, make_training, read_weights


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "x": [10.0, 11.0, 12.0, 13.0, 14.0, 15.0],
            "town": list("abcabc"),
            "y": ["no", "yes", None, "no", "no", "yes"],
            "when": [3, 1, 2, 1, 9, 5],
            "w": [1.0, 2.0, 0.0, 4.0, 5.0, 6.0],
            "who": list("uvwuvw"),
            "key": [7, 8, 9, 10, 11, 12],
        },
        index=[5, 5, 6, 7, 8, 9],
    )


def test_rows_without_a_class_are_left_out_and_times_sort_the_others(table):
    roles = ColumnRoles("y", time="when", weight="w", group="who", id="key")
    found = make_training(table, roles)
    assert found.X.columns.tolist() == ["x", "town"]
    # Rows 2 and 4 have the same time and stay in their order; row 3 has no class.
    assert_array_equal(found.row_numbers, [2, 4, 1, 6, 5])
    assert_array_equal(found.X["x"], [11, 13, 10, 15, 14])
    assert found.X.index.tolist() == [0, 1, 2, 3, 4]
    assert found.target.y.tolist() == ["yes", "no", "no", "yes", "no"]
    assert_array_equal(found.sample_weight, [2, 4, 1, 6, 5])
    assert_array_equal(found.groups, ["v", "u", "u", "w", "v"])
    assert found.times.is_monotonic_increasing
    assert_array_equal(found.times, table["when"].iloc[found.row_numbers - 1])
    assert found.left_out == {
        "who": "group",
        "when": "time",
        "w": "weight",
        "key": "identifier",
    }
    assert found.path is None and found.formats == {}
    (note,) = found.notes
    assert "1" in note


def test_without_roles_all_other_columns_are_features(table):
    found = make_training(table, ColumnRoles("y", drop=["when", "key"]))
    assert found.X.columns.tolist() == ["x", "town", "w", "who"]
    assert_array_equal(found.row_numbers, [1, 2, 4, 5, 6])
    assert found.groups is None and found.sample_weight is None
    assert found.times is None
    assert found.left_out == {"when": "dropped", "key": "dropped"}
    assert table.index[0] == 5 and list(table)[:2] == ["x", "town"]  # as before


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        (ColumnRoles(None), "^There is no target.$"),
        (
            ColumnRoles("y", weight="w", drop=["w", "y", "x"]),
            "^w, y cannot be dropped and used otherwise: take it out",
        ),
        (ColumnRoles("y", group="y"), "^'y' is the target, and has no other role.$"),
        (
            ColumnRoles("y", drop=["x", "town", "when", "w", "who", "key"]),
            "^No column is left to predict from.$",
        ),
        (
            ColumnRoles("y", time="town"),
            "^Column town must hold times that can be ordered; it holds 'a'. Write",
        ),
        (ColumnRoles("y", weight="who"), "not all 0; who has 'u'.$"),
        (ColumnRoles("y", drop=["none"]), "none"),
    ],
)
def test_mistakes(table, roles, message):
    with pytest.raises(ValueError, match=message):
        make_training(table, roles)


def test_every_row_needs_a_time(table):
    table["when"] = [np.nan, 1, 2, np.nan, 3, 4]
    with pytest.raises(ValueError, match="^2 rows have no value in when: remove them"):
        make_training(table, ColumnRoles("y", time="when"))
    table["when"] = [None, "spring", "autumn", None, "winter", "summer"]
    with pytest.raises(ValueError, match="it holds 'spring'. Write dates"):
        make_training(table, ColumnRoles("y", time="when"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1, 0, 2.5], None),
        (["1", "0", "2.5"], None),
        ([0, 0, 0], "w has only 0."),
        ([1, -0.5, -2], "w has -0.5."),
        ([1, np.nan, 2], "w has nan."),
        ([1, "many", 2], "w has 'many'."),
    ],
)
def test_weights(values, message):
    frame = pd.DataFrame({"w": values})
    if message is None:
        assert read_weights(frame, "w").tolist() == [1, 0, 2.5]
    else:
        with pytest.raises(ValueError, match=message):
            read_weights(frame, "w")
    assert read_weights(frame, None) is None
