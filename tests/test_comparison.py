"""Comparisons: fair folds, no leak, honest tests, and what goes wrong on the way."""

import pickle
import warnings
from functools import cache
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    recall_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skadaptive import AdaptiveHybridClassifier, compare, comparison, evaluate
from skadaptive._assessment import cross_validation
from skadaptive._assessment.statistics import half_width
from skadaptive._committee.threshold_tuning import tune_threshold
from skadaptive._parameters import rare_class
from skadaptive.contenders import OURS, default_contenders, table_pipeline
from skadaptive.thresholds import f1

TUNED = "histogram boosting (tuned)"


class Recorder(ClassifierMixin, BaseEstimator):
    """Notes the first feature of the rows that it is fitted on."""

    seen = []  # of the class: clones and folds share it

    def __init__(self, fails_on=None, error=ValueError):
        self.fails_on = fails_on
        self.error = error

    def fit(self, X, y):
        Recorder.seen.append(set(np.asarray(X)[:, 0]))
        if self.fails_on == len(Recorder.seen):
            raise self.error("this one was told to fail")
        self.classes_, counts = np.unique(y, return_counts=True)
        self.share_ = counts / counts.sum()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.share_.argmax()])

    def predict_proba(self, X):
        # Some order, so that there is something to rank by.
        p = np.clip(np.asarray(X)[:, 1] / 10 + 0.5, 0, 1)
        return np.column_stack([1 - p, p])


class Talkative(GaussianNB):
    """Warns of the number of rows, and after fits of all rows of something else."""

    def fit(self, X, y, sample_weight=None):
        warnings.warn(f"There are {len(X):,} rows.", stacklevel=2)
        if len(X) > 300:
            warnings.warn(f"All of the {len(X):,} rows are here.", stacklevel=2)
        return super().fit(X, y, sample_weight)


class Slow(GaussianNB):
    """Each of its fits takes ten seconds of a clock that stands still otherwise."""

    now = 0.0  # of the class: clones share it

    def fit(self, X, y, sample_weight=None):
        Slow.now += 10
        return super().fit(X, y, sample_weight)


@pytest.fixture
def clock(monkeypatch):
    Slow.now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: Slow.now)


def recall_of_ones(estimator, X, y):
    return recall_score(y, estimator.predict(X))


@pytest.fixture(autouse=True)
def forget():
    Recorder.seen = []


@pytest.fixture(scope="module")
def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


@pytest.fixture(scope="module")
def folds(binary):
    splitter = StratifiedKFold(4, shuffle=True, random_state=0)
    return list(splitter.split(*binary))


@pytest.fixture(scope="module")
def mixed():
    """A table as people have it, 12 % rare, with labels of text."""
    rng, n = np.random.default_rng(0), 240
    X = pd.DataFrame(
        {
            "amount": rng.normal(size=n),
            "city": rng.choice(["Rome", "Oslo", "Bonn"], n).astype(object),
            "opened": pd.Timestamp("2021-01-01")
            + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "clicks": rng.integers(0, 9, n),
        }
    )
    score = X["amount"] + (X["city"] == "Oslo") + 0.1 * rng.normal(size=n)
    y = np.where(score > score.quantile(0.88), "fraud", "honest")
    X.loc[::7, "amount"] = np.nan
    X["empty"] = np.nan
    X.loc[::9, "city"] = None
    X.loc[::11, "opened"] = pd.NaT
    return X, y


def test_scores_are_those_of_scikit_learn_on_the_same_folds(binary, folds, logistic):
    X, y = binary
    found = compare(X, y, contenders={"it": logistic}, cv=folds, verbose=0)
    for measure in ("average_precision", "roc_auc"):
        expected = cross_val_score(logistic, X, y, cv=folds, scoring=measure)
        assert_allclose(found.folds_[measure], expected)
        assert_allclose(found.table.at["it", f"mean_{measure}"], expected.mean())
        assert_allclose(found.table.at["it", f"std_{measure}"], expected.std())
    expected = cross_val_score(logistic, X, y, cv=folds, scoring="f1")
    assert_allclose(found.folds_["f1_at_0.5"], expected)
    proba = cross_val_predict(logistic, X, y, cv=folds, method="predict_proba")
    assert_allclose(found.out_of_fold_["it"], proba[:, 1])
    at_half = found.confusion("it", 0.5)
    assert_array_equal(at_half.sum(axis=1), np.bincount(y))
    assert at_half[1, 1] == (proba[:, 1] > 0.5)[y == 1].sum()


def test_a_scorer_of_ones_own_ranks(binary, folds, logistic):
    def recall_at_all(estimator, X, y):
        return float(estimator.predict_proba(X)[:, 1].mean())

    contenders = {"it": logistic, "never": DummyClassifier(strategy="prior")}
    found = compare(*binary, contenders=contenders, cv=folds, scoring=recall_at_all)
    assert found.scoring_ == "score"
    assert found.best_name_ == found.table["mean_score"].idxmax()
    by_loss = compare(*binary, contenders=contenders, cv=folds, scoring="brier_score")
    assert by_loss.best_name_ == by_loss.table["mean_brier_score"].idxmin() == "it"
    assert by_loss.tests_.loc["never", "difference"] < 0


def test_no_contender_sees_a_test_row(binary, folds):
    """Neither in its fit nor where its threshold is tuned."""
    X, y = binary
    spy = {"spy": table_pipeline(Recorder(), scale=False)}
    compare(X, y, contenders=spy, cv=folds, verbose=0)
    seen, whole = Recorder.seen[:-2], set(X[:, 0])
    assert len(seen) == 2 * len(folds)
    for number, (train, test) in enumerate(folds):
        of_fold = seen[2 * number : 2 * number + 2]
        for rows in of_fold:
            assert not rows & set(X[test, 0])
        sizes = sorted(map(len, of_fold))
        assert sizes[1] == len(train) and 0.75 < sizes[0] / sizes[1] < 0.85
    assert Recorder.seen[-2] == whole  # best_, on all data


def test_threshold_is_tuned_for_f1(binary, folds):
    """A forest's probabilities are too low for 0.5 at a share of a tenth."""
    X, y = binary
    forest = RandomForestClassifier(min_samples_leaf=10, random_state=0)
    found = compare(X, y, contenders={"it": forest}, cv=folds, random_state=0)
    table = found.table.loc["it"]
    assert table["mean_f1"] > table["mean_f1_at_0.5"] + 0.05
    assert (found.folds_["threshold"] < 0.5).all()
    labels = found.best_.predict(X)
    above = found.best_.predict_proba(X)[:, 1] > found.best_.threshold
    assert_array_equal(labels, above.astype(int))


def test_ours_decides_at_its_own_threshold(binary, folds, quick):
    found = compare(*binary, contenders={"it": quick()}, cv=folds[:2], verbose=0)
    X, y = binary
    for number, (train, test) in enumerate(folds[:2]):
        alone = quick().fit(X[train], y[train])
        row = found.folds_.iloc[number]
        assert row["threshold"] == alone.threshold_
        assert_allclose(row["f1"], f1_score(y[test], alone.predict(X[test])))


def test_intervals_stay_where_scores_can_be(binary, folds, logistic):
    """Two folds tell next to nothing: by the formula they reach beyond 0 and 1."""
    found = compare(*binary, contenders={"it": logistic}, cv=folds[:2], verbose=0)
    wide = half_width(found.folds_["average_precision"], 1 / 3)
    interval = found.intervals().loc["it"]
    assert interval["mean"] + wide > 1 and interval["high"] == 1
    assert interval["low"] == max(interval["mean"] - wide, 0)
    assert np.isfinite(found.intervals("fit_time")).all(axis=None)


def test_luck_is_called_luck(rng):
    """Memory of rows helps nobody where labels are noise."""
    X, y = rng.normal(size=(300, 4)), (rng.random(300) < 0.2).astype(int)
    neighbours = {
        "one": KNeighborsClassifier(1),
        "many": KNeighborsClassifier(50),
        "none": DummyClassifier(),
    }
    found = compare(X, y, contenders=neighbours, random_state=0, verbose=0)
    assert (found.table["mean_average_precision"] < 0.35).all()
    assert (found.tests_["verdict"] != "ahead").all()


def test_verdicts_follow_the_p_values(binary, folds, logistic, monkeypatch):
    """Holm multiplies .01, .03 and .5 by 3, 2 and 1."""
    p_values = iter([0.01, 0.03, 0.5])
    monkeypatch.setattr(comparison, "corrected_t_test", lambda *args: next(p_values))
    contenders = {name: DummyClassifier() for name in "abc"} | {"d": logistic}
    tests = compare(*binary, contenders=contenders, cv=folds, verbose=0).tests_
    assert_allclose(tests["p_holm"], [0.03, 0.06, 0.5])
    assert tests["verdict"].tolist() == ["ahead", "perhaps ahead", "could be luck"]


def test_a_real_difference_is_found(digits, logistic):
    contenders = {"logistic": logistic, "never": DummyClassifier()}
    found = compare(*digits, contenders=contenders, random_state=0, verbose=0)
    assert found.best_name_ == "logistic"
    assert found.tests_.loc["never", "verdict"] == "ahead"
    assert "ahead of never by more than luck" in repr(found)
    interval = found.intervals()
    assert (interval["low"] < interval["mean"])["logistic"]
    assert found.table["mean_rank"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("scoring", "score", "gain", "verdict"),
    [
        ("average_precision", 0.7002, 1e-4, "could be luck"),
        ("average_precision", 0.7004, 2e-4, "could be luck"),  # 0.700 and 0.701
        ("average_precision", 0.70032, 4e-4, "could be luck"),
        ("average_precision", 0.7002, 2e-3, "ahead"),
        ("average_precision", 0.7004, 6e-4, "ahead"),
        ("brier_score", 0.0052, 1e-7, "could be luck"),
        ("brier_score", 0.005206, 3e-6, "could be luck"),
        # Five decimals are shown of such small ones.
        ("brier_score", 0.0052, 2e-5, "ahead"),
    ],
)
def test_scores_that_look_equal_are_not_ahead(
    binary, folds, scoring, score, gain, verdict
):
    """However small the p-value is: the difference is nearly the same in each fold.

    Nor are scores ahead that differ by less than half a unit of the last digit shown.
    """
    contenders = {"one": DummyClassifier(), "two": DummyClassifier()}
    found = compare(
        *binary, contenders=contenders, cv=folds, scoring=scoring, verbose=0
    )
    noise = np.arange(4) * 1e-9
    better = found.folds_["contender"] == "two"
    sign = -1 if scoring == "brier_score" else 1
    found.folds_.loc[~better, scoring] = score + noise
    found.folds_.loc[better, scoring] = score + sign * gain + noise**1.1
    found.table = found._make_table()
    found.best_name_ = found.table.index[0]
    found.tests_ = found._make_tests()
    assert found.best_name_ == "two" and found.tests_.at["one", "p_holm"] < 1e-4
    assert found.tests_.at["one", "verdict"] == verdict
    (line,) = [
        line for line in found.summary() if "of one" in line or "over one" in line
    ]
    assert ("could be luck" in line) == (verdict == "could be luck")
    shown = found._shown_means()
    assert not (shown["one"] == shown["two"] and verdict == "ahead")
    assert shown["one"] in repr(found) and shown["two"] in repr(found)


@pytest.mark.parametrize("name", ["average_precision", "roc_auc"])
def test_scores_near_perfect_are_remarked_on(binary, folds, logistic, name):
    remark = "known only after the outcome"
    found = compare(*binary, contenders={"it": logistic}, cv=folds, verbose=0)
    assert not any(remark in line for line in found.summary())
    found.table[f"mean_{name}"] = 0.9992
    assert any(remark in line for line in found.summary())


def test_every_default_contender_works(mixed):
    """On categories, dates, missing values and text, and its best can be kept."""
    X, y = mixed
    made = default_contenders(X, random_state=0)
    found = compare(X, y, cv=2, random_state=0, verbose=0)
    assert not found.failures_
    installed = sum(map(bool, map(find_spec, ["lightgbm", "catboost"])))
    installed += 2 * bool(find_spec("xgboost"))
    assert sorted(found.table.index) == sorted(made) and len(made) == 19 + installed
    assert found.pos_label_ == "fraud"
    numbers = found.table.drop(columns=[c for c in found.table if "rank" in c])
    assert np.isfinite(numbers.to_numpy()).all()
    assert found.table["mean_average_precision"].iloc[0] > 0.4
    assert set(found.best_.predict(X)) <= {"fraud", "honest"}
    assert_array_equal(found.out_of_fold_.columns, found.table.index)
    assert found.out_of_fold_.notna().all(axis=None)


def test_cost_of_dates_is_no_leak(mixed):
    """Dates become numbers row by row: a row alone is what it is in a table."""
    X, y = mixed
    model = table_pipeline(LogisticRegression(max_iter=1000)).fit(X, y)
    whole = model.predict_proba(X)
    assert_allclose(model.predict_proba(X.iloc[[13]])[0], whole[13], rtol=1e-9)
    late = X.assign(opened=X["opened"] + pd.Timedelta(days=300))
    assert np.abs(model.predict_proba(late) - whole).max() > 1e-3


def test_weights_count_everywhere(binary, folds, logistic):
    X, y = binary
    weight = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    found = compare(
        X,
        y,
        contenders={"it": logistic},
        cv=folds,
        sample_weight=weight,
        verbose=0,
    )
    for number, (train, test) in enumerate(folds):
        fit = {"logisticregression__sample_weight": weight[train]}
        proba = logistic.fit(X[train], y[train], **fit).predict_proba(X[test])[:, 1]
        expected = average_precision_score(y[test], proba, sample_weight=weight[test])
        assert_allclose(found.folds_["average_precision"][number], expected)
    assert_allclose(found.confusion().sum(), weight.sum())


def test_the_class_to_be_found(binary, folds, logistic):
    """The lighter one, whatever its name, or the one that is named."""
    X, y = binary
    text = np.where(y == 1, "aye", "no")
    options = {"contenders": {"it": logistic}, "cv": folds, "verbose": 0}
    options["random_state"] = 0
    rare = compare(X, text, **options)
    assert rare.pos_label_ == "aye" and rare.y_.sum() == y.sum()
    assert_allclose(rare.folds_["f1"], compare(X, y, **options).folds_["f1"])
    named = compare(X, text, pos_label="no", scoring="jaccard", **options)
    assert named.y_.sum() == (1 - y).sum()
    tp, fp, fn = (named.folds_[count] for count in ("tp", "fp", "fn"))
    assert_allclose(named.folds_["jaccard"], tp / (tp + fp + fn))
    even = np.where(np.arange(400) % 9 < 4, "b", "c")  # 45 %, and first
    assert compare(X, even, **options).pos_label_ == "c"  # not half as frequent
    assert compare(X, even == "b", **options).pos_label_ is np.True_


def test_labels_of_any_kind(binary, folds, logistic):
    X, y = binary
    kinds = ["Int64", "boolean", "object", "category", bool]
    for kind in kinds:
        label = compare(
            X,
            pd.Series(y).astype(kind),
            contenders={"it": logistic},
            cv=folds[:2],
            verbose=0,
        ).pos_label_
        assert str(label) in ("1", "True"), kind


def test_class_weights_do_not_change_what_thresholds_are_tuned_for(
    binary, folds, quick
):
    """Neither in the comparison nor in the fit of the user."""
    weighted = quick(class_weight="balanced", calibration=None)
    found = compare(*binary, contenders={"it": weighted}, cv=folds[:2], verbose=0)
    X, y = binary
    for number, (train, _) in enumerate(folds[:2]):
        alone = clone(weighted).fit(X[train], y[train])
        proba = alone.oof_proba_[:, 1]
        threshold = tune_threshold(f1, y[train], proba, np.ones(len(train)))
        assert found.folds_["threshold"][number] == threshold == alone.threshold_
    own = quick(threshold=0.3)
    kept = compare(*binary, contenders={"it": own}, cv=folds[:1], verbose=0)
    assert kept.folds_["threshold"].tolist() == [0.3]


def test_ties_at_the_threshold(binary, monkeypatch):
    """A row at the threshold is not above it, neither tuned nor at 0.5."""
    monkeypatch.setattr(cross_validation, "tune_threshold", lambda *args: 0.5)
    neighbours = {"it": KNeighborsClassifier(2)}
    found = compare(*binary, contenders=neighbours, random_state=0, verbose=0)
    assert (found.out_of_fold_["it"] == 0.5).any()
    assert_array_equal(found.folds_["tp"], found.folds_["tp_at_0.5"])
    assert_array_equal(found.folds_["fp"], found.folds_["fp_at_0.5"])


def test_rows_without_weight_are_in_no_fold(binary, logistic):
    X, y = binary
    weight = (np.arange(len(y)) % 3 > 0).astype(float)
    found = compare(X, y, contenders={"it": logistic}, sample_weight=weight, verbose=0)
    tested = np.concatenate(found.test_folds_)
    assert_array_equal(np.sort(tested), np.flatnonzero(weight))
    assert np.isfinite(found.folds_["average_precision"]).all()
    with pytest.raises(ValueError, match="or none"):
        compare(X, y, contenders={"it": logistic}, sample_weight=1.0 - y, pos_label=1)


def test_a_failure_of_the_last_fit_costs_nothing_else(binary, folds):
    for error in (ValueError, KeyboardInterrupt):
        Recorder.seen = []
        last = Recorder(fails_on=2 * len(folds) + 1, error=error)
        with pytest.warns(UserWarning, match="told to fail|interrupted"):
            found = compare(*binary, contenders={"it": last}, cv=folds, verbose=0)
        assert len(found.folds_) == len(folds) and not hasattr(found, "best_")


def test_groups_stay_together(binary, logistic):
    X, y = binary
    groups = np.arange(len(y)) // 4
    found = compare(
        X, y, contenders={"it": logistic}, groups=groups, random_state=0, verbose=0
    )
    for test in found.test_folds_:
        others = np.setdiff1d(np.arange(len(y)), test)
        assert not set(groups[test]) & set(groups[others])


def test_time_ordered_folds(binary, logistic):
    found = compare(
        *binary, contenders={"it": logistic}, cv=TimeSeriesSplit(3), verbose=0
    )
    never = found.out_of_fold_["it"].isna()
    assert never[: never.sum()].all() and 0 < never.sum() < 200
    assert (
        "Each contender was trained on earlier rows and tested on later ones, "
        f"{400 - never.sum()} of the 400 in all." in found.summary()
    )
    shuffled = compare(*binary, contenders={"it": logistic}, cv=2, verbose=0)
    assert not any("later" in line for line in shuffled.summary())


def test_a_failure_is_told_and_the_others_go_on(binary, folds, logistic):
    contenders = {"broken": Recorder(fails_on=1), "logistic": logistic}
    with pytest.warns(UserWarning, match="broken failed.*told to fail"):
        found = compare(*binary, contenders=contenders, cv=folds, verbose=0)
    assert found.table.index.tolist() == ["logistic"]
    assert "told to fail" in found.failures_["broken"] and found.unfinished_ == {}
    assert any("broken failed" in line for line in found.summary())
    Recorder.seen = []
    with pytest.raises(ValueError, match="Every contender failed"), pytest.warns():
        compare(*binary, contenders={"broken": Recorder(1)}, cv=folds[:1], verbose=0)


def test_an_interrupt_keeps_what_is_finished(binary, folds, logistic):
    stopped = Recorder(fails_on=3, error=KeyboardInterrupt)
    contenders = {"logistic": logistic, "stopped": stopped, "never begun": logistic}
    with pytest.warns(UserWarning, match="contenders compared: 1; not finished: 2"):
        found = compare(*binary, contenders=contenders, cv=folds, verbose=0)
    assert found.table.index.tolist() == ["logistic"]
    assert not hasattr(found, "best_")
    Recorder.seen = []
    with pytest.raises(KeyboardInterrupt):
        compare(*binary, contenders={"stopped": stopped}, cv=folds, verbose=0)


def test_what_an_interrupt_left_out_is_told(binary, folds, logistic):
    stopped = Recorder(fails_on=3, error=KeyboardInterrupt)
    contenders = {"logistic": logistic, "stopped": stopped, "never begun": logistic}
    with pytest.warns(UserWarning, match="Interrupted"):
        found = compare(*binary, contenders=contenders, cv=folds, verbose=0)
    assert found.unfinished_ == {"stopped": 1, "never begun": 0}
    assert found.time_limit_ is None
    (line,) = [line for line in found.summary() if "An interrupt ended" in line]
    assert "stopped (1 of 4 folds) and never begun did not finish" in line


@pytest.mark.parametrize("limit", [100, 139])
def test_a_time_limit_keeps_what_is_finished(binary, folds, logistic, clock, limit):
    """A fold of the slow ones takes 20 s: two fits."""
    contenders = {"a": Slow(), "b": logistic, "c": Slow(), "d": logistic}
    options = {"contenders": contenders, "cv": folds, "random_state": 0, "verbose": 0}
    with pytest.warns(UserWarning, match=f"limit of {limit} s .* 2; not finished: 2"):
        found = compare(*binary, time_limit=limit, **options)
    assert sorted(found.table.index) == ["a", "b"] and len(found.folds_) == 8
    begun = int(np.ceil((limit - 80) / 20))  # a fold that has begun is finished
    assert found.unfinished_ == {"c": begun, "d": 0} and found.time_limit_ == limit
    (line,) = [line for line in found.summary() if "time limit" in line]
    assert f"c ({begun} of 4 folds) and d did not finish" in line
    assert f"limit of {limit} s ended" in line and "not repeatable" in line
    assert line in repr(found)
    # Whatever is compared is what it is without a limit, and the best can be used.
    whole = compare(*binary, **options)
    drop = ["fit_time", "predict_time"]
    same = whole.folds_[whole.folds_["contender"].isin(["a", "b"])]
    pd.testing.assert_frame_equal(
        found.folds_.drop(columns=drop), same.drop(columns=drop)
    )
    assert len(found.best_.predict(binary[0])) == len(binary[1])


def test_a_limit_that_is_not_reached_changes_nothing(binary, folds, clock):
    options = {"contenders": {"it": Slow()}, "cv": folds, "verbose": 0}
    found = compare(*binary, time_limit=80, **options)  # reached, but nothing is left
    assert found.time_limit_ is None and found.unfinished_ == {}
    assert not any("limit" in line for line in found.summary())


def test_a_limit_holds_for_other_processes(binary, folds, logistic):
    contenders = {"it": logistic, "that": logistic}
    options = {"contenders": contenders, "cv": folds, "n_jobs": 2, "verbose": 0}
    found = compare(*binary, time_limit=3600, **options)
    assert sorted(found.table.index) == ["it", "that"] and not found.unfinished_
    with pytest.raises(ValueError, match="within the time limit of 1e-09 s"):
        compare(*binary, time_limit=1e-9, **options)


def test_a_limit_in_which_nothing_finishes(binary, folds, clock, tmp_path):
    options = {"cv": folds, "verbose": 0, "random_state": 0, "cache_dir": tmp_path}
    with pytest.raises(ValueError, match="No contender finished its 4 folds within"):
        compare(*binary, contenders={"it": Slow()}, time_limit=60, **options)
    # The three folds that were begun are not fitted again.
    Slow.now = 0.0
    found = compare(*binary, contenders={"it": Slow()}, time_limit=60, **options)
    assert not found.unfinished_ and Slow.now == 20 + 20


def test_failures_within_the_limit_are_told(binary, folds, monkeypatch):
    times = iter([0.0, 0.0])  # of the call and of the first fold
    monkeypatch.setattr("time.monotonic", lambda: next(times, 1.0))
    contenders = {"broken": Recorder(fails_on=1), "it": Slow()}
    options = {"contenders": contenders, "cv": folds, "verbose": 0}
    message = "0.5 s. These failed: broken: .* Allow more"
    with pytest.raises(ValueError, match=message), pytest.warns(match="broken failed"):
        compare(*binary, time_limit=0.5, **options)


def test_a_search_is_not_repeated_for_the_threshold(binary, folds):
    search = GridSearchCV(Recorder(), {"error": [ValueError, TypeError]}, cv=3)
    for contender in (search, table_pipeline(search, scale=False)):
        Recorder.seen = []
        found = compare(*binary, contenders={"it": contender}, cv=folds[:1], verbose=0)
        # Six fits and that of the best, once more on four fifths, and all again.
        sizes = [len(rows) for rows in Recorder.seen]
        assert len(sizes) == 2 * (6 + 1 + 1)
        assert sizes[6] == 300 and sizes[7] == 240
        fitted = found.best_.estimator_.estimator
        assert hasattr(getattr(fitted, "steps", [(0, fitted)])[-1][1], "cv_results_")


def test_finished_folds_are_taken_up_again(binary, folds, tmp_path):
    X, y = binary
    options = {"cv": folds, "cache_dir": tmp_path, "random_state": 0, "verbose": 0}
    with pytest.raises(KeyboardInterrupt):
        stopped = Recorder(fails_on=5, error=KeyboardInterrupt)
        compare(X, y, contenders={"it": stopped}, **options)
    first = len(Recorder.seen)
    stopped = Recorder(fails_on=5, error=KeyboardInterrupt)
    found = compare(X, y, contenders={"it": stopped}, **options)
    # Two fits a fold: two folds were done, two were left, and best_.
    assert len(Recorder.seen) - first == 6
    Recorder.seen = []
    again = compare(X, y, contenders={"it": stopped}, **options)
    assert len(Recorder.seen) == 2
    pd.testing.assert_frame_equal(again.folds_, found.folds_)
    changed = X.copy()
    changed[0, 0] += 1
    Recorder.seen = [set()] * 5  # past the fit that stops
    compare(changed, y, contenders={"it": stopped}, **options)
    assert len(Recorder.seen) == 5 + 2 * len(folds) + 2


def test_finished_folds_serve_the_same_protocol_only(binary, folds, tmp_path):
    options = {"contenders": {"it": Recorder()}, "cache_dir": tmp_path, "verbose": 0}
    protocol = {"cv": folds, "scoring": "f1", "random_state": 0}
    compare(*binary, **options, **protocol)
    for change in (
        {},
        {"scoring": "recall"},
        {"scoring": recall_of_ones},
        {"random_state": 1},
        {"cv": folds[::-1]},
        {"pos_label": 0},
    ):
        Recorder.seen = []
        compare(*binary, **options, **protocol | change)
        # Two fits make best_, which is not cached; each new fold takes two.
        assert len(Recorder.seen) == 2 + 2 * len(folds) * bool(change), change


def test_a_failure_is_not_kept(binary, folds, tmp_path):
    options = {"cv": folds, "cache_dir": tmp_path, "random_state": 0, "verbose": 0}
    contender = {"it": Recorder(fails_on=1)}
    with pytest.warns(UserWarning, match="failed"), pytest.raises(ValueError):
        compare(*binary, contenders=contender, **options | {"cv": folds[:1]})
    assert not compare(*binary, contenders=contender, **options).failures_


def test_two_jobs_find_what_one_finds(binary, folds, logistic):
    contenders = {"logistic": logistic, "forest": RandomForestClassifier(20)}
    contenders["forest"].set_params(random_state=0)
    options = {"cv": folds, "random_state": 0, "verbose": 0, "contenders": contenders}
    one, two = compare(*binary, **options), compare(*binary, n_jobs=2, **options)
    drop = ["fit_time", "predict_time"]
    pd.testing.assert_frame_equal(
        one.folds_.drop(columns=drop), two.folds_.drop(columns=drop)
    )


def test_it_can_be_looked_at_and_pickled(binary, folds, logistic, capsys):
    found = compare(*binary, contenders={"<it>": logistic}, cv=folds, verbose=1)
    error = capsys.readouterr().err
    assert "4 of 4 done" in error
    again = pickle.loads(pickle.dumps(found))
    assert repr(again) == repr(found)
    assert "average precision" in repr(found) and "40" in repr(found)
    assert "&lt;it&gt;" in found._repr_html_()
    ax = found.plot()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["<it>"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": np.zeros(400)}, "two classes; got 1"),
        ({"y": np.arange(400) % 3}, "two classes; got 3"),
        ({"y": np.arange(300) % 2}, "inconsistent numbers"),
        ({"y": (np.arange(400) == 7).astype(int)}, "one row of the rare class, 1"),
        ({"cv": "5"}, "cv must be an int from 2 on"),
        ({"X": np.zeros(400)}, "two dimensions, rows and features; got 1"),
        ({"X": np.zeros((400, 2, 2))}, "two dimensions, rows and features; got 3"),
        ({"contenders": "all"}, 'must be "default", "quick" or a dict'),
        ({"contenders": {"it": StandardScaler()}}, "not a classifier"),
        ({"scoring": "f11"}, "scoring must be a measure"),
        ({"cv": [(np.arange(200, 400), np.arange(200))]}, "200 rows to test, 0 of the"),
        ({"sample_weight": -np.ones(400)}, "Negative values"),
        ({"pos_label": 2}, "pos_label=2 is none of the classes, 0, 1"),
        ({"cv": 1}, "cv must be an int from 2 on"),
        ({"time_limit": 0}, "time_limit must be a positive number of seconds, .* 0"),
        ({"time_limit": float("nan")}, "time_limit must be a positive"),
        ({"time_limit": True}, "time_limit must be a positive"),
        ({"time_limit": "60"}, "time_limit must be a positive"),
        ({"tuned": 1}, "settings to try must be an int from 2 on, .* 1"),
        ({"tuned": True}, "settings to try must be an int from 2 on"),
        ({"tuned": 2.0}, "settings to try must be an int from 2 on"),
        (
            {"tuned": 2, "contenders": {TUNED: DummyClassifier()}},
            "names that are taken: histogram boosting",
        ),
        ({"groups": [None, *range(399)]}, "groups has 1 missing"),
        ({"groups": np.zeros(400)}, "All rows are of one group"),
        ({"X": pd.DataFrame(np.zeros((400, 2)), columns=["a", "a"])}, "same name: 'a'"),
        (
            {"X": pd.DataFrame({"a": [*range(7), -np.inf, *range(391), np.inf]})},
            "Column 'a' holds an infinite number in row 8, .*: -inf; .* in all: 2",
        ),
        (
            {"X": np.r_[np.zeros((399, 1)), [[np.inf]]]},
            "Column 0 .* in row 400, .*: inf",
        ),
        (
            {"X": pd.DataFrame({"a": pd.period_range("2020", periods=400, freq="D")})},
            "Column 'a' holds neither",
        ),
    ],
)
def test_bad_input(binary, change, message):
    X, y = binary
    y = np.sort(y)  # so that a split may be of one class
    arguments = {"X": X, "y": y, "contenders": {"it": DummyClassifier()}, **change}
    with pytest.raises(ValueError, match=message):
        compare(**arguments, verbose=0)


# ---------------------------------------------------------- figures that a reader sees


@pytest.fixture(scope="module")
def uneven(binary, logistic):
    """Three contenders on folds whose test rows are not equally many."""
    X, y = binary
    order = np.random.default_rng(0).permutation(len(y))
    parts = np.split(order, [60, 160, 280])
    folds = [(np.setdiff1d(order, part), part) for part in parts]
    contenders = {
        "bayes": GaussianNB(),
        "logistic": logistic,
        OURS: KNeighborsClassifier(15),
    }

    @cache
    def scored(scoring):
        options = {"contenders": contenders, "cv": folds, "random_state": 0}
        return compare(X, y, scoring=scoring, verbose=0, **options)

    return scored, folds


@pytest.mark.parametrize("scoring", ["average_precision", "brier_score"])
def test_differences_intervals_and_ranks_by_hand(uneven, scoring):
    scored, folds = uneven
    found = scored(scoring)
    by_fold = {
        name: rows[scoring].to_numpy()
        for name, rows in found.folds_.groupby("contender")
    }
    sign = -1 if scoring == "brier_score" else 1
    order = sorted(by_fold, key=lambda name: -sign * by_fold[name].mean())
    assert found.table.index.tolist() == order
    ratio = np.mean([len(test) / len(train) for train, test in folds])
    t = stats.t.ppf(0.975, len(folds) - 1)
    for name in order[1:]:
        difference = by_fold[order[0]] - by_fold[name]
        error = np.sqrt(difference.var(ddof=1) * (1 / len(folds) + ratio))
        mean = difference.mean()
        row = found.tests_.loc[name]
        assert_allclose(row["difference"], mean)
        assert_allclose([row["low"], row["high"]], [mean - t * error, mean + t * error])
        p_value = 2 * stats.t.sf(abs(mean) / error, len(folds) - 1)
        assert_allclose(row["p_value"], p_value)
    t = stats.t.ppf(0.9, len(folds) - 1)
    intervals = found.intervals(confidence_level=0.8)
    for name in order:
        mean = by_fold[name].mean()
        half = t * np.sqrt(by_fold[name].var(ddof=1) * (1 / len(folds) + ratio))
        cut = np.clip([mean - half, mean + half], 0, 1)
        assert_allclose(intervals.loc[name, ["low", "high"]].astype(float), cut)
    ranks = np.argsort(np.argsort([-sign * by_fold[n] for n in order], axis=0), axis=0)
    assert_allclose(found.table["mean_rank"], 1 + ranks.mean(axis=1))
    for seconds in ("fit_time", "predict_time"):
        means = found.folds_.groupby("contender")[seconds].mean()
        assert_allclose(found.table[f"mean_{seconds}"], means[order])


def test_cells_are_those_at_the_thresholds_of_the_folds(uneven, binary):
    scored, folds = uneven
    found, (_, y) = scored("average_precision"), binary
    for name in found.table.index:
        rows = found.folds_[found.folds_["contender"] == name]
        above = np.zeros(len(y), bool)
        for threshold, (_, test) in zip(rows["threshold"], folds, strict=True):
            above[test] = found.out_of_fold_[name].to_numpy()[test] > threshold
        cells = confusion_matrix(y, above)
        assert_array_equal(found.confusion(name), cells)
        assert_array_equal(found.scores("f1")[name], rows["f1"])


def test_the_ranking_is_drawn_as_it_is(uneven):
    scored, _ = uneven
    found = scored("average_precision")
    ax = found.plot()
    intervals = found.intervals()[::-1]
    assert [label.get_text() for label in ax.get_yticklabels()] == [*intervals.index]
    drawn = {}
    for bars in ax.containers:
        (segments,) = bars.lines[2]
        for x, y, ((low, _), (high, _)) in zip(
            *bars.lines[0].get_data(), segments.get_segments(), strict=True
        ):
            drawn[intervals.index[round(y)]] = low, x, high, bars.lines[0].get_color()
    for name, (mean, low, high) in intervals.iterrows():
        assert_allclose(drawn[name][:3], (low, mean, high))
    colours = {name: colour for name, (*_, colour) in drawn.items()}
    assert colours["bayes"] == colours["logistic"] != colours[OURS]
    plt.close(ax.figure)


def test_the_summary_counts_and_places(uneven):
    scored, _ = uneven
    found = scored("average_precision")
    lines = found.summary()
    assert lines[0] == "400 rows, 44 of them 1, the rare class (11.00%)."
    place = ("first", "second", "third")[found.table.index.get_loc(OURS)]
    told = [line for line in lines if f"comes {place} of 3" in line]
    assert len(told) == (place != "first")


def test_the_summary_says_where_this_classifier_comes(binary, folds, logistic):
    contenders = {OURS: DummyClassifier(), "logistic": logistic}
    found = compare(*binary, contenders=contenders, cv=folds, verbose=0)
    score = found.table.at[OURS, "mean_average_precision"]
    assert f"{OURS} comes second of 2, {score:.3f}." in found.summary()


def test_a_best_contender_that_fails_on_all_rows_leaves_its_scores(binary, folds):
    """They may have taken hours; only what needs the fit is refused."""
    X, y = binary
    largest = max(len(train) for train, _ in folds)

    class Fails(DummyClassifier):
        def fit(self, X, y, sample_weight=None):
            if len(y) > largest:
                raise OSError("no more memory")
            return super().fit(X, y, sample_weight)

    with pytest.warns(UserWarning, match="could not be fitted on all .*no more memory"):
        found = compare(X, y, contenders={"it": Fails()}, cv=folds, verbose=0)
    assert found.table.index.tolist() == ["it"] and not hasattr(found, "best_")
    with pytest.raises(ValueError, match="it was not fitted on all rows"):
        found.explain()


@pytest.mark.parametrize("contenders", ["default", "quick"])
def test_quick_asks_for_the_quick_ones(binary, folds, monkeypatch, contenders):
    asked = []

    def made(X, *, quick, random_state):
        asked.append(quick)
        return {"it": DummyClassifier()}

    monkeypatch.setattr(comparison, "default_contenders", made)
    compare(*binary, contenders=contenders, cv=folds, verbose=0)
    assert asked == [contenders == "quick"]


def test_only_a_cache_needs_what_can_be_pickled(binary, folds, tmp_path):
    options = {"contenders": {"it": DummyClassifier()}, "cv": folds, "verbose": 0}
    options["scoring"] = lambda model, X, y: 0.5
    assert len(compare(*binary, **options).table) == 1
    with pytest.raises(ValueError, match="cache_dir needs .* that can be pickled"):
        compare(*binary, cache_dir=tmp_path / "cache", **options)


def test_a_warning_of_every_fold_is_listed_once(binary):
    """Each fit has its own number of rows, and there are two in each fold."""
    X, y = binary
    assert len(X) > 300 > len(X) * 2 / 3
    found = compare(X, y, contenders={"it": Talkative()}, cv=3, verbose=0)
    first, last = found.warnings_["it"]
    assert (
        first.startswith("There are") and last == f"All of the {len(X)} rows are here."
    )


def test_messages_of_a_contender_do_not_speak_for_the_estimator(logistic, binary):
    """With one rare row to train on there is no part that could tune the threshold."""
    X, y = binary
    rare, other = np.flatnonzero(y == 1)[:2], np.flatnonzero(y == 0)[:40]
    X, y = X[np.r_[rare, other]], y[np.r_[rare, other]]
    comparison = compare(X, y, contenders={"lr": logistic}, cv=2, verbose=0)
    (message,) = {m for m in comparison.warnings_["lr"] if "threshold" in m}
    assert "1 row: no rows can be held out to tune the threshold" in message
    assert not any("max_epochs" in m for m in comparison.warnings_["lr"])


@pytest.mark.parametrize(
    "cv, contenders",
    [
        (9, {"dummy": DummyClassifier()}),  # fewer rare rows than folds
        (2, {"dummy": DummyClassifier(), "broken": Recorder(fails_on=1)}),
    ],
)
def test_warnings_point_at_the_users_line(cv, contenders):
    X, y = np.arange(60.0).reshape(30, 2), np.r_[np.ones(4), np.zeros(26)]
    with pytest.warns(UserWarning) as caught:
        compare(X, y, contenders=contenders, cv=cv, verbose=0)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("counts", "weights", "rare"),
    [
        ((200, 300), (1, 1), 1),  # the first has more than half of the second
        ((300, 200), (1, 1), 1),
        ((100, 400), (1, 1), 0),
        ((200, 300), (1, 3), 0),
        ((100, 400), (4, 1), 1),
    ],
)
def test_one_rule_for_the_rare_class(counts, weights, rare):
    """The comparison, the evaluation and the estimator agree."""
    y = np.repeat([0, 1], counts)
    weight = np.repeat(np.array(weights, float), counts)
    X = np.random.default_rng(0).normal(size=(500, 2)) + y[:, None]
    model = GaussianNB().fit(X, y)
    options = {"contenders": {"nb": model}, "cv": 2, "verbose": 0}
    comparison = compare(X, y, sample_weight=weight, **options)
    assert comparison.pos_label_ == rare
    evaluation = evaluate(model, X, y, sample_weight=weight, n_bootstraps=2)
    assert evaluation.pos_label_ == rare
    assert rare_class(np.bincount(y, weight)) == rare


def test_ours_is_fitted_once_unless_another_class_is_asked_for(quick, monkeypatch):
    y = np.repeat([0, 1], [80, 120])
    X = np.random.default_rng(0).normal(size=(200, 2)) + y[:, None]
    fits, fit = [], AdaptiveHybridClassifier.fit

    def counted(self, *args, **kwargs):
        fits.append(self)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(AdaptiveHybridClassifier, "fit", counted)
    options = {"contenders": {"ours": quick(max_epochs=1)}, "cv": 2, "verbose": 0}
    for pos_label, n_fits in ((None, 1), (1, 1), (0, 2)):
        fits.clear()
        compare(X, y, pos_label=pos_label, **options)
        assert len(fits) == 3 * n_fits  # two folds and all rows


def test_title_and_costs_reach_the_page(logistic, binary, tmp_path):
    comparison = compare(*binary, contenders={"lr": logistic}, cv=2, verbose=0)
    path = comparison.to_html(
        tmp_path / "r.html", title="Which one?", cost_matrix=[[0, 3], [7, 0]]
    )
    page = path.read_text(encoding="utf-8")
    assert "<h1>Which one?</h1>" in page
    assert 'id="cost-miss"' in page and 'value="7"' in page and 'value="3"' in page


def test_a_log_has_a_line_at_each_tenth(binary, logistic, capsys):
    """Where there is no terminal, a bar would show at the end alone."""
    contenders = dict.fromkeys("abcd", logistic)
    compare(*binary, contenders=contenders, cv=5, verbose=1)
    lines = capsys.readouterr().err.splitlines()
    counts = [int(line.split(" of 20 done after ")[0]) for line in lines]
    assert lines[-1].endswith("; last d, fold 5/5")
    assert counts == list(range(2, 21, 2))


def test_places_in_words():
    assert [comparison._ordinal(place) for place in (1, 2, 3, 7, 8, 12)] == [
        "first",
        "second",
        "third",
        "seventh",
        "8th",
        "12th",
    ]
