"""Boosted trees tuned on inner folds: which rows and settings they see."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss
from sklearn.model_selection import (
    ParameterSampler,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_score,
)

from skadaptive import compare, contenders
from skadaptive._tuned_trees import _SPACES, TunedTrees, _log_integers
from skadaptive.contenders import XGBoost, tuned_contenders

TUNED = "histogram boosting (tuned)"
CV = StratifiedKFold(3, shuffle=True, random_state=0)


class Watched(HistGradientBoostingClassifier):
    """Small trees that note the first feature and the weights of the rows they get."""

    seen = []  # of the class: clones share it

    def fit(self, X, y, sample_weight=None):
        Watched.seen.append((np.asarray(X)[:, 0], sample_weight))
        return super().fit(X, y, sample_weight)


@pytest.fixture(autouse=True)
def few_trees(monkeypatch):
    Watched.seen = []
    space = _SPACES["HistGradientBoostingClassifier"] | {"max_iter": [5, 10]}
    monkeypatch.setitem(_SPACES, "HistGradientBoostingClassifier", space)
    monkeypatch.setitem(_SPACES, "Watched", space)


def trees(kind=HistGradientBoostingClassifier):
    return kind(max_iter=10, random_state=0)


def tuned(**parameters):
    defaults = {"n_trials": 4, "cv": CV, "random_state": 0}
    return TunedTrees(trees(), **{**defaults, **parameters})


def inner_score(setting, X, y, scoring="average_precision"):
    model = trees().set_params(**setting)
    return cross_val_score(model, X, y, cv=CV, scoring=scoring).mean()


def test_the_best_setting_is_fitted_to_all_rows(binary, global_random_seed):
    X, y = binary
    found = tuned(random_state=global_random_seed).fit(X, y)
    assert_allclose(found.best_score_, inner_score(found.best_params_, X, y))
    # The library's defaults are among the settings.
    assert found.best_score_ >= inner_score({}, X, y)
    again = trees().set_params(**found.best_params_).fit(X, y)
    assert_array_equal(found.predict_proba(X), again.predict_proba(X))
    assert_array_equal(found.predict(X), again.predict(X))
    same = clone(found).fit(X, y)
    assert same.best_params_ == found.best_params_


def test_settings_differ_and_depend_on_the_seed_alone():
    settings = tuned(n_trials=20)._settings(7)
    assert len(settings) == 20 and settings[0] == {}
    assert len({str(setting) for setting in settings}) == 20
    assert tuned(n_trials=20)._settings(7) == settings != tuned()._settings(8)


@pytest.mark.parametrize("kind", _SPACES)
def test_every_setting_that_is_drawn_is_a_plain_number(kind):
    """Positive and finite, and spread over the range; None is a depth without end."""
    drawn = list(ParameterSampler(_SPACES[kind], 60, random_state=0))
    for name in _SPACES[kind]:
        values = [setting[name] for setting in drawn]
        numbers = [value for value in values if value is not None]
        assert len(numbers) == len(values) or name == "max_depth"
        assert np.isfinite(numbers).all() and min(numbers) > 0
        assert len(set(values)) > 1 or name == "subsample_freq"


@pytest.mark.parametrize(("low", "high"), [(1, 400), (5, 5), (8, 64), (100, 1000)])
def test_integers_are_even_on_a_logarithmic_scale(low, high):
    found = _log_integers(low, high)
    assert (found[0], found[-1]) == (low, high) and found == sorted(set(found))
    assert all(type(value) is int for value in found) and len(found) <= 40
    ratios = np.diff(np.log(found))
    many = np.array(found[:-1]) > 10 * 40 / max(np.log(high / low), 1e-9)
    assert np.allclose(ratios[many], np.log(high / low) / 39, rtol=0.1)


@pytest.mark.parametrize("scoring", ["brier_score", "roc_auc", "neg_log_loss", "f1"])
def test_the_score_that_chooses(binary, scoring):
    X, y = binary
    found = tuned(scoring=scoring).fit(X, y)
    name = {"brier_score": "neg_brier_score", "f1": "average_precision"}
    expected = inner_score(found.best_params_, X, y, name.get(scoring, scoring))
    assert_allclose(found.best_score_, expected)


def test_the_rare_class_is_the_positive_one(binary):
    """Whatever its label, unless another one is named."""
    X, y = binary
    found, text = tuned().fit(X, y), np.where(y == 1, "a rare one", "other")
    other = tuned().fit(X, text)
    assert other.classes_.tolist() == ["a rare one", "other"]
    assert other.best_params_ == found.best_params_
    assert_allclose(other.best_score_, found.best_score_)
    assert_allclose(other.predict_proba(X)[:, 0], found.predict_proba(X)[:, 1])
    assert set(other.predict(X)) == set(text)
    assert tuned(pos_label="other").fit(X, text).best_score_ > 0.9 > other.best_score_
    named = tuned(pos_label="other", scoring="brier_score").fit(X, text)
    assert_allclose(
        named.best_score_, tuned(scoring="brier_score").fit(X, y).best_score_
    )


def test_weights_count_in_the_fits(binary):
    X, y = binary[0][:, :2], binary[1]  # weights make the bins of a feature slow
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    by_row = dict(zip(X[:, 0], weight, strict=True))
    TunedTrees(trees(Watched), 2, cv=CV, random_state=0).fit(X, y, weight)
    assert len(Watched.seen) == 2 * 3 + 1
    for rows, weights in Watched.seen:
        assert_array_equal(weights, [by_row[row] for row in rows])


@pytest.mark.parametrize("scoring", ["average_precision", "brier_score"])
def test_weights_count_in_the_scores(binary, scoring):
    pytest.importorskip("sklearn", "1.7")
    X, y = binary[0][:, :2], binary[1]  # weights make the bins of a feature slow
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    found = tuned(n_trials=2, scoring=scoring).fit(X, y, weight)
    scores = []
    for train, test in CV.split(X, y):
        model = trees().set_params(**found.best_params_)
        proba = model.fit(X[train], y[train], weight[train]).predict_proba(X[test])
        of, sign = average_precision_score, 1
        if scoring == "brier_score":
            of, sign = brier_score_loss, -1
        scores.append(sign * of(y[test], proba[:, 1], sample_weight=weight[test]))
    assert_allclose(found.best_score_, np.mean(scores))


def watched_by_compare(monkeypatch, X, y, **options):
    """First features that each fit of a comparison with three trials has seen."""
    monkeypatch.setattr(
        contenders,
        "_installed_trees",
        lambda seed: {"histogram boosting": trees(Watched)},
    )
    bayes = {"bayes": contenders.table_pipeline(contenders.LogisticRegression())}
    options |= {"contenders": bayes, "random_state": 0, "verbose": 0}
    found = compare(X, y, tuned=3, **options)
    assert not found.failures_ and len(found.table) == 2
    # Three settings on three folds, the best, and once more for the threshold.
    seen = [rows for rows, _ in Watched.seen]
    assert len(seen) >= len(found.test_folds_) * (3 * 3 + 2)
    return seen, found.test_folds_


def numbered(y, rng):
    """Rows whose first feature is their number."""
    return np.column_stack([np.arange(len(y)), y + rng.normal(size=len(y))])


def test_inner_folds_keep_groups_together(binary, monkeypatch, rng):
    y = binary[1]
    groups = np.arange(len(y)) // 4
    X = numbered(y, rng)
    seen, folds = watched_by_compare(monkeypatch, X, y, groups=groups, cv=2)
    for number, test in enumerate(folds):
        for rows in seen[number * 11 : number * 11 + 11]:
            assert not set(rows.astype(int)) & set(test)
        for rows in seen[number * 11 : number * 11 + 10]:
            _, counts = np.unique(groups[rows.astype(int)], return_counts=True)
            assert (counts == 4).all()


def test_inner_folds_are_ordered_in_time_if_the_outer_ones_are(
    binary, monkeypatch, rng
):
    y = binary[1]
    X = numbered(y, rng)
    seen, folds = watched_by_compare(monkeypatch, X, y, cv=TimeSeriesSplit(2))
    for number, test in enumerate(folds):
        inner = seen[number * 11 : number * 11 + 9]
        sizes = {len(rows) for rows in inner}
        assert len(sizes) == 3  # each trains on more of the past
        for rows in inner:
            assert_array_equal(rows, np.arange(len(rows)))
            assert len(rows) < test.min()


def test_without_inner_folds_the_defaults_remain(rng):
    X, y = rng.normal(size=(60, 2)), (np.arange(60) == 55).astype(int)
    for cv in (3, TimeSeriesSplit(3)):
        with pytest.warns(UserWarning, match=r"\w: the trees keep the library's def"):
            found = tuned(cv=cv).fit(X, y)
        assert found.best_params_ == {} and np.isnan(found.best_score_)
        expected = trees().fit(X, y).predict_proba(X)
        assert_array_equal(found.predict_proba(X), expected)


def test_inner_folds_without_rare_rows_are_not_scored(rng):
    X, y = rng.normal(size=(60, 2)), np.isin(np.arange(60), [0, 10, 20, 30, 40])
    folds = list(TimeSeriesSplit(5).split(X))
    assert not y[folds[-1][1]].any()
    found = tuned(cv=TimeSeriesSplit(5)).fit(X, y)
    assert_allclose(found.best_score_, tuned(cv=folds[:-1]).fit(X, y).best_score_)


def test_settings_are_plain_parameters_of_the_library():
    """A model file has the chosen one."""
    xgboost = pytest.importorskip("xgboost")
    made = tuned_contenders(np.zeros((3, 2)), 20, random_state=0)
    assert TUNED in made and "XGBoost (tuned)" in made
    for name, pipeline in made.items():
        if name == "CatBoost (tuned)":  # it has tests of its own
            continue
        library = pipeline[-1].trees
        if name == "XGBoost (tuned)":
            library = xgboost.XGBClassifier()
        for setting in pipeline[-1]._settings(0)[1:]:
            values = {key: value for key, (value,) in setting.items()}
            values = values.get("options", values)
            assert set(values) <= set(library.get_params())
            for value in values.values():
                assert type(value) in (int, float, type(None)), value


def test_options_of_other_libraries(binary):
    pytest.importorskip("xgboost")
    X, y = binary
    few = XGBoost(random_state=0, options={"n_estimators": 3}).fit(X, y)
    assert few.booster_.get_booster().num_boosted_rounds() == 3
    found = TunedTrees(few, 4, cv=CV, random_state=1).fit(X, y)
    again = clone(few).set_params(**found.best_params_)
    scores = cross_val_score(again, X, y, cv=CV, scoring="average_precision")
    assert_allclose(found.best_score_, scores.mean())
