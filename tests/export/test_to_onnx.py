"""Whole models, from raw tables to decisions."""

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)

from skadaptive import AdaptiveHybridClassifier, to_onnx
from skadaptive._assessment.cross_validation import LabelledRows, fit_and_tune
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive.contenders import default_contenders, raw_pipeline, table_pipeline

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.slow


@pytest.fixture
def one_rng():
    """One seed where fits take time."""
    return np.random.default_rng(0)


def labels(rng, X):
    score = np.nan_to_num(X["normal"]) + (X["city"] == "Rome") + X["is new"]
    return (score + 0.5 * rng.normal(size=len(X)) > 1.8).astype(int)


def properties(model):
    return {entry.key: json.loads(entry.value) for entry in model.metadata_props}


def decided(model, proba):
    """Labels by the metadata of a model, as a server would decide."""
    facts = properties(model)
    classes = np.array(facts["classes"])
    if len(classes) > 2:
        return classes[(proba * facts["class_weights"]).argmax(axis=1)]
    rare = facts["classes"].index(facts["rare_class"])
    return classes[np.where(proba[:, rare] > facts["threshold"], rare, 1 - rare)]


def check(model, X, run_onnx, atol=1e-5):
    graph = to_onnx(model)
    proba = run_onnx(graph, X)
    assert proba.dtype == np.float32 and proba.shape == (len(X), len(model.classes_))
    assert [output.name for output in graph.graph.output] == ["probabilities"]
    # What onnxruntime runs since 1.15, and programs that read the file format of then.
    operators = {entry.domain: entry.version for entry in graph.opset_import}
    assert operators == {"": 18, "ai.onnx.ml": 3} and graph.ir_version == 8
    assert_allclose(proba, model.predict_proba(X), atol=atol)
    assert_array_equal(decided(graph, proba), model.predict(X))
    return graph


@pytest.mark.parametrize(
    "parameters, make",
    [
        ({}, lambda y: y),
        ({"batch_size": 300}, lambda y: 1 - y),  # trained in float64
        ({"class_weight": "balanced"}, lambda y: np.array(["no", "so", "yes"])[y]),
        ({"activation": "gelu", "n_bins": None}, lambda y: y == 1),
    ],
    ids=["float32", "float64", "three classes", "gelu"],
)
def test_raw_tables(parameters, make, quick, draw_table, run_onnx, one_rng):
    X, new = draw_table(one_rng, 300), draw_table(one_rng, 200, n_levels=150)
    y = labels(one_rng, X)
    if parameters.get("class_weight"):
        y = y + (X["grade"].astype(int) > 4) * (y == 1)
    model = quick(**parameters).fit(X, make(y))
    wanted = "float64" if "batch_size" in parameters else "float32"
    assert model._committee.dtype == wanted
    graph = check(model, new, run_onnx)
    names = [column.name for column in graph.graph.input]
    assert names == list(X.columns)
    shapes = {
        tuple(size.dim_param or size.dim_value for size in i.type.tensor_type.shape.dim)
        for i in graph.graph.input
    }
    assert shapes == {("n", 1)}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_quick_contenders_as_compare_wraps_them(draw_table, run_onnx, one_rng):
    X, new = draw_table(one_rng, 300), draw_table(one_rng, 100, n_levels=150)
    X["one"] = np.nan  # a column without any value
    y = np.array(["bad", "good"])[1 - labels(one_rng, X)]
    data = LabelledRows(X, y, None, None)
    small = {"hidden_layer_sizes": (8,), "batch_size": 64, "max_epochs": 3}
    for name, model in default_contenders(X, quick=True, random_state=0).items():
        last = model[-1] if hasattr(model, "steps") else model
        if isinstance(last, AdaptiveHybridClassifier):
            last.set_params(**small)
        if name == "MLPClassifier":
            last.set_params(max_iter=5)
        fitted, threshold = fit_and_tune(model, data, np.arange(300), 0)
        graph = check(fitted, new, run_onnx)
        facts = properties(graph)
        assert facts["classes"] == ["bad", "good"] and facts["rare_class"] == "bad"
        assert_allclose(facts["threshold"], threshold, atol=1e-7)
        assert len(graph.graph.input) == X.shape[1]


def test_tables_without_names(quick, draw_numbers, run_onnx, one_rng):
    X = draw_numbers(one_rng, 300)
    y = (np.nan_to_num(X[:, 0]) > 1).astype(int)
    graph = check(quick(categorical_features=[3]).fit(X, y), X[:100], run_onnx)
    (column,) = graph.graph.input
    assert column.name == "X" and column.type.tensor_type.shape.dim[1].dim_value == 9
    decimals = np.c_[X[:, :2], X[:, 8] / 10]
    y = decimals[:, 2] == 0.1  # a category that float32 rounds
    check(quick(categorical_features=[2]).fit(decimals, y), decimals, run_onnx)
    texts = X[:, :3].astype(object)
    texts[:, 1] = np.where(X[:, 0] > 0, "a", "b")
    graph = check(quick(categorical_features=[1]).fit(texts, y), texts, run_onnx)
    assert [column.name for column in graph.graph.input] == ["x0", "x1", "x2"]


def test_a_sparse_table_becomes_a_dense_input(quick, run_onnx, one_rng):
    X = (one_rng.random((300, 2500)) < 0.02).astype(float)
    y = (X[:, :20].sum(axis=1) > 0).astype(int)
    model = quick(max_epochs=1).fit(csr_matrix(X), y)
    assert model._committee.transform.columns is not None
    check(model, X[:50], run_onnx)


def test_names_of_columns_may_be_anything(run_onnx, one_rng):
    """Those of the output and of the tensors inside the graph, too."""
    X = pd.DataFrame(one_rng.normal(size=(200, 5)).astype(np.float32))
    y = X[4] > 1
    names = ["X", "Größe (m)", "probabilities", "a/b", " "]
    for _ in range(3):
        X.columns = names
        model = LogisticRegression().fit(X, y)
        graph = to_onnx(model)
        assert [column.name for column in graph.graph.input] == names
        assert_allclose(run_onnx(graph, X), model.predict_proba(X), atol=1e-6)
        inside = [node.output[0] for node in graph.graph.node]
        names = [*inside[:3], *(tensor.name for tensor in graph.graph.initializer)][:5]


def test_the_outermost_threshold_counts(draw_table, run_onnx, one_rng):
    X = draw_table(one_rng, 200)
    y = labels(one_rng, X)
    pipeline = table_pipeline(LogisticRegression(max_iter=1000))
    tuned = TunedThresholdClassifierCV(pipeline, scoring="f1", cv=2).fit(X, y)
    assert tuned.best_threshold_ != 0.5
    fixed = FixedThresholdClassifier(
        FrozenEstimator(tuned), threshold=0.3, pos_label=0
    ).fit(X, y)
    plain = pipeline.fit(X, y)
    search = GridSearchCV(pipeline, {"logisticregression__C": [0.1, 1]}, cv=2).fit(X, y)
    for model in (tuned, fixed, plain, search):
        check(model, X, run_onnx)
    facts = properties(to_onnx(fixed))
    assert facts["rare_class"] == 0
    assert_allclose(facts["threshold"], 0.3)
    assert properties(to_onnx(plain))["threshold"] == 0.5


def test_decisions_do_not_need_the_training_state(quick, binary, run_onnx):
    X, y = binary
    X = X.astype(np.float32).astype(float)
    for target in (y, 1 - y):
        model = quick().fit(X, target)
        before = properties(to_onnx(model))
        assert before["threshold"] != 0.5
        assert properties(to_onnx(model.drop_training_state())) == before
        check(model, X, run_onnx)
    # At 0.5 the decision does not tell which class is rare.
    model = quick(threshold=0.5).fit(X, 1 - y)
    assert properties(to_onnx(model))["rare_class"] == 0
    assert properties(to_onnx(model.drop_training_state()))["rare_class"] == 0


@pytest.mark.parametrize(
    "parameters, n_classes",
    [({"threshold": 0.5}, 2), ({"calibration": "isotonic"}, 2), ({}, 3)],
)
def test_models_from_files_give_the_same_graph(
    parameters, n_classes, quick, draw_table, one_rng, tmp_path
):
    """With categories, also of numbers, and below a fixed threshold."""
    facts = ModelFacts("ours", "class", 1, others_together=False, unused_columns=[])
    X = draw_table(one_rng, 300)
    y = -np.digitize(X["normal"].fillna(0.0), [1.0, 1.8][: n_classes - 1])
    fitted = quick(**parameters).fit(X, y)
    models = [fitted, raw_pipeline(X, quick(max_epochs=1)).fit(X, y)]
    if n_classes == 2:
        chosen = FixedThresholdClassifier(
            FrozenEstimator(fitted),
            threshold=0.3,
            pos_label=-1,
            response_method="predict_proba",
        )
        models.append(chosen.fit(X, y))
    for model in models:
        save_model(tmp_path / "model", model, {}, facts)
        again = load_model(tmp_path / "model").model
        before, after = (to_onnx(one).SerializeToString() for one in (model, again))
        assert before == after


def test_ties_at_a_fixed_threshold(run_onnx, one_rng):
    """Two trees give 0, 0.5 and 1, and float32 must not move them to the other side."""
    X = one_rng.integers(4, size=(200, 2)).astype(float)
    y = (X[:, 0] > 1) ^ (one_rng.random(200) < 0.3)
    forest = RandomForestClassifier(2, max_features=1, random_state=0)
    for threshold in (0.0, 0.25, 0.5, np.nextafter(0.5, 1.0), 1.0):
        # Leaves of single rows have the probabilities 0 and 1.
        X = np.c_[X[:, 0], np.arange(200.0)]
        model = FixedThresholdClassifier(forest, threshold=threshold).fit(X, y)
        proba = model.predict_proba(X)[:, 1]
        assert {0.0, 0.5, 1.0} <= set(proba)
        check(model, X, run_onnx)


# ----------------------------------------------------------------------------- refusals


def dates_and_texts(rng):
    X = pd.DataFrame({"opened": pd.date_range("2024-01-01", periods=60), "n": 1.0})
    X["n"] = rng.normal(size=60)
    words = ["".join(rng.choice(list("abcde"), 5)) for _ in range(50)]
    X["note"] = [" ".join(rng.choice(words, 6)) for _ in range(60)]
    return X, np.arange(60) % 2


@pytest.mark.parametrize(
    "columns, message",
    [
        (["n", "opened"], "Columns with dates cannot be exported to ONNX: 'opened'"),
        (["n", "note"], "Columns with free text cannot be exported to ONNX: 'note'"),
    ],
)
@pytest.mark.parametrize("kind", ["table", "raw"])
def test_dates_and_texts_are_refused_by_name(columns, message, kind, quick, one_rng):
    X, y = dates_and_texts(one_rng)
    if kind == "table":
        model = table_pipeline(LogisticRegression())
    else:
        model = raw_pipeline(X[columns], quick(max_epochs=1))
    with pytest.raises(ValueError, match=message):
        to_onnx(model.fit(X[columns], y))


@pytest.mark.parametrize("package", ["lightgbm", "xgboost"])
def test_other_contenders_are_refused_by_name(package, draw_table, one_rng):
    pytest.importorskip(package)
    X = draw_table(one_rng, 100)
    name = {"lightgbm": "LightGBM", "xgboost": "XGBoost"}[package]
    model = default_contenders(X, random_state=0)[name]
    if name == "LightGBM":
        model[-1].set_params(n_estimators=2)
    model.fit(X, labels(one_rng, X))
    shown = {"LightGBM": "LGBMClassifier", "XGBoost": "XGBoost"}[name]
    with pytest.raises(ValueError, match=f"The classifier {shown} cannot be exported"):
        to_onnx(model)


def test_what_is_no_fitted_classifier(quick, binary):
    X, y = binary
    with pytest.raises(NotFittedError):
        to_onnx(quick())
    for other in (LinearRegression().fit(X, y), RandomForestClassifier, "model.skops"):
        with pytest.raises(ValueError, match="Only fitted classifiers can be exported"):
            to_onnx(other)
    search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=2, refit=False)
    with pytest.raises(ValueError, match="GridSearchCV has no classes_.* refit=True"):
        to_onnx(search.fit(X, y))
    with pytest.raises(ValueError, match="RandomForest.* fitted to the single class 0"):
        to_onnx(RandomForestClassifier(2).fit(X, np.zeros(len(X), int)))
    twice = LogisticRegression().fit(pd.DataFrame(X[:, :2], columns=["a", "b"]), y)
    twice.feature_names_in_[1] = "a"  # scikit-learn 1.6 fits such tables
    with pytest.raises(ValueError, match="Several columns have the name 'a'"):
        to_onnx(twice)
    with pytest.raises(ValueError, match="A column has the empty name"):
        to_onnx(LogisticRegression().fit(pd.DataFrame({"": X[:, 0]}), y))
    decided = FixedThresholdClassifier(
        LogisticRegression(), response_method="decision_function"
    )
    with pytest.raises(ValueError, match="whose threshold is a probability"):
        to_onnx(decided.fit(X, y))


def test_says_what_to_install(monkeypatch, binary):
    from skadaptive import _packages

    monkeypatch.setattr(_packages, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'needs onnx: .*"skadaptive\[onnx\]"'):
        to_onnx(LogisticRegression().fit(*binary))
