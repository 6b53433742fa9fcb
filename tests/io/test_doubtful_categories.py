"""Columns of texts that are taken for categories although they look like none."""

import re

import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skadaptive._features.categories import encoded_levels, make_encoder
from skadaptive._io.doubtful_categories import doubtful_columns
from skadaptive.contenders import raw_pipeline

DAYS = pd.date_range("2024-03-01", periods=300, freq="41h")
CENTS = np.arange(300) * 7 % 211
DOUBTFUL = {
    "identifiers": ([f"id{i:04}" for i in range(300)], ""),
    "postcodes": ([f"{i:05}" for i in range(0, 30_000, 100)], ""),
    "sentences": ([f"case {i} was sent to desk {i % 7}" for i in range(300)], ""),
    "numbers": ([f"{i / 8}" for i in CENTS], "numbers"),
    "money": ([f"{i},{i % 100:02} EUR" for i in CENTS], "numbers"),
    "nearly numbers": ([*map(str, CENTS[:-3]), "?", "?", "?"], "numbers"),
    "days": (DAYS.strftime("%d.%m.%Y %H:%M"), "dates"),
    "ISO": (DAYS.strftime("%Y-%m-%d"), "dates"),
    "day or month": ([f"{i % 12 + 1:02}/{i % 11 + 1:02}/2024" for i in CENTS], "dates"),
}

few = settings(max_examples=10, derandomize=True, deadline=None, database=None)


def found_in(X):
    encoder = make_encoder("from_dtype", X)
    return doubtful_columns(X, encoded_levels(encoder))


def frame(texts):
    return pd.DataFrame({"size": np.arange(len(texts)), "text": list(texts)})


@pytest.mark.parametrize("kind", DOUBTFUL)
@pytest.mark.parametrize("container", [pd.DataFrame, polars.DataFrame])
def test_what_looks_like_something_else_is_found(kind, container):
    texts, reads = DOUBTFUL[kind]
    known = [text if i % 9 else None for i, text in enumerate(texts)]
    X = container({"size": np.arange(300), "text": known})
    (column,), (what,) = found_in(X).keys(), found_in(X).values()
    assert column == 1
    assert what.startswith(f"{len({*known} - {None})} different texts in 266 rows")
    read = re.search(r"that read as (\w+)", what)
    assert (read[1] if read else "") == reads


def test_a_column_of_fewer_than_20_texts_is_none():
    texts = [f"id{i:04}" for i in range(20)]
    assert list(found_in(frame(texts))) == [1]
    assert found_in(frame(texts[:19])) == {}


def test_other_columns_are_looked_at_after_one_that_is_none():
    texts = [f"id{i:04}" for i in range(30)]
    X = frame(texts).assign(kind=pd.Categorical(texts), few="one", more=texts)
    assert list(found_in(X[["kind", "few", "more", "size"]])) == [2]


def test_numbers_that_are_declared_categories_are_none():
    X = pd.DataFrame({"code": np.arange(30)}, dtype=object)
    assert doubtful_columns(X, {0: np.arange(30)}) == {}


@few
@given(
    st.lists(st.text(min_size=1), min_size=20, max_size=40, unique=True),
    st.integers(2, 5),
)
def test_categories_with_rows_enough_are_none(names, n_rows):
    """Whatever they are called, unless they read as numbers or dates."""
    names = [re.sub("[0-9]", "x", name) for name in names]
    assert found_in(frame(names * n_rows)) == {}


@few
@given(st.lists(st.text(), min_size=1, max_size=19))
def test_a_few_texts_are_categories(texts):
    assert found_in(frame(texts)) == {}


def test_a_categorical_dtype_leaves_no_doubt():
    for texts, _ in DOUBTFUL.values():
        X = frame(texts).astype({"text": "category"})
        assert found_in(X) == {}
        by_polars = polars.DataFrame({"text": list(texts)})
        enum = polars.Enum(by_polars["text"].unique().to_list())
        for dtype in (polars.Categorical, enum):
            assert found_in(by_polars.cast({"text": dtype})) == {}


def test_fit_names_the_columns_once(quick):
    y = np.arange(300) % 5 == 0
    X = frame(DOUBTFUL["identifiers"][0]).assign(day=DOUBTFUL["days"][0])
    X["colour"] = np.array(["red", "blue"])[np.arange(300) % 2]
    message = "Column 'text': .*Column 'day': .*to_datetime.*raw_pipeline"
    with pytest.warns(UserWarning, match=message) as told:
        quick(max_epochs=1).fit(X, y)
    told = [warning for warning in told if warning.category is UserWarning]
    assert len(told) == 1 and "colour" not in str(told[0].message)
    quick(max_epochs=1, categorical_features=[1, 2, 3]).fit(X, y)  # no warning


def test_a_stream_names_them_with_the_first_rows_learnt(quick):
    y = np.arange(300) % 5 == 0
    X = frame(DOUBTFUL["numbers"][0] * 2)
    model = quick(max_epochs=1)
    model.partial_fit(X[:60], y[:60], classes=[False, True])  # they wait
    with pytest.warns(UserWarning, match="Column 'text'") as told:
        for rows in (slice(60, 200), slice(200, 300)):
            model.partial_fit(X[rows], y[rows])
    assert len(told) == 1


def test_the_way_out_for_dates_and_sentences_warns_no_more(quick):
    y = np.arange(300) % 5 == 0
    X = frame(DOUBTFUL["sentences"][0]).assign(day=pd.to_datetime(DAYS))
    raw_pipeline(X, quick(max_epochs=1)).fit(X, y)  # a warning would be an error
