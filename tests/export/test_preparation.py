"""Transformers as graphs beside scikit-learn's own transform."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from imblearn.pipeline import make_pipeline as make_imblearn_pipeline
from numpy.testing import assert_allclose
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from skadaptive._export.graph import Graph
from skadaptive._export.preparation import transformed
from skadaptive._export.table import RawColumn, Table
from skadaptive.contenders import table_pipeline

pytest.importorskip("onnxruntime")

NUMBERS = ["normal", "heavy tail", "year", "flag", "one", "dominant", "is new"]
TEXTS = ["city", "code"]


def graph_of(transformer, X):
    graph = Graph(inputs=dict.fromkeys(X.columns, (None, 1)))
    made = transformed(transformer, Table(graph, [RawColumn(c) for c in X.columns]))
    numbers = graph.cast(made.numbers(), np.float32)
    return graph.model(numbers, made.n_columns, "out")


def check(transformer, X, new, run_onnx):
    transformer.fit(X)
    expected = np.asarray(transformer.transform(new), float)
    made = run_onnx(graph_of(transformer, X), new)
    assert made.shape == expected.shape
    assert_allclose(made, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "transformer",
    [
        StandardScaler(),
        StandardScaler(with_mean=False, with_std=False),
        MinMaxScaler(feature_range=(-1, 2), clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        RobustScaler(with_centering=False),
        SimpleImputer(strategy="median", add_indicator=True),
        SimpleImputer(strategy="constant", fill_value=-7.0),
        make_pipeline("passthrough", SimpleImputer(), StandardScaler()),
        FunctionTransformer(),
    ],
    ids=repr,
)
def test_numbers(transformer, draw_table, run_onnx, rng):
    X, new = (draw_table(rng, n)[NUMBERS].astype(float) for n in (200, 60))
    check(transformer, X, new * 2, run_onnx)


@pytest.mark.parametrize(
    "scaler",
    [
        StandardScaler(),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        make_pipeline(SimpleImputer(strategy="most_frequent"), MinMaxScaler()),
    ],
    ids=repr,
)
def test_scalers_of_float32_tables(scaler, draw_table, run_onnx, rng):
    """They learn numbers in float32 from them, which must not meet float64."""
    X = draw_table(rng, 200)[["normal", "dominant"]].astype(np.float32)
    expected = scaler.fit_transform(X)
    assert_allclose(run_onnx(graph_of(scaler, X), X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("keep", [True, False])
def test_columns_without_any_value(keep, draw_table, run_onnx, rng):
    X = draw_table(rng, 100)[NUMBERS].astype(float)
    X["one"] = np.nan
    imputer = SimpleImputer(keep_empty_features=keep, add_indicator=True)
    check(imputer, X, X[:50], run_onnx)


@pytest.mark.parametrize(
    "options",
    [
        {"handle_unknown": "ignore"},
        {"handle_unknown": "infrequent_if_exist", "max_categories": 20},
        {"handle_unknown": "infrequent_if_exist", "min_frequency": 4, "drop": "first"},
        {"handle_unknown": "ignore", "max_categories": 5},
        {"handle_unknown": "ignore", "drop": "if_binary"},
    ],
    ids=str,
)
def test_categories(options, draw_table, run_onnx, rng):
    """Rare and unknown ones, missing ones, and numbers as categories."""
    X, new = draw_table(rng, 300), draw_table(rng, 200, n_levels=120)
    X["grade"] = X["grade"].astype(object).where(rng.random(300) > 0.1, np.nan)
    kept = [*TEXTS, "grade", "is new"]
    encoder = OneHotEncoder(sparse_output=False, **options)
    assert not set(new["code"]) <= set(X["code"])
    with pytest.warns() if "drop" in options else no_warning():
        check(encoder, X[kept], new[kept].astype({"grade": object}), run_onnx)


def no_warning():
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values")
@pytest.mark.parametrize("add_indicator", [True, False])
def test_an_imputer_of_columns_without_any_value(add_indicator, run_onnx):
    X = pd.DataFrame({"none": np.nan, "some": np.arange(9.0)})
    imputer = SimpleImputer(add_indicator=add_indicator)
    transformer = make_column_transformer((imputer, ["none"]), remainder="passthrough")
    check(transformer, X, X, run_onnx)


@pytest.mark.parametrize("fill", [None, 0.4, -1.1])
def test_decimal_categories(fill, run_onnx, rng):
    """They are rounded as the input is, also once missing ones are filled."""
    X = pd.DataFrame({"grade": rng.integers(1, 6, 100) / 10})
    X[::7] = np.nan
    options = {"strategy": "most_frequent"} if fill is None else {"fill_value": fill}
    imputer = SimpleImputer(**{"strategy": "constant"} | options)
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    check(encoder, X, X, run_onnx)
    check(make_pipeline(imputer, encoder), X, X, run_onnx)


def test_missing_texts_are_imputed(draw_table, run_onnx, rng):
    X, new = (draw_table(rng, n)[["city"]] for n in (200, 60))
    for options in ({"strategy": "most_frequent"}, {"strategy": "constant"}):
        imputer = SimpleImputer(**options, missing_values=np.nan)
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        # scikit-learn's imputer takes NaN for missing, and not None.
        tables = (table.where(table.notna(), np.nan) for table in (X, new))
        check(make_pipeline(imputer, encoder), *tables, run_onnx)


@pytest.mark.parametrize(
    "columns",
    [
        [NUMBERS, TEXTS],
        [slice("normal", "year"), "city"],
        [slice(0, 3), [9, 10]],
        [np.arange(12) < 2, [False] * 9 + [True] + [False] * 2],
        [[-1, 0], []],
    ],
    ids=str,
)
def test_columns_are_chosen_in_any_form(columns, draw_table, run_onnx, rng):
    X = draw_table(rng, 100)
    numbers, texts = columns
    encoder = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    texts = [texts] if isinstance(texts, str) else texts
    transformer = ColumnTransformer(
        [("numbers", "passthrough", numbers), ("texts", encoder, texts)]
    )
    X["grade"] = X["grade"].astype(float)
    check(transformer, X, X[:50], run_onnx)


def test_transformers_within_each_other(draw_table, run_onnx, rng):
    """Columns of computed columns, the rest passed through."""
    X, new = (draw_table(rng, n)[NUMBERS].astype(float) for n in (200, 60))
    first = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["year", "normal"]),
        ("drop", ["flag"]),
        remainder="passthrough",
    )
    second = make_column_transformer(
        (MinMaxScaler(), [1, 4, 0, 5, 3, 2]), ("passthrough", [3, 2])
    )
    check(make_pipeline(first, second), X, new, run_onnx)


def test_preparation_of_the_contenders(draw_table, run_onnx, rng):
    X, new = draw_table(rng, 300), draw_table(rng, 100, n_levels=120)
    X["flag"] = np.nan
    y = rng.integers(2, size=300)
    for options in ({}, {"impute": False, "scale": False}):
        model = table_pipeline(StandardScaler(), **options).fit(X, y)
        expected = model.transform(new)
        assert_allclose(run_onnx(graph_of(model, X), new), expected, rtol=1e-6)


def test_samplers_leave_new_rows_alone(draw_table, rng):
    X = draw_table(rng, 100)[["year"]].fillna(2000.0)
    y = rng.integers(2, size=100)
    model = make_imblearn_pipeline(SMOTE(), StandardScaler()).fit(X, y)
    assert len(graph_of(model, X).graph.node) == 5


@pytest.mark.parametrize(
    "transformer, message",
    [
        (PolynomialFeatures(), "PolynomialFeatures cannot .* What can be is .*Scaler"),
        (FunctionTransformer(np.abs), r"FunctionTransformer\(absolute\) cannot"),
        (SimpleImputer(missing_values=-1), "missing_values=-1"),
    ],
    ids=str,
)
def test_refusals(transformer, message, draw_table, rng):
    X = draw_table(rng, 50)[["year", "dominant"]].fillna(0.0)
    with pytest.raises(ValueError, match=message):
        graph_of(transformer.fit(X), X)


@pytest.mark.parametrize(
    "values, message",
    [
        (["a", "", None, "b"], "holds empty texts beside missing ones"),
        ([0.1, 0.1 + 1e-12, 1.0, 2.0], "the same number in float32"),
        ([pd.Timestamp(0), pd.Timestamp(1)], "neither all texts nor all numbers"),
    ],
)
def test_categories_that_a_graph_cannot_tell_apart(values, message):
    X = pd.DataFrame({"kind": pd.Series(values, dtype=object)})
    with pytest.raises(ValueError, match=f"'kind'.* {message}"):
        graph_of(OneHotEncoder().fit(X), X)


def test_empty_texts_are_not_taken_for_missing_ones():
    X = pd.DataFrame({"kind": ["a", "", "b"]})
    model = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    with pytest.raises(ValueError, match="'kind' holds empty texts beside missing"):
        graph_of(model.fit(X), X)


def test_a_column_has_one_type():
    X = pd.DataFrame({"kind": ["a", "b"]})
    encoder = OneHotEncoder().fit(X)
    graph = Graph(inputs={"kind": (None, 1)})
    table = Table(graph, [RawColumn("kind")])
    transformed(encoder, table)
    with pytest.raises(ValueError, match="'kind' is used both as numbers and as texts"):
        table.numbers()
