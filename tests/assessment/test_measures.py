"""The measures of predictions, and their bootstrap."""

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin

from skadaptive import evaluate
from skadaptive._assessment.measures import (
    COLUMNS,
    LABEL_MEASURES,
    MEASURES,
    PROBABILITY_MEASURES,
    _Counts,
    bootstrap_measures,
    intervals_without_spread,
    is_loss,
    measure_title,
)
from skadaptive._assessment.statistics import least_share_of_all
from skadaptive.evaluation import measures

NAMES = ["average_precision", "roc_auc", "brier_score"]
NAMES += ["f1", "precision", "recall", "accuracy"]


@pytest.fixture
def predictions(rng):
    """y, probabilities with ties, labels; 15 % rare."""
    y = (np.arange(240) < 36).astype(int)
    # None of them at 0.5, where a class and its opposite would both be denied.
    proba = np.floor(np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 0.99) * 50) / 50 + 0.01
    return y, proba, (proba > 0.5).astype(int)


class Told(ClassifierMixin, BaseEstimator):
    """Answers with probabilities that come as its only feature."""

    def __init__(self, threshold=0.5):
        self.threshold = threshold

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.hstack([1 - X, X])

    def predict(self, X):
        return self.classes_[(X[:, 0] > self.threshold).astype(int)]


def told(y, proba, labels=None, **keywords):
    """Evaluation of given probabilities of the second class."""
    X = np.asarray(proba, dtype=float)[:, None]
    model = Told().fit(None, labels if labels is not None else y)
    return evaluate(model, X, y, **{"n_bootstraps": 50, "random_state": 0, **keywords})


# --------------------------------------------------------------------------- measures


def test_measures_are_those_of_scikit_learn(predictions, rng):
    y, proba, labels = predictions
    w = rng.uniform(0, 3, len(y))
    assert measures(y, proba, labels, w) == pytest.approx(
        {
            "average_precision": metrics.average_precision_score(
                y, proba, sample_weight=w
            ),
            "roc_auc": metrics.roc_auc_score(y, proba, sample_weight=w),
            "brier_score": np.average((proba - y) ** 2, weights=w),
            "f1": metrics.f1_score(y, labels, sample_weight=w),
            "precision": metrics.precision_score(y, labels, sample_weight=w),
            "recall": metrics.recall_score(y, labels, sample_weight=w),
            "accuracy": metrics.accuracy_score(y, labels, sample_weight=w),
        }
    )
    assert list(measures(y, proba, labels)) == NAMES


def test_one_table_names_the_measures():
    assert list(MEASURES) == [*PROBABILITY_MEASURES, *LABEL_MEASURES] == NAMES
    assert [name for name in NAMES if is_loss(name)] == ["brier_score"]
    # The columns of a comparison begin with the measures of the rare class.
    order = ["average_precision", "f1", "precision", "recall"]
    assert list(COLUMNS) == [*order, "roc_auc", "brier_score", "accuracy"]
    assert not is_loss("f1_at_0.5")
    assert measure_title("roc_auc") == "ROC AUC"
    assert measure_title("mean_rank") == "mean rank"


def test_weights_are_repeated_rows(predictions, rng):
    y, proba, labels = predictions
    counts = rng.integers(0, 4, len(y))
    repeated = [np.repeat(a, counts) for a in predictions]
    assert measures(*predictions, counts) == pytest.approx(measures(*repeated))
    weighted = told(y, proba, sample_weight=counts)
    again = told(*repeated[:2])
    np.testing.assert_allclose(weighted.table["value"], again.table["value"])
    matrices = [e.confusion_matrix_["value"] for e in (weighted, again)]
    np.testing.assert_allclose(*matrices)


@pytest.mark.parametrize(
    "y, labels, defined",
    [
        ([0, 0, 0], [0, 1, 0], {"brier_score", "accuracy"}),
        ([1, 1, 1], [0, 1, 0], set(NAMES) - {"average_precision", "roc_auc"}),
        ([0, 1, 0], [0, 0, 0], set(NAMES)),
        ([], [], set()),
    ],
)
def test_what_is_undefined_is_nan(y, labels, defined):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measures(y, [0.2, 0.7, 0.1][: len(y)], labels)
    assert {name for name, v in found.items() if not np.isnan(v)} == defined
    if defined == set(NAMES):
        assert found["precision"] == found["f1"] == 0.0


def test_a_row_without_weight_is_absent():
    found = measures([0, 1, 0], [0.2, 0.7, 0.1], [0, 1, 0], [1, 0, 1])
    assert np.isnan(found["recall"]) and found["accuracy"] == 1.0


@pytest.mark.parametrize("scores", [[-1.0, 0.7, 0.1], [0.0, 1.5, 0.1]])
def test_scores_beyond_probabilities_only_rank(scores):
    found = measures([0, 1, 0], scores, [0, 1, 0])
    assert np.isnan(found.pop("brier_score"))
    assert set(found.values()) == {1.0}


# -------------------------------------------------------------------------- intervals


def test_counting_is_weighing(predictions, rng):
    """A resample by counting is scikit-learn's metric with the counts as weights."""
    y, proba, at_half = predictions
    weights = np.ones(len(y)), rng.uniform(0.1, 9, len(y))
    # Resamples have the four cells of the matrix, even if nothing is predicted rare.
    for weight, labels in product(weights, (at_half, np.zeros_like(y))):
        fast = _Counts(y, proba, labels)
        for _ in range(5):
            counts = np.bincount(rng.integers(len(y), size=len(y)), minlength=len(y))
            found, confusion = fast(counts * weight)
            expected = measures(y, proba, labels, counts * weight)
            assert found == pytest.approx(expected)
            assert list(found) == list(expected)
            np.testing.assert_allclose(
                confusion.reshape(2, 2),
                metrics.confusion_matrix(y, labels, sample_weight=counts * weight),
            )


def test_shares_of_all_or_nothing_have_exact_intervals():
    y = np.repeat([0, 1], [50, 10])
    least = {n: least_share_of_all(n, 0.95) for n in (10, 50, 60)}
    ones = np.ones(60)
    found, cells = intervals_without_spread(y, y, ones, 0.95)
    assert found["f1"] == pytest.approx((2 * least[10] / (1 + least[10]), 1))
    assert found["precision"] == found["recall"] == (least[10], 1)
    assert found["accuracy"] == (least[60], 1)
    assert cells == {
        0: (50 * least[50], 50),
        1: (0, 50 * (1 - least[50])),
        2: (0, 10 * (1 - least[10])),
        3: (10 * least[10], 10),
    }
    # Some of the rare rows are missed: what is neither all nor nothing is left out.
    found, cells = intervals_without_spread(y, y * (np.arange(60) > 54), ones, 0.95)
    assert found == {"precision": (least_share_of_all(5, 0.95), 1)}
    assert sorted(cells) == [0, 1]
    # A false alarm among rows that are all found.
    found, _ = intervals_without_spread(y, np.maximum(y, np.arange(60) < 1), ones, 0.95)
    assert list(found) == ["recall"]
    # Alarms that are all false: F1 is 0 among the 11 rows that are rare or alarms.
    found, _ = intervals_without_spread(y, (np.arange(60) < 1) * 1, ones, 0.95)
    most = 1 - least_share_of_all(11, 0.95)
    assert found["f1"] == pytest.approx((0, 2 * most / (1 + most)))


def test_resamples_keep_the_number_of_each_class(predictions, rng):
    y = predictions[0]
    mixed = rng.permutation(len(y))
    weight = np.where(y == 1, 1.0, 10.0)
    _, confusion = bootstrap_measures(
        *(a[mixed] for a in (*predictions, weight)), 30, rng
    )
    assert (confusion[:, 2:].sum(axis=1) == 36).all()
    assert (confusion[:, :2].sum(axis=1) == 2040).all()
    assert np.unique(confusion[:, 3]).size > 3


def test_intervals_are_those_of_scipy(predictions, rng):
    """Recall and ROC AUC by scipy's bootstrap, which draws each sample by itself."""
    y, proba, labels = predictions
    n = 3000
    found, _ = bootstrap_measures(y, proba, labels, np.ones(len(y)), n, rng)
    found = pd.DataFrame(found, columns=NAMES)

    def auc(rare, other, axis):
        above = rare[..., :, None] > other[..., None, :]
        tied = rare[..., :, None] == other[..., None, :]
        return (above + tied / 2).mean(axis=(-1, -2))

    keywords = dict(n_resamples=n, method="percentile", rng=rng, batch=200)
    try:
        rare, other = proba[y == 1], proba[y == 0]
        ours = bootstrap((rare, other), auc, vectorized=True, **keywords)
    except TypeError:  # before SciPy 1.15 the seed had another name
        keywords["random_state"] = keywords.pop("rng")
        ours = bootstrap((rare, other), auc, vectorized=True, **keywords)
    recall = bootstrap((labels[y == 1],), np.mean, **keywords)
    for name, theirs in (("roc_auc", ours), ("recall", recall)):
        low, high = np.quantile(found[name], [0.025, 0.975])
        spread = found[name].std()
        # A recall is a multiple of 1/36, and may lie on either side of a quantile.
        near = max(0.25 * spread, 1.01 / 36 if name == "recall" else 0.0)
        interval = theirs.confidence_interval
        assert low == pytest.approx(interval.low, abs=near), name
        assert high == pytest.approx(interval.high, abs=near), name
        assert spread == pytest.approx(theirs.standard_error, rel=0.1), name
