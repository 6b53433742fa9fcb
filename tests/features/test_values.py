"""Columns that are not numbers yet: missing values, texts and dates."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csr_array
from sklearn.model_selection import KFold, cross_val_score

from skadaptive._features.values import (
    is_polars,
    needs_conversion,
    no_number,
    with_numbers,
)
from skadaptive.contenders import raw_pipeline

DAYS = pd.Series(pd.date_range("2020-01-01", periods=400))


@pytest.fixture(scope="module")
def table(binary):
    """A frame of numbers, some missing, and a category; and its labels."""
    X, y = binary
    X = X.copy()
    X[::7, 1] = np.nan
    frame = pd.DataFrame(X[:, :3], columns=["a", "b", "c"])
    kind = pd.Series(np.where(X[:, 3] > 0, "u", "v"), dtype=object)
    return frame.assign(kind=kind.where(np.arange(400) % 9 > 0, np.nan)), y


# --------------------------------------------------------------------- missing values


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
def test_missing_values_of_every_kind_are_one(missing, quick, table):
    """In numbers and categories, in frames, arrays and lists."""
    frame, y = table
    array = frame.to_numpy(object)
    array[pd.isna(array)] = missing
    for columns in ([0, 1, 2], [0, 1, 2, 3]):
        part, names = array[:, columns], frame.columns[columns]
        expected = quick().fit(frame[names], y).predict_proba(frame[names])
        by_name = pd.DataFrame(part, columns=names)
        found = [quick().fit(by_name, y).predict_proba(by_name)]
        for X in (part, part.tolist()):
            model = quick(categorical_features=columns[3:] or None)
            found.append(model.fit(X, y).predict_proba(X))
        for proba in found:
            assert_array_equal(proba, expected)


def test_missing_values_of_polars_are_those_of_pandas(quick, table):
    frame, y = table
    other = polars.DataFrame(
        {
            name: [None if pd.isna(value) else value for value in frame[name]]
            for name in frame
        }
    )
    model, same = quick().fit(frame, y), quick().fit(other, y)
    for X in (frame, other):
        assert_array_equal(model.predict_proba(X), same.predict_proba(X))
    assert_array_equal(model.predict_proba(frame), model.predict_proba(other))


# ------------------------------------------------------------------------------ texts


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT], ids=repr)
def test_a_column_of_texts_that_is_empty_in_a_fit(missing, quick, table):
    """Its dtype is object, so that nothing but its values says that it holds texts."""
    frame, y = table
    note = np.full(400, missing, dtype=object)
    note[[3, 5]] = "chargeback"
    frame = frame.assign(note=pd.Series(note, dtype=object))
    scores = cross_val_score(quick(), frame, y, cv=KFold(4), scoring="roc_auc")
    assert np.isfinite(scores).all()
    stream = quick()
    for rows in np.array_split(np.arange(400)[::-1], 4):
        stream.partial_fit(frame.iloc[rows], y[rows], classes=[0, 1])
    empty = polars.DataFrame({"a": frame["c"].to_numpy(), "note": [None] * 400})
    full = empty.with_columns(note=polars.lit("chargeback"))
    with pytest.warns(UserWarning, match="Column 'note' has no category that fit"):
        assert quick().fit(empty, y).predict_proba(full).shape == (400, 2)


@pytest.mark.parametrize(
    ("fitted", "later"),
    [
        (1.0, "chargeback"),
        (pd.Series([1, 2.5, None, 4] * 100, dtype=object), "chargeback"),
        (True, "chargeback"),
        (1.0, pd.Series([1.0, "chargeback"] * 200, dtype=object)),
        (1.0, pd.Series(["chargeback"] * 400, dtype="category")),
    ],
)
def test_text_among_numbers_is_told_with_its_column(fitted, later, quick, table):
    frame, y = table
    model = quick().fit(frame.assign(amount=fitted), y)
    later = frame.assign(amount=later)
    with pytest.raises(ValueError, match="Column 'amount' .* got 'chargeback'"):
        model.predict(later)
    # So it is in an array, and in a frame of polars.
    array = quick(categorical_features=[3])
    array.fit(frame.assign(amount=fitted).to_numpy(object), y)
    with pytest.raises(ValueError, match="Column 4 .* got 'chargeback'"):
        array.predict(later.to_numpy(object))
    with pytest.raises(ValueError, match=r"Column 'kind' holds texts \('[uv]'\)"):
        quick(categorical_features=None).fit(frame, y)
    kinds = polars.DataFrame({"kind": frame["kind"].fillna("u").tolist()})
    with pytest.raises(ValueError, match=r"Column 'kind' holds texts \('u'\)"):
        quick(categorical_features=None).fit(kinds, y)


@pytest.mark.parametrize("values", [[1.5, "a"], [True, "a"], [{}, ()], [True, 1.5]])
def test_categories_of_several_types_are_told_with_their_column(values, quick, table):
    frame, y = table
    mixed = frame.assign(code=pd.Series(values * 200, dtype=object))
    with pytest.raises(ValueError, match="Column 'code' is a category .* of the types"):
        quick(categorical_features=["kind", "code"]).fit(mixed, y)


def test_numbers_in_columns_of_objects(table):
    values = {
        "texts": ["1", "2.5", None],
        "decimals": [decimal.Decimal("1"), 2.5, None],
        "flags and numbers": [True, 2.5, pd.NA],
    }
    for column in values.values():
        X = np.array([column, column], dtype=object).T
        assert needs_conversion(X)
        assert_array_equal(with_numbers(X), [[1, 1], [2.5, 2.5], [np.nan] * 2])
    assert not needs_conversion(np.zeros((2, 2), np.float16))
    frame = table[0][["a", "b"]]
    assert not needs_conversion(frame) and needs_conversion(table[0])
    # What was given stays as it was.
    objects = frame.astype(object)
    before = objects.copy()
    with_numbers(objects)
    pd.testing.assert_frame_equal(objects, before)


def test_which_tables_have_columns_that_are_no_numbers():
    numbers = {"a": [1.0, 2.0], "b": [3, 4]}
    texts = {"a": [1.0, 2.0], "b": ["x", "y"]}
    for made in (pd.DataFrame, polars.DataFrame):
        assert not needs_conversion(made(numbers)) and needs_conversion(made(texts))
    assert needs_conversion([[1.0, None]]) and needs_conversion([["x", 1.0]])
    assert not needs_conversion([[1.0, 2.0]])
    assert not needs_conversion([[1.0], [1.0, 2.0]])  # scikit-learn refuses it
    # Neither one column nor a sparse table: checks elsewhere speak of them.
    assert not needs_conversion(np.array(["x", "y"]))
    assert not needs_conversion(csr_array(np.eye(2)))
    assert is_polars(polars.DataFrame(texts)) and not is_polars(pd.DataFrame(texts))


def test_the_first_value_that_is_no_number_is_named():
    frame = pd.DataFrame({"a": [None, "1", 2, "three", "four"]}, dtype=object)
    with pytest.raises(
        ValueError, match="^Column 'a' must hold .* got 'three' in row 4, "
    ):
        with_numbers(frame)
    for several in ([], [1.0], [1.0, 2.0], np.zeros(2)):
        column = pd.DataFrame({"a": [None, 1, several, several, 2]})
        with pytest.raises(ValueError, match="^Column 'a' must hold numbers"):
            with_numbers(column)
    frame = pd.DataFrame({"a": ["x", None, "y"]}, dtype=object)
    kept = with_numbers(frame.assign(b=1.5), categorical=[0])
    assert kept["a"].tolist() == frame["a"].tolist() and kept["b"].tolist() == [1.5] * 3


@pytest.mark.parametrize(
    ("texts", "advice"),
    [
        (["8,99", "7,5"], "read_csv(..., decimal=',', thousands='.')"),
        (["1,234", "8,99"], "decimal=',', thousands='.')"),
        (["1.234,567"], "decimal=',', thousands='.')"),
        (["1,234", "1,234,567.8"], "read_csv(..., thousands=',')"),
        (["1,2,3"], "Correct the value"),
        (["n/a"], "Correct the value"),
    ],
)
def test_how_to_read_a_file_of_such_numbers_is_told(texts, advice):
    found = no_number([None, 1.5, *texts])
    assert found.startswith(f"'{texts[0]}' in row 3, counted from 1. ")
    assert advice in found
    assert no_number([None, 1.5, "7.5", np.nan]) is None
    assert no_number([1, 10**400]).startswith("1000")


# ------------------------------------------------------------------------------ dates


@pytest.mark.parametrize("dtype", [None, object])
@pytest.mark.parametrize("times", [DAYS, DAYS - DAYS[0], DAYS.dt.to_period("D")])
def test_times_are_seen_by_dtype_and_by_value(times, dtype):
    frame = pd.DataFrame({"when": times, "code": "7"}).astype(
        {"when": dtype or times.dtype}
    )
    with pytest.raises(ValueError, match="^Column 'when' holds dates or times"):
        with_numbers(frame)
    assert with_numbers(frame[["code"]])["code"].tolist() == [7.0] * len(frame)


@pytest.mark.parametrize(
    "column",
    [
        DAYS,
        DAYS.where(DAYS.index % 3 > 0),
        DAYS.dt.tz_localize("Europe/Paris"),
        DAYS.astype("datetime64[s]"),
        DAYS - DAYS[0],
        DAYS.dt.to_period("M"),
        DAYS.dt.date,
        DAYS.astype(object).where(DAYS.index % 3 > 0, None),
        DAYS.dt.time,
    ],
    ids=lambda column: str(column.dtype),
)
def test_dates_are_refused_by_name(column, quick, table):
    """Beside numbers and categories, alone, and only in the rows to predict."""
    frame, y = table
    told = "Column 'when' holds dates or times.*raw_pipeline"
    for others in (["a"], ["kind"], ["a", "kind"], []):
        with pytest.raises(ValueError, match=told):
            quick().fit(frame[others].assign(when=column), y)
    model = quick().fit(frame.assign(when=1.0), y)
    with pytest.raises(ValueError, match=told):
        model.predict(frame.assign(when=column))
    if column.dtype.kind == "M":
        with pytest.raises(ValueError, match="Column 0 holds dates"):
            quick().fit(column.to_numpy()[:, None], y)


def test_dates_of_polars_are_refused_by_name(quick, table):
    frame, y = table
    for values in (DAYS.dt.date.tolist(), DAYS.tolist(), [datetime.timedelta(1)] * 400):
        X = polars.DataFrame({"a": frame["c"].tolist(), "when": values})
        with pytest.raises(ValueError, match="Column 'when' holds dates or times"):
            quick().fit(X, y)


def test_what_the_message_on_dates_advises_works(quick, table):
    frame, y = table
    dated = frame.assign(when=DAYS)
    assert raw_pipeline(dated, quick()).fit(dated, y).predict(dated).shape == (400,)
    months = frame.assign(when=DAYS.dt.to_period("M").astype(str))
    assert quick().fit(months, y).predict(months).shape == (400,)
