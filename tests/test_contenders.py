"""The preparation of a table in the default contenders."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from skadaptive import compare
from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive._tuned_trees import _SPACES
from skadaptive.contenders import (
    CatBoost,
    default_contenders,
    raw_pipeline,
    table_pipeline,
    tuned_contenders,
)

COMMON = ["the", "order", "of", "this", "customer", "arrived", "and", "asked", "again"]
TELLING = ["broken", "damaged", "refund"]


@pytest.fixture(scope="module")
def complaints():
    """A number that tells nothing, and a text with a telling word in most rare rows."""
    rng = np.random.default_rng(0)
    y = (rng.random(600) < 0.15).astype(int)
    notes = []
    for tells in rng.random(600) < np.where(y == 1, 0.9, 0.05):
        words = [*rng.choice(COMMON, 8), *([rng.choice(TELLING)] if tells else [])]
        notes.append(" ".join(rng.permutation(words)))
    X = pd.DataFrame({"number": rng.normal(size=600), "note": notes})
    X.loc[::10, "note"] = None
    return X, y


def logistic():
    return table_pipeline(LogisticRegression(max_iter=1000))


@pytest.mark.parametrize("kind", ["table", "raw"])
def test_free_texts_are_used(complaints, quick, kind):
    X, y = complaints
    model = logistic() if kind == "table" else raw_pipeline(X, quick(max_epochs=15))
    proba = cross_val_predict(model, X, y, cv=3, method="predict_proba")[:, 1]
    assert average_precision_score(y, proba) > 2.5 * y.mean()


def test_texts_are_what_they_were_in_training(complaints):
    """A row alone, in which no column could be recognized as free text."""
    X, y = complaints
    model = logistic().fit(X, y)
    whole = model.predict_proba(X)
    for row in (0, 13):  # the first has no text
        alone = X.iloc[[row]].astype({"note": object})
        assert_allclose(model.predict_proba(alone)[0], whole[row], rtol=1e-9)


def test_only_free_texts_are_encoded_as_such(complaints):
    X, y = complaints
    X = X.assign(city=np.where(y + X["number"] > 1, "Rome", "Oslo"))
    model = logistic().fit(X, y)
    used = {name: columns for name, _, columns in model[0].transformers_}
    assert used["numbers"] == [0] and used["texts"] == [1] and used["categories"] == [2]
    without = logistic().fit(X[["number", "city"]], y)
    assert without[0].transform(X).shape[1] == model[0].transform(X).shape[1] - 30


def test_a_saved_contender_reads_texts_as_before(complaints, tmp_path):
    pytest.importorskip("skops")
    X, y = complaints
    facts = ModelFacts("it", "y", 1, False, [])
    models = default_contenders(X, random_state=0)
    for name in ("logistic regression", "histogram boosting"):
        model = models[name].fit(X, y)
        save_model(tmp_path / "it.skops", model, {}, facts)
        again = load_model(tmp_path / "it.skops").model
        assert (again.predict_proba(X) == model.predict_proba(X)).all()


def test_lightgbm_takes_the_threads_that_it_may():
    """Of OpenMP, which joblib tells how many there are for each of its processes."""
    pytest.importorskip("lightgbm")
    X = np.zeros((3, 2))
    assert default_contenders(X)["LightGBM"][-1].n_jobs == 0
    assert tuned_contenders(X)["LightGBM (tuned)"][-1].trees.n_jobs == 0


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_dates_of_any_year_become_numbers(unit):
    texts = ["2024-02-29T13:30", "1969-12-31T23:59", "NaT", "9999-12-31"]
    dates = np.array(texts[: 3 if unit == "ns" else 4], dtype=f"datetime64[{unit}]")
    X = pd.DataFrame({"opened": dates, "number": np.arange(len(dates))})
    model = table_pipeline(DummyClassifier(), impute=False, scale=False)
    made = model.fit(X, np.arange(len(X)) % 2)[0].transform(X)[:, 1:]
    expected = [
        [19782, 2024, 2, 3, 13],
        [-1, 1969, 12, 2, 23],
        [np.nan] * 5,
        [2932896, 9999, 12, 4, 0],
    ]
    assert_array_equal(made, expected[: len(X)])


# ---------------------------------------------------------------------------- CatBoost


@pytest.fixture
def few_trees():
    """CatBoost with few trees; the tests that use it are marked as extras."""
    pytest.importorskip("catboost")
    return CatBoost(random_state=0, options={"iterations": 20})


@pytest.fixture(scope="module")
def mixed():
    """Numbers, categories, flags and dates, most with missing values, 15 % rare."""
    rng, n = np.random.default_rng(0), 300
    X = pd.DataFrame(
        {
            "amount": rng.normal(size=n),
            "city": rng.choice(["Rome", "Oslo", "Bonn"], n).astype(object),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n)),
            "count": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "member": rng.random(n) < 0.5,
            "opened": pd.Timestamp("2021-01-01")
            + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
        }
    )
    score = X["amount"] + 2 * (X["city"] == "Oslo") + X["member"]
    y = np.where(score > score.quantile(0.85), "fraud", "honest")
    for column, step in {"amount": 7, "city": 9, "size": 8, "count": 11}.items():
        X.loc[::step, column] = None
    X.loc[::13, "opened"] = pd.NaT
    return X, y


@pytest.mark.extras
def test_catboost_is_a_contender_where_it_is_installed(mixed):
    pytest.importorskip("catboost")
    made = default_contenders(mixed[0], random_state=3)
    assert isinstance(made["CatBoost"][-1], CatBoost)
    assert "CatBoost" not in default_contenders(mixed[0], quick=True)
    assert isinstance(made["CatBoost"][0], ColumnTransformer)  # for the dates
    tuned = tuned_contenders(mixed[0], 5, random_state=3)["CatBoost (tuned)"]
    assert tuned[-1].trees.random_state == 3


@pytest.mark.extras
def test_catboost_takes_a_table_as_it_is(mixed, few_trees, tmp_path):
    X, y = mixed
    model = raw_pipeline(X, few_trees)
    proba = cross_val_predict(model, X, y, cv=3, method="predict_proba")[:, 0]
    assert average_precision_score(y == "fraud", proba) > 0.5
    model.fit(X, y)
    trees = model[-1]
    names = trees.booster_.feature_names_
    assert [names[i] for i in trees.categories_] == [
        "remainder__city",
        "remainder__size",
    ]
    assert trees.booster_.get_cat_feature_indices() == trees.categories_
    assert set(model.predict(X)) == {"fraud", "honest"}
    again = clone(model).fit(X, y)
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    pytest.importorskip("skops")
    facts = ModelFacts("it", "y", "fraud", False, [])
    save_model(tmp_path / "it.skops", model, {}, facts)
    again = load_model(tmp_path / "it.skops").model
    assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.extras
def test_catboost_reads_a_row_like_the_table(mixed, few_trees):
    """Whatever the dtype of the strings is, and how a missing value is written."""
    X, y = mixed
    X = X.drop(columns="opened")
    trees = few_trees.fit(X, y)
    whole = trees.predict_proba(X)
    for row in (0, 1, 72):  # two with missing values
        assert_allclose(trees.predict_proba(X.iloc[[row]])[0], whole[row])
    for dtype in ("string", "category", object):
        cast = X.astype({"city": dtype, "size": dtype, "count": float})
        assert_array_equal(trees.predict_proba(cast), whole)
        assert_array_equal(clone(trees).fit(cast, y).predict_proba(X), whole)
    for missing in (None, np.nan, pd.NA):
        city = X["city"].where(X["city"].notna(), missing)
        assert_array_equal(trees.predict_proba(X.assign(city=city)), whole)
    # A missing category is a category, and an unseen one is none of the known ones.
    by_city = [
        trees.predict_proba(X.assign(city=[city] * len(X)))[:, 0].mean()
        for city in ("Oslo", "Rome", None, "Paris")
    ]
    assert by_city[0] > max(by_city[1:]) and np.isfinite(by_city).all()


@pytest.mark.extras
def test_catboost_takes_labels_and_weights_of_any_kind(mixed, few_trees):
    X, y = mixed
    X = X[["amount"]].to_numpy()
    proba = few_trees.fit(X, y).predict_proba(X)[:, 0]
    for labels in (y == "fraud", (y == "fraud").astype(float)):
        other = clone(few_trees).fit(X, labels)
        assert_allclose(other.predict_proba(X)[:, 1], proba, atol=1e-6)
        assert set(other.predict(X)) <= set(labels)
    three = np.where(X[:, 0] > 1, "much", y)
    assert clone(few_trees).fit(X, three).predict_proba(X).shape == (300, 3)
    heavy = clone(few_trees).fit(X, y, np.where(y == "fraud", 9.0, 1.0))
    assert heavy.predict_proba(X)[:, 0].mean() > proba.mean() + 0.1


@pytest.mark.extras
def test_catboost_is_quiet(mixed, few_trees, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    X, y = mixed
    few_trees.fit(X[["amount", "city"]], y).predict(X[["amount", "city"]])
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


@pytest.mark.extras
def test_catboost_is_compared_and_tuned(mixed, few_trees, monkeypatch):
    space = {**_SPACES["CatBoost"], "iterations": [10, 20]}
    monkeypatch.setitem(_SPACES, "CatBoost", space)
    X, y = mixed
    options = {"cv": 2, "random_state": 0, "verbose": 0}
    contenders = {"CatBoost": raw_pipeline(X, few_trees)}
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    monkeypatch.setattr(
        "skadaptive.contenders._installed_trees", lambda seed: {"CatBoost": few_trees}
    )
    found = compare(
        X, y, contenders=contenders, tuned=4, sample_weight=weight, **options
    )
    assert not found.failures_ and not found.warnings_
    assert set(found.table.index) == {"CatBoost", "CatBoost (tuned)"}
    assert (found.table["mean_average_precision"] > 2 * (y == "fraud").mean()).all()
    tuned = tuned_contenders(X, 30, random_state=0)["CatBoost (tuned)"]
    for setting in tuned[-1]._settings(0)[1:]:
        for value in setting["options"][0].values():
            assert type(value) in (int, float), value


@pytest.mark.extras
def test_catboost_uses_the_threads_that_it_may(mixed, few_trees, monkeypatch):
    monkeypatch.setattr("skadaptive.contenders.effective_n_threads", lambda: 3)
    X, y = mixed
    trees = few_trees.fit(X[["amount"]], y)
    assert trees.booster_.get_param("thread_count") == 3


def test_texts_among_dates_are_iso_8601_or_refused():
    """No format of the training is known here, and pandas would guess one."""
    X = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=60)})
    model = logistic().fit(X, X["day"].dt.day > 20)
    expected = model.predict_proba(X)
    assert_array_equal(
        model.predict_proba(X.assign(day=X["day"].astype(str))), expected
    )
    assert_array_equal(model.predict_proba(X.astype(object)), expected)
    in_zone = X["day"].dt.tz_localize("UTC")
    assert_array_equal(model.predict_proba(X.assign(day=in_zone)), expected)
    for text in ("01/02/2024", "1.2.2024"):
        with pytest.raises(
            ValueError, match=r"Column day held dates .*pd\.to_datetime"
        ):
            model.predict_proba(X.assign(day=text))
