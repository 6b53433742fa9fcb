"""scikit-learn's classifiers as graphs beside their own predict_proba."""

import numpy as np
import pandas as pd
import pytest
from imblearn.ensemble import BalancedRandomForestClassifier
from numpy.testing import assert_allclose
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skadaptive import to_onnx

pytest.importorskip("onnxruntime")

BOOSTING = HistGradientBoostingClassifier(max_iter=20, random_state=0)
FOREST = RandomForestClassifier(10, random_state=0)


@pytest.fixture
def rows(draw_numbers, rng):
    """Rows with labels of three classes that depend on them, and new rows."""
    X = draw_numbers(rng, 400)
    score = np.nan_to_num(X[:, 0]) + (X[:, 3] > 2010)
    y = np.digitize(score + 0.5 * rng.normal(size=400), [0.5, 1.5])
    return X, y, draw_numbers(rng, 300, missing=0.3)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", [BOOSTING, FOREST], ids=["boosting", "forest"])
def test_trees_with_missing_values(model, n_classes, rows, run_onnx):
    X, y, new = rows
    model.fit(X, np.minimum(y, n_classes - 1))
    missing = [
        tree.missing_go_to_left[tree.children_left > 0]
        for tree in (tree.tree_ for tree in getattr(model, "estimators_", []))
    ]
    assert not missing or 0.1 < np.concatenate(missing).mean() < 0.9
    assert_allclose(run_onnx(to_onnx(model), new), model.predict_proba(new), atol=1e-6)


@pytest.mark.parametrize("model", [BOOSTING, FOREST], ids=["boosting", "forest"])
def test_thresholds_between_neighbours_of_float32(model, run_onnx, rng):
    """Half of these thresholds would be rounded to the value of a row."""
    values = np.float32(1) + np.arange(200) * np.float32(2**-23)
    X = np.repeat(values, 3)[:, None].astype(float)
    y = np.repeat(rng.integers(2, size=200), 3)
    model.fit(X, y)
    assert_allclose(run_onnx(to_onnx(model), X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("with_names", [True, False])
@pytest.mark.parametrize("model", [BOOSTING, FOREST], ids=["boosting", "forest"])
def test_decimal_numbers(model, with_names, run_onnx, rng):
    """A threshold may be one of them; float32 rounds half of them up."""
    X = np.round(rng.normal(scale=20, size=(2000, 2)), 1)
    y = (X[:, 0] + X[:, 1] + rng.normal(size=2000) > 20).astype(int)
    X = pd.DataFrame(X, columns=["a", "b"]) if with_names else X
    model.fit(X, y)
    assert_allclose(run_onnx(to_onnx(model), X), model.predict_proba(X), atol=1e-6)


def test_boosted_trees_set_infinity_apart(run_onnx, rng):
    """By a threshold of 1e300, and missing values from all others by infinity."""
    X = rng.normal(size=(400, 2)).astype(np.float32).astype(float)
    y = (rng.random(400) < 0.5).astype(int)
    X[y == 1, 0], X[:40, 0], X[::3, 1] = np.inf, -np.inf, np.nan
    y[::3] = 2
    model = BOOSTING.fit(X, y)
    assert_allclose(run_onnx(to_onnx(model), X), model.predict_proba(X), atol=1e-6)


def test_forests_round_to_float32(run_onnx, rng):
    """Where these scaled values have a resolution of 1/16."""
    X = np.repeat(np.arange(200.0), 3)[:, None]
    y = np.repeat(rng.integers(2, size=200), 3)
    model = make_pipeline(MinMaxScaler((1e6, 1e6 + 20)), FOREST).fit(X, y)
    assert_allclose(run_onnx(to_onnx(model), X), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=1000),
        LogisticRegression(solver="saga", max_iter=30, random_state=0),
        MLPClassifier((6,), max_iter=30, random_state=0),
        MLPClassifier((6, 4), activation="tanh", max_iter=30, random_state=0),
        MLPClassifier((6,), activation="logistic", max_iter=30, random_state=0),
        MLPClassifier((6,), activation="identity", max_iter=30, random_state=0),
        BOOSTING,
    ],
    ids=["linear", "saga", "relu", "tanh", "logistic", "identity", "boosting"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scaled_numbers(model, n_classes, rows, run_onnx):
    """Time stamps, whose mean float32 would round by some seconds."""
    X, y, new = (np.nan_to_num(part, nan=1e-6) for part in rows)
    X[:, 2], new[:, 2] = 1.7e9, 1.7e9
    X[::2, 2] += 128
    model = make_pipeline(StandardScaler(), model).fit(X, np.minimum(y, n_classes - 1))
    assert_allclose(run_onnx(to_onnx(model), new), model.predict_proba(new), atol=1e-6)


def test_linear_model_of_liblinear(rows, run_onnx):
    X, y, new = rows
    X, new = (np.nan_to_num(part)[:, [0, 3, 8]] for part in (X, new))
    model = LogisticRegression(solver="liblinear").fit(X, y > 0)
    assert_allclose(run_onnx(to_onnx(model), new), model.predict_proba(new), atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [
        BalancedRandomForestClassifier(3, random_state=0),
        DecisionTreeClassifier(),
        ExtraTreesClassifier(3),
    ],
    ids=lambda model: type(model).__name__,
)
def test_other_classifiers_are_refused_by_name(model, rng):
    X, y = rng.normal(size=(60, 2)), np.arange(60) % 2
    name = type(model).__name__
    with pytest.raises(ValueError, match=f"classifier {name} cannot .* What can be is"):
        to_onnx(make_pipeline(StandardScaler(), model).fit(X, y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_labels_per_row_are_refused(rng):
    X, y = rng.normal(size=(60, 2)), np.arange(120).reshape(60, 2) % 3 == 0
    for model in (MLPClassifier((2,), max_iter=5), RandomForestClassifier(2)):
        with pytest.raises(ValueError, match="of several .* of a single"):
            to_onnx(model.fit(X, y))


def test_categories_of_boosted_trees_are_refused():
    X = pd.DataFrame({"kind": pd.Categorical(["a", "b"] * 30)})
    model = HistGradientBoostingClassifier(categorical_features="from_dtype")
    model.fit(X, np.arange(60) % 3 == 0)
    with pytest.raises(ValueError, match="with categorical features of its own"):
        to_onnx(model)
