"""Tables that are exact in float32, and graphs run by onnxruntime."""

import numpy as np
import pandas as pd
import pytest


def _draw_numbers(rng, n_rows, missing=0.1):
    """Columns as users have them, NaN where missing."""
    X = np.column_stack(
        [
            rng.normal(size=n_rows),
            np.sinh(4 * rng.normal(size=n_rows)),  # heavy tails
            rng.normal(1.7e9, 1e7, size=n_rows),  # time stamps
            rng.integers(1990, 2025, n_rows),
            rng.random(n_rows) < 0.2,
            np.full(n_rows, 5.0),
            rng.normal(size=n_rows) * (rng.random(n_rows) < 0.3),  # a dominant 0
            rng.normal(size=n_rows) * 1e-6,
            rng.poisson(2.0, n_rows),
        ]
    )
    X[rng.random(X.shape) < missing] = np.nan
    return X.astype(np.float32).astype(float)


def _draw_table(rng, n_rows, n_levels=80):
    """A table of numbers, a flag, a constant, and categories with missing values."""
    numbers = _draw_numbers(rng, n_rows)
    names = "normal", "heavy tail", "time", "year", "flag", "one", "dominant", "small"
    X = pd.DataFrame(dict(zip(names, numbers.T, strict=False)))
    X["is new"] = rng.random(n_rows) < 0.3
    X["city"] = rng.choice(["Rome", "Ōsaka", "Bern", None], n_rows)
    X["code"] = pd.Series(rng.integers(n_levels, size=n_rows)).map("L{}".format)
    X["grade"] = pd.Categorical(rng.integers(1, 6, n_rows))
    return X


def _feed(model, X):
    """The inputs of a graph from a table, as a server would make them."""
    import onnx

    if [column.name for column in model.graph.input] == ["X"]:
        return {"X": np.asarray(X, np.float32)}
    if not hasattr(X, "columns"):
        X = pd.DataFrame(X, columns=[f"x{i}" for i in range(np.shape(X)[1])])
    fed = {}
    for column in model.graph.input:
        is_text = column.type.tensor_type.elem_type == onnx.TensorProto.STRING
        values = X[[column.name]].astype(object)
        if is_text:
            fed[column.name] = values.where(values.notna(), "").to_numpy(object)
        else:
            # Texts that nothing reads, and with them what is missing, become NaN.
            numbers = values.apply(pd.to_numeric, errors="coerce")
            fed[column.name] = numbers.to_numpy(np.float32)
    return fed


def _run(model, X):
    """The only output of a model for a table, the same for one row, and for none."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    fed = _feed(model, X)
    (output,) = session.run(None, fed)
    (one,) = session.run(None, {name: values[:1] for name, values in fed.items()})
    np.testing.assert_allclose(one, output[:1], atol=1e-6)
    # onnxruntime 1.20 sums a batch without rows to a wrong shape.
    if not onnxruntime.__version__.startswith("1.20."):
        (none,) = session.run(None, {name: values[:0] for name, values in fed.items()})
        assert none.shape == (0, output.shape[1])
    return output


@pytest.fixture
def run_onnx():
    return _run


@pytest.fixture
def draw_numbers():
    return _draw_numbers


@pytest.fixture
def draw_table():
    return _draw_table
