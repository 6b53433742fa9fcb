"""A table, a model that was trained on it and saved, and streams of later rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skadaptive._io.columns import Notes, ReadingOptions, infer_column
from skadaptive._saving.model_files import ModelFacts, save_model
from skadaptive._saving.reference import OutOfFold, reference_distributions
from skadaptive.comparison import compare
from skadaptive.contenders import table_pipeline

N_PERIODS = 4


def draw(rng, n_rows, share=0.1):
    """Rows whose features depend on the class alone, and labels."""
    y = (rng.random(n_rows) < share).astype(int)
    X = pd.DataFrame(
        {
            "strong": rng.normal(1.8 * y),
            "weak": rng.normal(0.5 * y),
            "gap": np.where(rng.random(n_rows) < 0.1, np.nan, rng.normal(size=n_rows)),
            "city": rng.choice(["Rome", "Oslo", "Bern"], n_rows, p=[0.5, 0.3, 0.2]),
        }
    )
    return X, y


def with_season(X, phase):
    """The same rows, of which "strong" varies over a year from 0 to 1."""
    return X.assign(strong=X["strong"] + 0.8 * np.sin(2 * np.pi * phase))


def compared_on(X, y):
    contenders = {"logistic": table_pipeline(LogisticRegression())}
    return compare(X, y, contenders=contenders, random_state=0, verbose=0)


@pytest.fixture(scope="session")
def compared():
    return compared_on(*draw(np.random.default_rng(100), 4000))


@pytest.fixture(scope="session")
def model_file(compared, tmp_path_factory):
    """What ``compare --save`` writes."""
    return write(compared, tmp_path_factory.mktemp("monitoring") / "later.model")


@pytest.fixture(scope="session")
def seasonal_model_file(tmp_path_factory):
    """A model that was trained on a whole year."""
    X, y = draw(np.random.default_rng(100), 4000)
    X = with_season(X, np.arange(len(X)) / len(X))
    path = tmp_path_factory.mktemp("monitoring") / "seasonal.model"
    return write(compared_on(X, y), path)


@pytest.fixture(scope="session")
def dated_model_file(tmp_path_factory):
    """A model with the day of a row as a feature, in 2023."""
    X, y = draw(np.random.default_rng(100), 2000)
    X = X.assign(day=pd.date_range("2023-01-01", periods=len(X), freq="4h"))
    path = tmp_path_factory.mktemp("monitoring") / "dated.model"
    return write(compared_on(X, y), path)


def write(compared, path):
    X = compared._data.X
    known = OutOfFold.of_contender(compared, compared.best_name_)
    formats = {
        name: infer_column(X[name], name, ReadingOptions(), Notes())[1] for name in X
    }
    save_model(
        path,
        compared.best_,
        formats,
        ModelFacts("logistic", "y", 1, False, []),
        out_of_fold=known,
        reference=reference_distributions(X, known),
    )
    return path


@pytest.fixture(scope="session")
def later():
    """A function of a seed and of the share of rare rows in each period.

    It returns features, labels and the period of each row.
    """

    def make(seed, shares=(0.1,) * N_PERIODS, n_rows=1500):
        rng = np.random.default_rng([seed, 7])
        period = np.repeat(np.arange(1, len(shares) + 1), n_rows)
        X, y = draw(rng, len(period), np.repeat(shares, n_rows))
        return X, y, period

    return make


@pytest.fixture(scope="session")
def a_year(later):
    """Eight periods of later rows, over which "strong" varies, as ``later``."""

    def make(seed, shares=(0.1,) * 8):
        X, y, period = later(seed, shares)
        return with_season(X, (period - 0.5) / 8), y, period

    return make
