"""Models from files, for use in Python."""

from pathlib import Path

import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skadaptive._saving import model_files
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
