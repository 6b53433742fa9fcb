"""The classifier in a pipeline that skl2onnx converts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skadaptive import register_onnx_converter

skl2onnx = pytest.importorskip("skl2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow


@pytest.fixture
def table(draw_table):
    X = draw_table(np.random.default_rng(0), 300)[["normal", "year", "code"]].dropna(
        ignore_index=True
    )
    return X.astype({"normal": np.float32, "year": np.float32})


@pytest.fixture
def pipeline(quick):
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["normal", "year"]),
            ("codes", encoder, ["code"]),
        ]
    )
    return Pipeline([("prep", prepare), ("clf", quick())])


def run(model, X):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(
        None,
        {column.name: X[[column.name]].to_numpy() for column in session.get_inputs()},
    )


@pytest.mark.parametrize("names", [None, ["usual", "rare"], ["a", "b", "c"]])
def test_a_pipeline_converts(names, pipeline, table):
    y = np.digitize(table["normal"], [-1, 1] if names and len(names) == 3 else [1])
    y = y if names is None else np.array(names)[y]
    pipeline.fit(table, y)
    register_onnx_converter()
    model = skl2onnx.to_onnx(pipeline, table[:1], options={"zipmap": False})
    labels, proba = run(model, table)
    # skl2onnx scales in float32.
    assert_allclose(proba, pipeline.predict_proba(table), atol=1e-3)
    assert np.mean(labels == pipeline.predict(table)) > 0.99
    with_names = run(skl2onnx.to_onnx(pipeline, table[:1]), table)[1]
    assert list(with_names[0]) == pipeline.classes_.tolist()


def test_numbers_agree_closely(quick, table):
    X = table[["normal", "year"]].to_numpy()
    model = quick().fit(X, X[:, 0] > 1)
    register_onnx_converter()
    converted = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    labels, proba = session.run(None, {"X": X})
    assert_allclose(proba, model.predict_proba(X), atol=1e-5)
    assert_array_equal(labels, model.predict(X))


def test_refusals(quick, table):
    register_onnx_converter()
    y = table["normal"] > 1
    model = quick(max_epochs=1).fit(table, y)
    with pytest.raises(ValueError, match="Call skadaptive.to_onnx"):
        skl2onnx.convert_sklearn(model, initial_types=[("X", float_type(3))])
    model.fit(table[["normal", "year"]], y)
    with pytest.raises(ValueError, match="needs opset 18 or later of ai.onnx; got 15"):
        skl2onnx.convert_sklearn(
            model, initial_types=[("X", float_type(2))], target_opset=15
        )


def float_type(n_columns):
    from skl2onnx.common.data_types import FloatTensorType

    return FloatTensorType([None, n_columns])
