"""Evaluations and comparisons of generated rows, against scikit-learn."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from bounded import bounded
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier

from skadaptive import compare, evaluate
from skadaptive._assessment.measures import MEASURES, bootstrap_measures

pytestmark = pytest.mark.slow

LABELS = [(0, 1), (False, True), ("legit", "fraud"), (-1.0, 1.0), (7, 3)]


class ByColumn(ClassifierMixin, BaseEstimator):
    """The score of the second class is the only column of X.

    Parameters
    ----------
    threshold : float
        Score above which the second class is predicted.
    """

    def __init__(self, threshold=0.5):
        self.threshold = threshold

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(X[:, 0] > self.threshold).astype(int)]


class OfProbabilities(ByColumn):
    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])


class OfScores(ByColumn):
    def decision_function(self, X):
        return X[:, 0]


@st.composite
def scored(draw):
    """A classifier, scores, labels and weights, of both classes or of one."""
    size = draw(st.integers(1, 50))
    names = np.sort(np.array(draw(st.sampled_from(LABELS))))
    share = draw(st.sampled_from([0.5, 0.1, 0.0, 1.0]))
    kind = draw(st.sampled_from(["any", "ties", "constant", "ends", "tiny"]))
    weights = draw(st.sampled_from([None, "ones", "any", "zeros", "integers"]))
    unit = 2.0 ** draw(st.sampled_from([0, 0, -600, 600]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    second = (rng.random(size) < share).astype(int)
    scores = {
        "any": rng.random(size),
        "ties": rng.integers(0, 4, size) / 4,
        "constant": np.full(size, 0.3),
        "ends": rng.integers(0, 2, size).astype(float),
        "tiny": 10.0 ** rng.uniform(-320, -1, size),
    }[kind]
    weight = {
        None: None,
        "ones": np.ones(size),
        "any": rng.uniform(0.1, 3, size),
        "zeros": rng.integers(0, 2, size).astype(float),
        "integers": rng.integers(0, 4, size),
    }[weights]
    if weight is not None and not weight.any():
        weight[0] = 1
    make = draw(st.sampled_from([OfProbabilities, OfScores]))
    model = make(draw(st.sampled_from([0.5, 0.25, 0.9]))).fit(None, names)
    return model, scores[:, None], names[second], weight, unit


def by_scikit_learn(rare, scores, labels, weight, is_probability=True):
    """Every measure that is defined, by the metric of scikit-learn; NaN elsewhere."""
    keywords = {"sample_weight": weight}
    values = dict.fromkeys(MEASURES, np.nan)
    if rare.any() and not rare.all():
        values["average_precision"] = metrics.average_precision_score(
            rare, scores, **keywords
        )
        values["roc_auc"] = metrics.roc_auc_score(rare, scores, **keywords)
    if is_probability:
        values["brier_score"] = np.average((scores - rare) ** 2, weights=weight)
    if rare.any():
        for name in ("f1", "precision", "recall"):
            function = getattr(metrics, f"{name}_score")
            values[name] = function(rare, labels, **keywords, zero_division=0)
    values["accuracy"] = metrics.accuracy_score(rare, labels, **keywords)
    return values


@bounded(60)
@given(scored(), st.sampled_from([None, 0, 1]), st.sampled_from([0.5, 0.95, 0.999]))
def test_evaluations_are_those_of_scikit_learn(case, positive, level):
    model, X, y, weight, unit = case
    label = None if positive is None else model.classes_[positive]
    given = None if weight is None else weight * unit
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = evaluate(
            model,
            X,
            y,
            sample_weight=given,
            pos_label=label,
            n_bootstraps=20,
            confidence_level=level,
            random_state=0,
        )
    assert label is None or result.pos_label_ == label
    kept = np.ones(len(y), bool) if weight is None else weight > 0
    used = None if weight is None else weight[kept]
    rare = y[kept] == result.pos_label_
    is_probability = isinstance(model, OfProbabilities)
    scores = X[kept, 0]
    if result.pos_label_ == model.classes_[0]:
        scores = 1 - scores if is_probability else -scores
    labels = model.predict(X[kept]) == result.pos_label_
    expected = by_scikit_learn(rare, scores, labels, used, is_probability)
    table = result.table
    assert_allclose(table["value"], list(expected.values()), rtol=1e-7, atol=1e-12)
    # What is not defined is said by name, and nothing else.
    undefined = [name for name, value in expected.items() if np.isnan(value)]
    said = [str(w.message) for w in caught]
    assert all(w.category is UndefinedMetricWarning for w in caught)
    assert len(said) == bool(undefined)
    assert all(name in said[0] for name in undefined)
    assert_array_equal(table["low"].isna(), table["value"].isna())
    sound = table.dropna()
    assert (sound["low"] <= sound["high"]).all()
    assert (sound[["low", "high"]] >= 0).all(axis=None)
    assert (sound[["low", "high"]] <= 1 + 1e-12).all(axis=None)
    matrix = metrics.confusion_matrix(
        y[kept],
        model.predict(X[kept]),
        labels=model.classes_,
        sample_weight=used,
    )
    cells = result.confusion_matrix_
    factor = 1.0 if weight is None else unit
    assert_allclose(cells["value"], matrix.ravel() * factor, rtol=1e-9)
    assert (cells["low"] <= cells["high"]).all()
    # A resample draws as many rows of each class as there are.
    if weight is None:
        of_true = cells["high"].groupby(level="true", sort=False).max()
        assert (of_true <= pd.Series(matrix.sum(axis=1), model.classes_)).all()
    assert "resamples" in repr(result)


@bounded(40)
@given(scored())
def test_measures_of_a_resample_are_those_of_its_rows(case):
    """The bootstrap counts, where scikit-learn would take the rows."""
    model, X, y, weight, unit = case
    rare = (y == model.classes_[1]).astype(int)
    labels = (X[:, 0] > model.threshold).astype(int)
    weight = np.ones(len(y)) if weight is None else np.maximum(weight, 0.5)
    values, cells = bootstrap_measures(
        rare, X[:, 0], labels, weight * unit, 3, np.random.default_rng(7)
    )
    rng = np.random.default_rng(7)
    order = np.lexsort((X[:, 0], rare))
    for row, confusion in zip(values, cells, strict=True):
        drawn = np.concatenate(
            [
                rows[rng.integers(len(rows), size=len(rows), dtype=np.int32)]
                for rows in (order[rare[order] == c] for c in (0, 1))
                if len(rows)
            ]
        )
        expected = by_scikit_learn(
            rare[drawn] == 1, X[drawn, 0], labels[drawn], weight[drawn]
        )
        assert_allclose(row, list(expected.values()), rtol=1e-7, atol=1e-12)
        assert_allclose(confusion.sum(), (weight[drawn] * unit).sum(), rtol=1e-9)


# ----------------------------------------------------------------------- comparisons

CONTENDERS = {
    "logistic": LogisticRegression(),
    "logistic again": LogisticRegression(),
    "tree": DecisionTreeClassifier(max_depth=2, random_state=0),
    "bayes": GaussianNB(),
    "always": DummyClassifier(),
}
SPLITTERS = [2, 4, StratifiedKFold(3), TimeSeriesSplit(2)]
SPLITTERS += [StratifiedShuffleSplit(1, test_size=0.5, random_state=0)]
SCORINGS = ["average_precision", "roc_auc", "brier_score", "f1", "neg_log_loss"]


@st.composite
def comparisons(draw):
    """Rows of two classes, and parameters of ``compare``."""
    size = draw(st.integers(30, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    second = rng.permutation(np.arange(size) < draw(st.sampled_from([6, 12])))
    names = np.sort(np.array(draw(st.sampled_from(LABELS))))
    if draw(st.booleans()):
        second = ~second
    strength = draw(st.sampled_from([0.0, 0.5, 3.0]))
    X = rng.normal(size=(size, 3)) + strength * second[:, None]
    X = np.round(X, draw(st.sampled_from([0, 1, 9])))
    weights = draw(st.sampled_from([None, "any", "zeros"]))
    weight = None
    if weights:
        weight = rng.uniform(0.5, 2, size)
        weight[rng.random(size) < 0.1] = 0 if weights == "zeros" else 1
    chosen = draw(st.lists(st.sampled_from(list(CONTENDERS)), min_size=1, unique=True))
    return (X, names[second.astype(int)]), {
        "contenders": {name: CONTENDERS[name] for name in chosen},
        "scoring": draw(st.sampled_from(SCORINGS)),
        "cv": draw(st.sampled_from(SPLITTERS)),
        "sample_weight": weight,
        "pos_label": draw(st.sampled_from([None, *names.tolist()])),
        "random_state": draw(st.integers(0, 99)),
    }


@bounded(12)
@given(comparisons())
def test_comparisons_are_those_of_scikit_learn_on_the_same_rows(case):
    (X, y), given = case
    try:
        result = compare(X, y, **given, verbose=0)
    except ValueError as error:
        assert re.search(r"needs rows of both classes|cannot split", str(error))
        return
    rare = (y == result.pos_label_).astype(int)
    weight = given["sample_weight"]
    folds, column = result.folds_, given["scoring"]
    assert set(folds["contender"]) | set(result.failures_) == set(given["contenders"])
    for (name, fold), row in folds.set_index(["contender", "fold"]).iterrows():
        test = result.test_folds_[fold]
        proba = result.out_of_fold_[name].to_numpy()[test]
        used = None if weight is None else weight[test]
        labels = (proba > row["threshold"]).astype(int)
        expected = by_scikit_learn(rare[test] == 1, proba, labels, used)
        for measure, value in expected.items():
            assert_allclose(row[measure], value, atol=1e-9, err_msg=f"{name} {measure}")
        at_half = by_scikit_learn(rare[test] == 1, proba, proba > 0.5, used)
        for measure in ("f1", "precision", "recall", "accuracy"):
            assert_allclose(row[f"{measure}_at_0.5"], at_half[measure], atol=1e-9)
        cells = metrics.confusion_matrix(
            rare[test], labels, labels=[0, 1], sample_weight=used
        )
        assert_allclose(row[["tn", "fp", "fn", "tp"]].astype(float), cells.ravel())
        if column == "neg_log_loss":
            loss = metrics.log_loss(rare[test], proba, sample_weight=used)
            assert_allclose(row[column], -loss, atol=1e-9)
    _check_summaries(result, folds, column)


def _check_summaries(result, folds, column):
    """Means, ranks, tests and intervals, from the figures of the folds."""
    table, names = result.table, list(result.table.index)
    scores = folds.pivot(index="fold", columns="contender", values=column)[names]
    assert_allclose(table[f"mean_{column}"], scores.mean(), rtol=1e-12)
    assert_allclose(table[f"std_{column}"], scores.std(ddof=0), atol=1e-12)
    assert not table.isna().any(axis=None)
    sign = -1.0 if column == "brier_score" else 1.0
    assert (np.diff(sign * table[f"mean_{column}"]) <= 0).all()
    ranks = stats.rankdata(-sign * scores, axis=1).mean(axis=0)
    assert_allclose(table["mean_rank"], ranks)
    ratio = (folds["n_test"] / folds["n_train"]).mean()
    n_folds = len(scores)
    is_said = any("One fold cannot" in line for line in result.summary())
    assert is_said == (n_folds == 1)
    if n_folds == 1:
        assert result.intervals()[["low", "high"]].isna().all(axis=None)
        assert result.tests_["p_holm"].isna().all()
        assert (result.tests_["verdict"] == "could be luck").all()
        return
    factor = np.sqrt(1 / n_folds + ratio)
    for level in (0.5, 0.95):
        intervals = result.intervals(confidence_level=level)
        assert (intervals["low"] <= intervals["mean"]).all()
        assert (intervals["mean"] <= intervals["high"]).all()
        half = stats.t.ppf((1 + level) / 2, n_folds - 1) * scores.std(ddof=1) * factor
        low = scores.mean() - half
        expected = low if column == "neg_log_loss" else low.clip(0, 1)
        assert_allclose(intervals["low"], expected, atol=1e-12)
    tests = result.tests_
    assert list(tests.index) == names[1:]
    for name in names[1:]:
        apart = scores[names[0]] - scores[name]
        assert_allclose(tests.loc[name, "difference"], apart.mean(), atol=1e-12)
        error = apart.std(ddof=1) * factor
        if error > 1e-12:
            t = abs(apart.mean()) / error
            assert_allclose(tests.loc[name, "p_value"], 2 * stats.t.sf(t, n_folds - 1))
    assert (tests["low"] <= tests["difference"]).all()
    assert (tests["difference"] <= tests["high"]).all()
    assert (tests["p_holm"] >= tests["p_value"]).all() and (tests["p_holm"] <= 1).all()
    assert (tests["verdict"] != "ahead")[tests["p_holm"] >= 0.05].all()
    assert column.split("_")[0] in repr(result).lower() or result.summary()
