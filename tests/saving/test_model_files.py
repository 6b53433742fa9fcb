"""Saved models: ours as plain data, others by skops, and what a file tells."""

from importlib import metadata

import numpy as np
import pandas as pd
import pytest
from imblearn.under_sampling import RandomUnderSampler
from numpy.testing import assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import FixedThresholdClassifier

from skadaptive import evaluate
from skadaptive._saving import model_files
from skadaptive._saving.container import Parts, read_container, write_container
from skadaptive._saving.model_files import (
    ModelFacts,
    describe_model,
    load_model,
    save_model,
)
from skadaptive._saving.reference import OutOfFold
from skadaptive.contenders import raw_pipeline, table_pipeline
from skadaptive.thresholds import expected_cost

FACTS = ModelFacts("name", "target", "yes", False, ["key"], "key")
WORDS = np.array(["the", "order", "of", "this", "customer", "arrived", "again"])


@pytest.fixture
def rng():
    """One seed, because the bits have to be the same for any."""
    return np.random.default_rng(0)


@pytest.fixture
def saved_again(tmp_path):
    """Save and load a model."""

    def again(model):
        save_model(tmp_path / "it", model, {}, FACTS)
        assert describe_model(tmp_path / "it").kind == "plain"
        return load_model(tmp_path / "it").model

    return again


def assert_same(model, again, X, y):
    """Everything that predicts gives the same bits."""
    assert type(again) is type(model)
    for method in ("predict_proba", "predict_log_proba", "decision_function"):
        if hasattr(model, method):
            assert_array_equal(getattr(again, method)(X), getattr(model, method)(X))
    labels = again.predict(X)
    assert_array_equal(labels, model.predict(X))
    assert labels.dtype == model.predict(X).dtype
    assert_array_equal(again.classes_, model.classes_)
    if len(model.classes_) == 2:
        thresholds = {
            evaluate(m, X, y, random_state=0).threshold_ for m in (model, again)
        }
        assert len(thresholds) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"calibration": "isotonic", "threshold": expected_cost([[0, 1], [9, 0]])},
        {"hidden_layer_sizes": (), "n_bins": None, "calibration": None},
        {"batch_size": 1000, "activation": "tanh", "class_weight": {0: 1, 1: 3.0}},
    ],
    ids=["default", "isotonic", "linear", "float64"],
)
def test_numbers(quick, binary, saved_again, parameters):
    X, y = binary
    X = X.copy()
    X[::5, 0] = np.nan
    X[:, 1] = np.sinh(3 * X[:, 1])  # heavy tails, which get normal scores
    X[X[:, 2] < np.quantile(X[:, 2], 0.8), 2] = 0.0  # a dominant value
    model = quick(**parameters).fit(X, y)
    again = saved_again(model)
    assert_same(model, again, X, y)
    assert again._committee.dtype == model._committee.dtype
    scalers = [m._committee.transform.scaler for m in (again, model)]
    assert scalers[0].dominant == scalers[1].dominant == [2]
    for name in ("history_", "best_score_", "best_epoch_", "n_iter_", "threshold_"):
        assert getattr(again, name) == getattr(model, name)
    ours, theirs = again.get_params(), model.get_params()
    changed = {name for name in theirs if ours[name] != theirs[name]}
    assert not changed
    assert repr(clone(again)) == repr(clone(model))


def test_several_classes(quick, multiclass, saved_again):
    X, y = multiclass
    names = np.array(["b", "c", "a"])[y]
    for calibration in ("sigmoid", "isotonic"):
        model = quick(calibration=calibration).fit(X, names)
        assert_same(model, saved_again(model), X, names)


def test_a_rare_first_class_and_names(quick, binary, saved_again):
    X, y = binary
    X = pd.DataFrame(X, columns=list("abcdef"))
    model = quick().fit(X, np.where(y == 1, False, True))
    again = saved_again(model)
    assert_same(model, again, X, y == 0)
    assert_array_equal(again.feature_names_in_, model.feature_names_in_)
    with pytest.raises(ValueError, match="feature names should match"):
        again.predict(X.rename(columns={"a": "z"}))


def test_a_sparse_table(quick, saved_again, rng):
    y = np.arange(300) % 5 == 0
    X = rng.normal(size=(300, 2500)) * (rng.random((300, 2500)) < 0.02)
    X[:, 7] = y * rng.random(300)
    model = quick().fit(csr_matrix(X), y)
    assert model._committee.transform.columns is not None
    assert_same(model, saved_again(model), csr_matrix(X), y)


def with_categories(rng, n=400):
    shops = np.array([f"shop {i}" for i in range(90)])
    return pd.DataFrame(
        {
            "city": np.where(rng.random(n) < 0.2, None, rng.choice(["b", "a"], n)),
            "amount": rng.normal(size=n),
            "shop": shops[np.minimum(rng.geometric(0.03, n), 89)],
            "size": pd.Categorical(rng.choice([3, 1], n), categories=[3, 2, 1]),
        }
    )


def test_categories(quick, binary, saved_again, rng):
    X, y = with_categories(rng), binary[1]
    model = quick().fit(X, y)
    again = saved_again(model)
    new = with_categories(rng)
    new.loc[:3, "shop"] = ["never seen", None, "shop 1", "shop 89"]
    for table in (X, new):
        assert_same(model, again, table, y)
        ours, theirs = (
            m.feature_encoder_.transform(table).astype(float) for m in (again, model)
        )
        assert_array_equal(ours, theirs)
    ours, theirs = (
        m.feature_encoder_.named_transformers_["categories"][-1] for m in (again, model)
    )
    assert_array_equal(ours.get_feature_names_out(), theirs.get_feature_names_out())
    pairs = zip(ours.infrequent_categories_, theirs.infrequent_categories_, strict=True)
    kinds = set()
    for our_rare, their_rare in pairs:
        assert_array_equal(our_rare, their_rare)
        kinds.add(their_rare is None)
    assert kinds == {True, False}


@pytest.mark.parametrize("dtype", [float, object])
def test_categories_of_an_array(quick, binary, saved_again, rng, dtype):
    X = np.column_stack([rng.integers(0, 80, 400), rng.normal(size=400)]).astype(dtype)
    X[::9, 0] = np.nan
    model = quick(categorical_features=[0]).fit(X, binary[1])
    assert_same(model, saved_again(model), X, binary[1])


def test_dates_and_texts(quick, binary, saved_again, rng):
    X, y = with_categories(rng), binary[1]
    X.insert(1, "opened", pd.date_range("1969-12-01", periods=400).where(y == 0))
    X["note"] = [" ".join(rng.choice(WORDS, 7)) for _ in range(400)]
    X.loc[::7, "note"] = None
    model = raw_pipeline(X, quick())
    model.set_params(columntransformer__texts__n_components=5).fit(X, y)
    again = saved_again(model)
    assert repr(again) == repr(model)
    new = X.iloc[::-3].reset_index(drop=True)
    new.loc[0, "note"] = "something else entirely"
    for table in (X, new, X.iloc[[0]]):
        assert_array_equal(again.predict_proba(table), model.predict_proba(table))
        made = again[0].transform(table), model[0].transform(table)
        pd.testing.assert_frame_equal(*made)
    assert again[0].output_indices_ == model[0].output_indices_
    fixed = FixedThresholdClassifier(
        FrozenEstimator(model),
        threshold=0.3,
        pos_label=0,
        response_method="predict_proba",
    )
    fixed.fit(X, y)
    assert_same(fixed, saved_again(fixed), X, y)
    # Dates alone.
    X = X.drop(columns="note")
    model = raw_pipeline(X, quick()).fit(X, y)
    assert_same(model, saved_again(model), X, y)


def test_what_is_not_in_the_file_is_said(quick, binary, tmp_path):
    X, y = binary
    scoring = make_scorer(f1_score)
    model = quick(sampler=RandomUnderSampler(), scoring=scoring, warm_start=True)
    save_model(tmp_path / "it", model.fit(X, y), {}, FACTS)
    contents = describe_model(tmp_path / "it")
    assert set(contents.parameters_left_out) == {"scoring", "sampler"}
    text = "\n".join(contents.lines())
    assert "parameters that are not in the file: sampler, scoring" in text
    assert "opens under other releases as well" in text
    again = load_model(tmp_path / "it").model
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ValueError, match="<not in the model file: set it again>"):
        again.fit(X, y)
    again.set_params(sampler=None, scoring="f1")
    for train in (again.fit, again.partial_fit):
        with pytest.raises(ValueError, match="comes from a model file"):
            train(X, y)
    again.set_params(warm_start=False).fit(X, y)
    assert hasattr(again, "oof_proba_")


def test_size_of_the_networks(quick, binary, tmp_path):
    X, y = binary
    model = quick(hidden_layer_sizes=(64, 64, 64), max_epochs=1).fit(X, y)
    save_model(tmp_path / "it", model, {}, FACTS)
    committee = model._committee
    weights = sum(a.nbytes for a in [*committee.kernels, *committee.biases])
    assert committee.dtype == np.float32
    sizes = describe_model(tmp_path / "it").sizes
    assert sizes["networks"] <= 1.2 * weights
    assert sum(sizes.values()) == (tmp_path / "it").stat().st_size
    assert set(sizes) <= set(model_files.PARTS)


# ------------------------------------------------------------------- other contenders


@pytest.fixture
def other(tmp_path, binary):
    X, y = binary
    model = table_pipeline(LogisticRegression()).fit(pd.DataFrame(X), y)
    save_model(tmp_path / "other", model, {}, FACTS)
    return tmp_path / "other"


def test_versions_of_other_contenders_are_checked(other, binary, monkeypatch):
    pytest.importorskip("skops")
    load_model(other).model.predict(pd.DataFrame(binary[0]))
    needs = describe_model(other).needs
    assert {"sklearn", "imblearn", "numpy", "skadaptive"} <= set(needs)
    assert describe_model(other).kind == "skops"
    version = metadata.version
    for package in ("scikit-learn", "imbalanced-learn", "numpy"):
        with monkeypatch.context() as patch:
            patch.setattr(
                metadata,
                "version",
                lambda name, package=package: (
                    "9.9" if name == package else version(name)
                ),
            )
            with pytest.raises(
                ValueError,
                match=f"was written with {package} {version(package)}, and this is 9.9",
            ):
                load_model(other)


def test_ours_needs_no_skops_and_no_same_versions(quick, binary, tmp_path, monkeypatch):
    X, y = binary
    model = quick().fit(X, y)
    monkeypatch.setattr(model_files, "dump_other", None)
    monkeypatch.setattr(model_files, "load_other", None)
    save_model(tmp_path / "it", model, {}, FACTS)
    monkeypatch.setattr(metadata, "version", lambda name: "9.9")
    assert_array_equal(load_model(tmp_path / "it").model.predict(X), model.predict(X))


def test_labels_that_json_cannot_hold_are_left_to_skops(quick, binary, tmp_path):
    pytest.importorskip("skops")
    X = pd.DataFrame(binary[0][:, :5], columns=list("abcde"))
    X["day"] = pd.Categorical(pd.date_range("2020", periods=2)[np.arange(400) % 2])
    model = quick(max_epochs=1).fit(X, binary[1])
    # skops does not take such labels either, and says so.
    with pytest.raises(ValueError, match=r"Timestamp would not be read again\. Use"):
        save_model(tmp_path / "it", model, {}, FACTS)
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize("schema", [99, 0, -1, None, "1", 1.5])
def test_later_schemas_are_refused(other, schema):
    manifest, parts, _ = read_container(other)
    assert load_model(other).facts == FACTS
    manifest |= {"schema": schema, "written_with": {"skadaptive": "7.0"}}
    write_container(other, manifest, parts)
    told = rf"schema {schema} of skadaptive 7\.0.* Install"
    for read in (load_model, describe_model):
        with pytest.raises(ValueError, match=told):
            read(other)


def test_a_file_without_its_parts_is_refused(other):
    manifest, _, _ = read_container(other)
    write_container(other, manifest | {"kind": "plain"}, Parts())
    with pytest.raises(ValueError, match="does not hold what its schema says"):
        load_model(other)
    del manifest["facts"]
    write_container(other, manifest, Parts())
    for read in (load_model, describe_model):
        with pytest.raises(ValueError, match="does not hold what its schema says"):
            read(other)


@pytest.mark.parametrize("weighted", [False, True])
def test_out_of_fold_rows_come_back(other, rng, weighted):
    y, probability = rng.integers(2, size=30), rng.random(30)
    weight = rng.uniform(0.5, 2, size=30) if weighted else None
    saved = load_model(other)
    rows = OutOfFold(y, probability, weight)
    save_model(other, saved.model, saved.columns, saved.facts, out_of_fold=rows)
    again = load_model(other).out_of_fold
    assert_array_equal(again.y, y)
    assert_array_equal(again.probability, probability)
    if weighted:
        assert_array_equal(again.sample_weight, weight)
    else:
        assert again.sample_weight is None
