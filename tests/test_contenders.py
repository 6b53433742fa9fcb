"""The preparation of a table in the default contenders."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import cross_val_predict

from skadaptive._saving.model_files import ModelFacts, load_model, save_model
from skadaptive.contenders import default_contenders, raw_pipeline, table_pipeline

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
