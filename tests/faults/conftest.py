"""A model file and rows for it."""

import pandas as pd
import pytest
from breaking import save
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from skadaptive.contenders import table_pipeline


@pytest.fixture(scope="package")
def rows():
    """150 rows, 20 % rare."""
    X, y = make_classification(
        150, 4, n_informative=3, n_redundant=0, weights=[0.8], random_state=0
    )
    return pd.DataFrame(X, columns=list("abcd")).assign(target=y)


@pytest.fixture
def folder(rows, tmp_path, monkeypatch):
    """The folder that a command runs in: ``rows.csv`` and ``it.model``."""
    X, y = rows.drop(columns="target"), rows["target"]
    model = table_pipeline(LogisticRegression()).fit(X, y)
    rows.to_csv(tmp_path / "rows.csv", index=False)
    save(model, tmp_path / "it.model")
    monkeypatch.chdir(tmp_path)
    return tmp_path
