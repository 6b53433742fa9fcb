"""Tables whose columns come from several rows keep values and dtypes."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from skadaptive._explanation.tables import MixableTable

FRAME = pd.DataFrame(
    {
        "amount": [1.5, np.nan, 3.0],
        "count": pd.array([1, None, 3], dtype="Int64"),
        "color": pd.Categorical(["red", None, "blue"]),
        "opened": pd.to_datetime(["2020-01-01", None, "2020-03-01"]),
        "note": ["a", "b", None],
    },
    index=[7, 7, 9],
)


@pytest.mark.parametrize(
    "X",
    [FRAME, FRAME[["amount"]], FRAME[["amount"]].to_numpy(), [[1, 2], [3, 4], [5, 6]]],
    ids=["frame", "one dtype", "array", "list"],
)
def test_columns_come_from_the_rows_named(X):
    table = MixableTable(X)
    rows, others = np.array([0, 1, 2, 0]), np.array([2, 2, 1, 0])
    mixed = MixableTable(table.mixed(rows, {0: others}))
    assert type(mixed.X) is type(table.X) and mixed.names == table.names
    for index in range(len(table.names)):
        source = others if index == 0 else rows
        expected = table.column(index).iloc[source].reset_index(drop=True)
        pd.testing.assert_series_equal(mixed.column(index), expected)


def test_the_original_is_left_alone():
    X = np.arange(6.0).reshape(3, 2)
    MixableTable(X).mixed(np.arange(3), {0: np.array([2, 2, 2])})
    np.testing.assert_array_equal(X, np.arange(6.0).reshape(3, 2))


def test_codes_are_equal_where_values_are():
    codes = MixableTable(FRAME.iloc[[0, 1, 1, 0]]).codes
    np.testing.assert_array_equal(codes[0], codes[3])
    np.testing.assert_array_equal(codes[1], codes[2])
    assert (codes[0] != codes[1]).all()


def test_a_background_is_put_below_by_the_names_of_its_columns():
    other = FRAME.iloc[::-1, ::-1].assign(
        color=pd.Categorical(["green", "red", None]), more=1
    )
    both = MixableTable(FRAME).with_rows_of(other).X
    assert both["color"].tolist()[3:5] == ["green", "red"]
    assert isinstance(both["color"].dtype, pd.CategoricalDtype)
    np.testing.assert_array_equal(both["amount"], [1.5, np.nan, 3, 3, np.nan, 1.5])


@pytest.mark.parametrize(
    ("other", "categories"),
    [
        (pd.Categorical(["low", "top"], ["low", "top"], ordered=True), 3),
        (pd.Categorical(["low", "top"]), 3),
        (pd.Categorical(["low", "high"], ["low", "high"], ordered=True), 2),
        (pd.Categorical([1, 2]), None),
    ],
    ids=["other order", "unordered", "same", "numbers"],
)
def test_ordered_categories_may_differ_in_the_background(other, categories):
    column = pd.Categorical(["high", "low"], ["low", "high"], ordered=True)
    frame = pd.DataFrame({"level": column})
    both = MixableTable(frame).with_rows_of(pd.DataFrame({"level": other})).X["level"]
    assert both.tolist() == [*column, *other]
    if categories is None:
        assert not isinstance(both.dtype, pd.CategoricalDtype)
    else:
        assert len(both.cat.categories) == categories
        assert both.cat.ordered == (categories == 2)


def test_what_is_wrong_with_a_table_is_said():
    with pytest.raises(ValueError, match="sparse.*X.toarray"):
        MixableTable(csr_array((3, 2)))
    with pytest.raises(ValueError, match="two dimensions.*shape \\(3,\\)"):
        MixableTable([1, 2, 3])
    with pytest.raises(ValueError, match="same name: a"):
        MixableTable(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ValueError, match="lacks columns of X: note"):
        MixableTable(FRAME).with_rows_of(FRAME.drop(columns="note"))
    with pytest.raises(ValueError, match="2 columns of X; got 1"):
        MixableTable(np.ones((2, 2))).with_rows_of(np.ones((2, 1)))


@pytest.mark.parametrize("n_missing", [1, 5, 6])
def test_five_columns_that_a_background_lacks_are_named(n_missing):
    names = list("abcdef")[:n_missing]
    frame = pd.DataFrame(0.0, range(2), ["kept", *names])
    with pytest.raises(ValueError) as error:
        MixableTable(frame).with_rows_of(frame[["kept"]])
    more = ", ..." if n_missing > 5 else ""
    listed = ", ".join(names[:5])
    assert str(error.value) == f"background lacks columns of X: {listed}{more}."


def test_rows_of_a_wide_array_are_put_below():
    both = MixableTable(np.zeros((2, 300))).with_rows_of(np.ones((3, 300)))
    assert both.X.sum(axis=1).tolist() == [0, 0, 300, 300, 300]
    with pytest.raises(ValueError, match="must have the 300 columns of X; got 299"):
        MixableTable(np.zeros((2, 300))).with_rows_of(np.ones((3, 299)))
