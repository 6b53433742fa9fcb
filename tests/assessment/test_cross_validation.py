"""Contenders on folds. Most of it is tested through compare."""

import re
from contextlib import nullcontext

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import metrics
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skadaptive._assessment import cross_validation
from skadaptive._assessment.cross_validation import (
    COUNTS,
    LabelledRows,
    Protocol,
    _best_threshold,
    _score,
    _without_search,
    fit_and_tune,
    fit_on,
    run_all,
    run_fold,
    unlike,
)
from skadaptive._cluster import Done
from skadaptive._committee.folds import make_folds
from skadaptive._committee.threshold_tuning import tune_threshold
from skadaptive.thresholds import f1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rare", ["a rare one", "the rare"])
def test_scorers_by_name_take_the_rare_class_for_the_positive_one(rare, weighted, rng):
    y = np.where(np.arange(60) < 12, rare, "other")
    weight = rng.uniform(0.1, 2, 60) if weighted else None
    data = LabelledRows(np.empty((60, 1)), y, weight, None)
    test = np.sort(rng.permutation(60)[:40])
    truth, w = (y == rare)[test], None if weight is None else weight[test]
    proba = rng.uniform(size=40)
    labels = (proba > 0.3).astype(int)
    expected = {
        "f1": metrics.f1_score(truth, labels, sample_weight=w),
        "jaccard": metrics.jaccard_score(truth, labels, sample_weight=w),
        "neg_log_loss": -metrics.log_loss(truth, proba, sample_weight=w),
        "roc_auc": metrics.roc_auc_score(truth, proba, sample_weight=w),
    }
    for name, value in expected.items():
        protocol = Protocol(data, [], name, 0)
        assert _score(protocol, test, None, None, proba, labels) == pytest.approx(value)


def test_rows_of_one_class_have_no_best_threshold():
    proba = np.linspace(0.1, 0.9, 6)
    for label in (0, 1):
        assert _best_threshold(np.full(6, label), proba, np.ones(6)) is None
    assert 0.42 <= _best_threshold(proba > 0.5, proba, np.ones(6)) < 0.58


class Grouped(LogisticRegression):
    """Notes which groups and weights it is fitted with."""

    noted = []  # of the class: clones share it

    def fit(self, X, y, sample_weight=None, groups=None):
        Grouped.noted.append((len(X), sample_weight, groups))
        return super().fit(X, y, sample_weight)


@pytest.fixture
def table(rng):
    """A table of 300 rows, a fifth of them rare, with the rare class first."""
    y = np.where(np.arange(300) % 5 == 0, "a rare one", "other")
    X = rng.normal(size=(300, 2)) + 1.5 * (y == "a rare one")[:, None]
    return X, y, rng.uniform(0.5, 2, 300), np.arange(300) // 3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_the_threshold_is_tuned_on_a_fifth_of_the_rows(
    table, weighted, grouped, wrapped
):
    X, y, weight, groups = table
    weight, groups = weight if weighted else None, groups if grouped else None
    data, rows = LabelledRows(X, y, weight, groups), np.arange(20, 280)
    model = make_pipeline(StandardScaler(), Grouped()) if wrapped else Grouped()
    Grouped.noted = []
    fitted, threshold = fit_and_tune(model, data, rows, seed=7)
    rare, w = data.rare_rows[rows], np.ones(300) if weight is None else weight
    of_rows = None if groups is None else groups[rows]
    ((train, test),) = make_folds(0.2, None, rare, w[rows], of_rows, 7)
    assert len(test) == pytest.approx(52, abs=4)
    assert [noted[0] for noted in Grouped.noted] == [260, len(train)]
    for (_, noted_weight, noted_groups), part in zip(
        Grouped.noted, (rows, rows[train]), strict=True
    ):
        for noted, given in ((noted_weight, weight), (noted_groups, groups)):
            expected = None if given is None else given[part]
            assert_array_equal(noted, expected)
    first = fit_on(model, data, rows[train])
    proba = first.predict_proba(X[rows[test]])[:, 0]
    assert threshold == tune_threshold(f1, rare[test], proba, w[rows[test]])
    above = fitted.predict_proba(X)[:, 0] > threshold
    assert_array_equal(fitted.predict(X) == "a rare one", above)


@pytest.mark.parametrize("rare", ["a rare one", "the rare"])
def test_a_fold_is_measured_and_timed(table, rare, monkeypatch):
    X, y, weight, _ = table
    y = np.where(y == "other", y, rare)
    data = LabelledRows(X, y, weight, None)
    train, test = np.arange(200), np.arange(200, 300)
    protocol = Protocol(data, [(train, test)], "jaccard", 0)
    clock = iter([10.0, 12.5, 20.0, 20.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    (row, proba), messages = run_fold(GaussianNB(), protocol, 0, None)
    assert (row["fit_time"], row["predict_time"]) == (2.5, 0.25)
    assert (row["n_train"], row["n_test"]) == (200, 100) and messages == []
    fitted = GaussianNB().fit(X[train], y[train], weight[train])
    assert_allclose(proba, fitted.predict_proba(X[test])[:, data.rare])
    truth, keywords = data.rare_rows[test], {"sample_weight": weight[test]}
    for suffix, threshold in (("", row["threshold"]), ("_at_0.5", 0.5)):
        labels = proba > threshold
        cells = metrics.confusion_matrix(truth, labels, **keywords).ravel()
        assert_allclose([row[f"{cell}{suffix}"] for cell in COUNTS], cells)
        f1_of_rows = metrics.f1_score(truth, labels, **keywords)
        assert row[f"f1{suffix}"] == pytest.approx(f1_of_rows)
    labels = proba > row["threshold"]
    assert row["jaccard"] == pytest.approx(
        metrics.jaccard_score(truth, labels, **keywords)
    )


def test_a_cluster_is_asked_where_one_is_named(table, monkeypatch):
    """And what it could not do is told as what a process could not do is."""
    X, y, _, _ = table
    data = LabelledRows(X, y, None, None)
    protocol = Protocol(data, [(np.arange(200), np.arange(200, 300))], "f1", 0)
    asked = []

    def fails(client, attempt, tasks, protocol, ahead):
        for task in tasks:
            yield Done(task, None, OSError("no\n  worker"))

    def connected(scheduler):
        asked.append(scheduler)
        return nullcontext()

    monkeypatch.setattr(cross_validation, "connected", connected)
    monkeypatch.setattr(cross_validation, "run_tasks", fails)
    here = run_all({"it": GaussianNB()}, protocol)
    assert not asked and not here.failures and "it" in here.results
    there = run_all({"it": GaussianNB()}, protocol, scheduler="tcp://there:1")
    assert asked == ["tcp://there:1"]
    assert there.failures == {"it": "OSError: no worker (fold 0)"}


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_search_is_replaced_by_what_it_found(table, wrapped):
    X, y, _, _ = table
    search = GridSearchCV(LogisticRegression(), {"C": [1e-9, 1.0]})
    model = make_pipeline(StandardScaler(), search) if wrapped else search
    found = _without_search(model, clone(model).fit(X, y))
    if wrapped:
        assert [name for name, _ in found.steps] == [name for name, _ in model.steps]
    last = found[-1] if wrapped else found
    assert isinstance(last, LogisticRegression) and last.C == 1.0
    plain = make_pipeline(StandardScaler(), GaussianNB()) if wrapped else GaussianNB()
    assert _without_search(plain, clone(plain).fit(X, y)) is plain


def test_failures_are_told_in_one_line(table):
    class Fails(GaussianNB):
        def fit(self, X, y, sample_weight=None):
            raise RuntimeError(*self.var_smoothing)

    class Infinite(GaussianNB):
        def predict_proba(self, X):
            return np.full((len(X), 2), np.nan)

    X, y, _, _ = table
    data = LabelledRows(X, y, None, None)
    protocol = Protocol(data, [(np.arange(200), np.arange(200, 300))], "f1", 0)
    contenders = {
        "silent": Fails(var_smoothing=()),
        "loud": Fails(var_smoothing=("no \n way",)),
        "odd": Infinite(),
        "sound": GaussianNB(),
    }
    outcome = run_all(contenders, protocol)
    assert list(outcome.results) == ["sound"] and not outcome.interrupted
    not_finite = "ValueError: Infinite gave 40 of 40 rows a score that is not finite."
    assert outcome.failures == {
        "silent": "RuntimeError: no message (fold 0)",
        "loud": "RuntimeError: no way (fold 0)",
        "odd": f"{not_finite} (fold 0)",
    }


@pytest.mark.parametrize("part", [slice(59, 260), slice(61)])
def test_where_one_row_of_a_class_is_all_the_threshold_is_a_half(table, part):
    X, y, _, _ = table
    rows = np.argsort(y != "a rare one", kind="stable")[part]  # 60 rare ones first
    data = LabelledRows(X, y, None, None)
    with pytest.warns(UserWarning, match="no rows can be held out to tune"):
        _, threshold = fit_and_tune(GaussianNB(), data, rows, 0)
    assert threshold == 0.5


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_threshold_for_f1_is_tuned_on_what_a_fit_has_held_out(
    quick, table, weighted, wrapped
):
    """Of the committee, whose own threshold serves another criterion."""
    X, y, weight, _ = table
    rows = np.arange(20, 280)
    data = LabelledRows(X, y, weight if weighted else None, None)
    model = quick(scoring="accuracy")
    model = make_pipeline(StandardScaler(), model) if wrapped else model
    fitted, threshold = fit_and_tune(model, data, rows, 0)
    inner = fitted.estimator_.estimator
    inner = inner[-1] if wrapped else inner
    w = weight[rows] if weighted else np.ones(260)
    assert threshold == tune_threshold(
        f1, data.rare_rows[rows], inner.oof_proba_[:, 0], w
    )
    assert abs(threshold - inner.threshold_) > 0.01
    # One that F1 has tuned is taken as it is.
    fitted, threshold = fit_and_tune(quick(), data, rows, 0)
    assert threshold == fitted.threshold_


def test_the_weights_of_rows_and_the_rare_class(table):
    X, y, weight, _ = table
    assert LabelledRows(X, y, None, None).weights([3, 4]) is None
    data = LabelledRows(X, y, weight, None)
    assert_array_equal(data.weights([3, 4]), weight[[3, 4]])
    assert data.rare == 0 and data.rare_rows.sum() == 60
    heavy = LabelledRows(X, y, np.where(data.rare_rows, 9.0, 1.0), None)
    assert heavy.rare == 1
    assert LabelledRows(X, y, None, None, pos_label="other").rare == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_the_progress_counts_folds_from_1(table, capsys, monkeypatch, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    X, y, _, _ = table
    data = LabelledRows(X, y, None, None)
    protocol = Protocol(data, [(np.arange(200), np.arange(200, 300))], "f1", 0)
    name = "it [red]"  # which is no markup
    run_all({name: GaussianNB()}, protocol, verbose=1)
    shown = capsys.readouterr().err
    assert f"{name}, fold 1/1" in shown
    if terminal:
        assert "━" in shown and "1/1" in shown.replace("fold 1/1", "")
    else:
        line = rf"1 of 1 done after \d+ s; last {re.escape(name)}, fold 1/1\n"
        assert re.fullmatch(line, shown)
    run_all({"it": GaussianNB()}, protocol)
    assert capsys.readouterr().err == ""


def test_a_message_that_differs_in_its_amounts_alone_is_known():
    known = ["Column 3 has 1,024 texts in 2,000 rows, .5 of them new."]
    same = ["Column 3 has 988 texts in 1,999 rows, .48 of them new."]
    other = [
        "Column 4 has 988 texts in 1,999 rows, .48 of them new.",
        "Column V3 has 988 texts in 1,999 rows, .48 of them new.",
        "Column 3 has 988 dates in 1,999 rows, .48 of them new.",
    ]
    assert unlike(same + other, known) == other
    # The first of several stands for all, also of equal ones.
    assert unlike(known + same + known, []) == known
