"""The embedded data and the fetcher."""

from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import sklearn.datasets
from numpy.testing import assert_array_equal

from skadaptive.datasets import fetch_credit_card_fraud, load_rare

SHAPES = {"breast_cancer": (387, 30, 30), "digits": (1683, 64, 60)}


@pytest.mark.parametrize("name", SHAPES)
def test_shape_and_prevalence(name):
    n_rows, n_features, n_rare = SHAPES[name]
    bunch = load_rare(name)
    assert bunch.data.shape == (n_rows, n_features)
    assert_array_equal(np.bincount(bunch.target), [n_rows - n_rare, n_rare])
    assert len(bunch.feature_names) == n_features
    assert len(bunch.target_names) == 2
    assert str(n_rare) in bunch.DESCR


@pytest.mark.parametrize("name", SHAPES)
def test_same_rows_in_every_form_and_call(name):
    bunch, frame = load_rare(name), load_rare(name, as_frame=True)
    X, y = load_rare(name, return_X_y=True)
    assert_array_equal(X, bunch.data)
    assert_array_equal(y, bunch.target)
    assert isinstance(frame.data, pd.DataFrame) and isinstance(frame.target, pd.Series)
    assert_array_equal(frame.data.to_numpy(), X)
    assert_array_equal(frame.target.to_numpy(), y)
    assert list(frame.frame) == [*bunch.feature_names, "target"]
    assert list(frame.data.index) == list(range(len(y)))


def test_rows_are_those_of_the_source():
    source = sklearn.datasets.load_breast_cancer()
    X, y = load_rare("breast_cancer", return_X_y=True)
    label = {
        row.tobytes(): t for row, t in zip(source.data, source.target, strict=True)
    }
    # Malignant is 0 in scikit-learn, and the rare class here.
    assert_array_equal(y, [1 - label[row.tobytes()] for row in X])


def test_rows_are_in_random_order():
    _, y = load_rare("digits", return_X_y=True)
    assert 0 < y[:800].sum() < 60


def test_unknown_name():
    with pytest.raises(ValueError, match=r"one of \['breast_cancer', 'digits'\]"):
        load_rare("iris")


@pytest.fixture
def kaggle_csv(tmp_path):
    rng = np.random.default_rng(0)
    columns = ["Time", *(f"V{i}" for i in range(1, 29)), "Amount"]
    frame = pd.DataFrame(rng.normal(size=(20, 30)), columns=columns)
    frame["Class"] = (np.arange(20) == 7).astype(int)
    frame.to_csv(tmp_path / "creditcard.csv", index=False)
    return tmp_path / "creditcard.csv"


def test_fraud_from_a_file(kaggle_csv):
    bunch = fetch_credit_card_fraud(path=kaggle_csv)
    assert bunch.data.shape == (20, 29)
    assert bunch.target.sum() == 1
    X, y = fetch_credit_card_fraud(path=kaggle_csv, return_X_y=True, as_frame=True)
    assert list(X) == bunch.feature_names
    assert_array_equal(X.to_numpy(), bunch.data)
    assert_array_equal(y.to_numpy(), bunch.target)


def test_fraud_from_a_wrong_file(kaggle_csv):
    pd.read_csv(kaggle_csv).drop(columns="V7").to_csv(kaggle_csv, index=False)
    with pytest.raises(ValueError, match="there is no column V7"):
        fetch_credit_card_fraud(path=kaggle_csv)
    with pytest.raises(FileNotFoundError):
        fetch_credit_card_fraud(path=kaggle_csv.parent / "nothing.csv")


def test_fraud_off_line(monkeypatch):
    def off_line(**_):
        raise URLError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", off_line)
    with pytest.raises(OSError, match="could not be downloaded.*pass path="):
        fetch_credit_card_fraud()


def test_fraud_from_openml(monkeypatch, kaggle_csv):
    frame = pd.read_csv(kaggle_csv).drop(columns="Time")
    frame["Class"] = pd.Categorical(frame["Class"].astype(str))
    seen = {}

    def fetch_openml(**arguments):
        seen.update(arguments)
        return sklearn.utils.Bunch(frame=frame)

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch_openml)
    bunch = fetch_credit_card_fraud(data_home="somewhere")
    assert seen["data_id"] == 1597 and seen["data_home"] == "somewhere"
    assert_array_equal(bunch.data, fetch_credit_card_fraud(path=kaggle_csv).data)
    assert bunch.target.sum() == 1
