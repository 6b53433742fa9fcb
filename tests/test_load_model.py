"""Models from files, for use in Python."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from skadaptive._io.columns import ColumnFormat
from skadaptive._saving import model_files
from skadaptive.contenders import raw_pipeline, table_pipeline
from skadaptive.model_files import load_model

DATA = Path(__file__).parent / "data"


def test_the_model_of_a_file_predicts_from_frames():
    path = DATA / "skadaptive-0.1.0-scikit-learn-1.9.1.model"
    model, saved = load_model(path), model_files.load_model(path)
    assert list(model.feature_names_in_) == list(saved.columns)
    assert model.classes_.tolist() == ["no", "yes"]
    rows = pd.read_csv(DATA / "new_rows.csv", parse_dates=["opened"])
    rows = rows[list(model.feature_names_in_)]
    assert_array_equal(model.predict_proba(rows), saved.model.predict_proba(rows))


def test_another_file_is_refused():
    with pytest.raises(ValueError, match="is not a model file"):
        load_model(DATA / "new_rows.csv")


GERMAN = ColumnFormat("date", date_format="%d.%m.%Y %H:%M")


def _saved_with_german_dates(path, kind):
    """A model that depends on the day, as if its training had German dates."""
    if kind == "plain":
        saved = model_files.load_model(
            DATA / "skadaptive-0.1.0-scikit-learn-1.9.1.model"
        )
        model, columns, facts = saved.model, dict(saved.columns), saved.facts
        rows = pd.read_csv(DATA / "new_rows.csv", parse_dates=["opened"])
        rows = rows[list(columns)].iloc[[1]]
    else:
        pytest.importorskip("skops")
        rows = pd.DataFrame({"opened": pd.date_range("2024-01-01", periods=60)})
        y = np.where(rows["opened"].dt.day > 20, "yes", "no")
        model = table_pipeline(LogisticRegression()).fit(rows, y)
        columns = {}
        facts = model_files.ModelFacts("logistic regression", "y", "yes", False, [])
    columns["opened"] = GERMAN
    model_files.save_model(path, model, columns, facts)
    return rows.iloc[[0]]


@pytest.mark.parametrize("kind", ["plain", "skops"])
def test_texts_of_dates_are_read_in_the_format_of_the_training(tmp_path, kind):
    row = _saved_with_german_dates(tmp_path / "dates.model", kind)
    model = load_model(tmp_path / "dates.model")
    days = pd.date_range("2021-01-01 06:30", "2022-12-31", freq="D")
    dates = pd.concat([row] * len(days), ignore_index=True).assign(opened=days)
    expected = model.predict_proba(dates)
    assert len(np.unique(expected[:, 1])) > 100
    texts = dates.assign(opened=days.strftime("%d.%m.%Y %H:%M"))
    assert_array_equal(model.predict_proba(texts), expected)
    # Of these alone, pandas would take the day for the month.
    early = days.day <= 12
    assert_array_equal(model.predict_proba(texts[early]), expected[early])


@pytest.mark.parametrize("kind", ["plain", "skops"])
@pytest.mark.parametrize(
    "opened", ["01/02/2024", "2024-02-01", "01.13.2024 00:00", "soon", 20240201]
)
def test_dates_of_another_format_are_refused_by_name(tmp_path, kind, opened):
    row = _saved_with_german_dates(tmp_path / "dates.model", kind)
    model = load_model(tmp_path / "dates.model")
    with pytest.raises(ValueError) as caught:
        model.predict_proba(row.assign(opened=opened))
    for text in ("Column opened", GERMAN.date_format, "pd.to_datetime", str(opened)):
        assert text in str(caught.value)


@pytest.mark.parametrize("kind", ["plain", "skops"])
@pytest.mark.parametrize("missing", [None, np.nan, pd.NaT, "", "n/a"])
def test_missing_dates_of_any_kind_are_missing(tmp_path, kind, missing):
    row = _saved_with_german_dates(tmp_path / "dates.model", kind)
    model = load_model(tmp_path / "dates.model")
    expected = model.predict_proba(row.assign(opened=pd.NaT))
    assert_array_equal(model.predict_proba(row.assign(opened=missing)), expected)


@pytest.mark.parametrize("kind", ["plain", "skops"])
def test_texts_among_numbers_are_refused_by_name_and_row(tmp_path, kind, quick):
    """As pandas reads decimal commas, unless it is told of them."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"amount": rng.normal(9, 3, 60), "other": rng.normal(size=60)})
    rows["opened"] = pd.date_range("2024-01-01", periods=60)
    y = np.where(rows["amount"] > 11, "yes", "no")
    if kind == "plain":
        model = raw_pipeline(rows, quick(max_epochs=1))
    else:
        pytest.importorskip("skops")
        model = table_pipeline(LogisticRegression())
    facts = model_files.ModelFacts("it", "y", "yes", False, [])
    columns = {name: ColumnFormat("number") for name in ("amount", "other")}
    columns["opened"] = ColumnFormat("date")
    path = tmp_path / "numbers.model"
    model_files.save_model(path, model.fit(rows, y), columns, facts)
    loaded = load_model(path)
    assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))
    amounts = [None, *rows["amount"].iloc[1:].map("{:.2f}".format)]
    points = rows.assign(amount=amounts)
    assert np.isfinite(loaded.predict_proba(points)).all()
    commas = points.assign(amount=points["amount"].str.replace(".", ","))
    with pytest.raises(ValueError) as caught:
        loaded.predict_proba(commas)
    for text in ("Column 'amount'", commas["amount"][1], "row 2,", "decimal=','"):
        assert text in str(caught.value)
