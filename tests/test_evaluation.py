"""Evaluate any fitted classifier."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import binom, binomtest
from sklearn import metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError, UndefinedMetricWarning
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from skadaptive import evaluate
from skadaptive._assessment.measures import bootstrap_measures

NAMES = ["average_precision", "roc_auc", "brier_score"]
NAMES += ["f1", "precision", "recall", "accuracy"]
PLOTS = ["confusion_matrix", "precision_recall", "roc", "calibration", "threshold"]


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


def test_intervals_hold_the_truth_as_often_as_they_say(rng):
    """A recall of 0.7 and an AUC of 0.76 over many samples, at 90 %."""
    held, n_samples = [], 600
    for _ in range(n_samples):
        y = np.repeat([1, 0], [80, 120])
        proba = rng.normal(y, 1.0)
        labels = (proba > 1 - 0.5244).astype(int)  # 70 % of the rare rows
        drawn, _ = bootstrap_measures(y, proba, labels, np.ones(200), 100, rng)
        low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
        truth = np.array([0.7602, 0.7])  # of the normal distributions
        columns = [NAMES.index("roc_auc"), NAMES.index("recall")]
        held.append((low[columns] <= truth) & (truth <= high[columns]))
    n_held = np.sum(held, axis=0)
    # Of 3,000 samples 0.885 and 0.901 were held. By luck, either bound is passed in one
    # of 10^5 runs at most.
    assert (n_held > binom.ppf(1e-5, n_samples, 0.875)).all(), n_held
    assert (n_held < binom.isf(1e-5, n_samples, 0.91)).all(), n_held


@pytest.mark.parametrize("level, width", [(0.95, 3.92), (0.5, 1.349)])
def test_intervals_are_as_wide_as_their_level(predictions, level, width):
    """Of the Brier score, a sum, by the normal distribution."""
    y, proba, _ = predictions
    loss = (proba - y) ** 2
    error = np.sqrt(sum(np.sum(y == k) * loss[y == k].var() for k in (0, 1))) / len(y)
    found = told(y, proba, n_bootstraps=2000, confidence_level=level)
    row = found.table.loc["brier_score"]
    assert row["high"] - row["low"] == pytest.approx(width * error, rel=0.1)


def test_intervals_contain_the_value(predictions):
    y, proba, _ = predictions
    found = told(y, proba, n_bootstraps=200)
    for table in (found.table, found.confusion_matrix_):
        assert list(table) == ["value", "low", "high"]
        assert (table["low"] <= table["value"]).all()
        assert (table["value"] <= table["high"]).all()
        assert (table["low"] < table["high"]).all()


def test_the_seed_makes_it_repeatable(predictions):
    y, proba, _ = predictions
    tables = [told(y, proba, random_state=seed).table for seed in (1, 1, 2)]
    pd.testing.assert_frame_equal(tables[0], tables[1])
    assert not tables[0].equals(tables[2])
    np.testing.assert_array_equal(tables[0]["value"], tables[2]["value"])


def test_the_unit_of_weights_does_not_matter(predictions, rng):
    y, proba, _ = predictions
    weight = rng.uniform(0.5, 2, len(y))
    tables = [told(y, proba, sample_weight=unit * weight).table for unit in (1, 40)]
    pd.testing.assert_frame_equal(*tables)


def test_rows_without_weight_change_nothing(predictions):
    y, proba, _ = predictions
    ones = np.ones(len(y))
    more = told(np.r_[y, 1, 0], np.r_[proba, 0.0, 1.0], sample_weight=np.r_[ones, 0, 0])
    pd.testing.assert_frame_equal(more.table, told(y, proba).table)


# ------------------------------------------------------------------------- evaluation


def test_perfect_predictions():
    found = told([0, 0, 0, 1, 1], [0.0, 0.0, 0.0, 1.0, 1.0]).table
    assert (found["value"].drop("brier_score") == 1).all()
    assert (found.loc["brier_score"] == 0).all()


def test_shares_without_spread_have_the_exact_interval():
    """Precision of 37 alarms, 37 of them right."""
    y = np.repeat([1, 0], [50, 500])
    proba = np.where(np.arange(550) < 37, 0.9, 0.1)
    found = told(y, proba)
    exact = binomtest(37, 37).proportion_ci(0.95, method="exact")
    row = found.table.loc["precision"]
    assert tuple(row) == pytest.approx((1, exact.low, 1))
    assert row["low"] == pytest.approx(0.905, abs=5e-4)
    exact = binomtest(0, 500).proportion_ci(0.95, method="exact")
    cells = found.confusion_matrix_
    assert tuple(cells.loc[(0, 1)]) == pytest.approx((0, 0, 500 * exact.high))
    assert tuple(cells.loc[(0, 0)]) == pytest.approx((500, 500 * (1 - exact.high), 500))
    # Other shares keep the interval of their resamples.
    drawn = told(y, proba, n_bootstraps=200).table
    assert (drawn.loc["recall", "low"] > 0) and (drawn.loc["recall", "high"] < 1)


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("is_right", [True, False])
def test_without_any_mistake_or_hit_nothing_is_certain(level, is_right, rng):
    y = np.repeat([1, 0], [20, 80])
    proba = np.where(y == is_right, 0.9, 0.1)
    weight = rng.uniform(0.1, 5, len(y))
    plain = told(y, proba, confidence_level=level).table
    exact = {
        name: binomtest(n * is_right, n).proportion_ci(level, method="exact")
        for name, n in {"recall": 20, "precision": 20 + 60 * (not is_right)}.items()
    }
    for name, ends in exact.items():
        assert tuple(plain.loc[name, ["low", "high"]]) == pytest.approx(ends)
    low, high = plain.loc["f1", ["low", "high"]]
    ends = binomtest(20 * is_right, 20 if is_right else 100)
    ends = np.array(ends.proportion_ci(level, method="exact"))
    assert (low, high) == pytest.approx(tuple(2 * ends / (1 + ends)))
    # Weights tell less than as many equal rows, and their unit does not matter.
    for unit in (1, 1e-200):
        found = told(
            y, proba, confidence_level=level, sample_weight=unit * weight
        ).table
        width, equal = (t["high"] - t["low"] for t in (found, plain))
        for name in ("f1", "precision", "recall", "accuracy"):
            assert width[name] > equal[name]


def test_no_alarm_at_all_tells_nothing_of_precision():
    found = told([0, 0, 0, 1, 1], [0.1] * 5).table
    assert tuple(found.loc["precision"]) == (0, 0, 1)


def test_confusion_matrix(predictions):
    y, proba, labels = predictions
    matrix = told(y, proba).confusion_matrix_["value"]
    assert matrix.sum() == len(y)
    np.testing.assert_array_equal(matrix.unstack(), metrics.confusion_matrix(y, labels))
    # Also where the first of the classes is the rare one.
    swapped = told(1 - y, 1 - proba).confusion_matrix_["value"]
    np.testing.assert_array_equal(
        swapped.unstack(), metrics.confusion_matrix(1 - y, 1 - labels)
    )


def test_labels_may_change_sides(predictions):
    """Other names, and the rare one first in order: the same is found."""
    y, proba, labels = predictions
    text = np.where(y == 1, "a fraud", "honest")
    plain, swapped = told(y, proba), told(text, 1 - proba)
    assert plain.pos_label_ == 1 and swapped.pos_label_ == "a fraud"
    pd.testing.assert_frame_equal(plain.table, swapped.table)
    assert plain.threshold_ == swapped.threshold_ == 0.5
    np.testing.assert_allclose(swapped.probabilities_, proba)
    np.testing.assert_array_equal(swapped.y_, text)
    np.testing.assert_array_equal(
        swapped.predictions_, np.where(labels == 1, "a fraud", "honest")
    )
    common = told(text, 1 - proba, pos_label="honest")
    assert common.table.loc["recall", "value"] == pytest.approx(
        metrics.recall_score(1 - y, 1 - labels)
    )


def test_the_rare_class_is_the_one_of_the_fit(quick, binary):
    """Rows to be judged may have other shares than those that it was fitted to."""
    X, y = binary
    model = make_pipeline(StandardScaler(), quick(threshold=0.3)).fit(X, y)
    judged = np.r_[np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:5]]
    found = evaluate(model, X[judged], y[judged], n_bootstraps=10)
    assert found.pos_label_ == 1
    assert found.threshold_ == pytest.approx(0.3)
    assert "the positive class, threshold 0.3. 95 % intervals" in repr(found)
    assert found.name == "AdaptiveHybridClassifier"
    other = LogisticRegression().fit(X, y)
    found = evaluate(other, X[judged], y[judged], n_bootstraps=10)
    assert found.pos_label_ == 0


def test_weights_tell_which_class_is_rare(predictions):
    y, proba, _ = predictions
    found = told(y, proba, sample_weight=np.where(y == 1, 20.0, 1.0))
    assert found.pos_label_ == 0


def test_a_classifier_without_probabilities(binary):
    """Its scores are none, even where they lie in [0, 1]."""

    class Bounded(LinearSVC):
        def decision_function(self, X):
            return expit(super().decision_function(X))

        def predict(self, X):
            return self.classes_[(self.decision_function(X) > 0.5).astype(int)]

    X, y = binary
    model = Bounded().fit(X, 1 - y)  # the first class is the rare one
    with pytest.warns(UndefinedMetricWarning, match="brier_score.* no predict_proba"):
        found = evaluate(model, X, 1 - y, n_bootstraps=20)
    assert found.table.loc["brier_score"].isna().all()
    value = found.table["value"]
    assert value["roc_auc"] == pytest.approx(
        metrics.roc_auc_score(1 - y, model.decision_function(X))
    )
    assert value["f1"] == pytest.approx(metrics.f1_score(y, 1 - model.predict(X)))
    assert found.probabilities_ is None and found.threshold_ is None
    assert "the positive class. 95 % intervals from" in repr(found)
    with pytest.warns(UndefinedMetricWarning):
        second = evaluate(Bounded().fit(X, y), X, y, n_bootstraps=20)
    assert second.table.loc["brier_score"].isna().all()


@pytest.mark.parametrize(
    "label, missing",
    [(0, ["average_precision", "roc_auc", "f1", "precision", "recall"])]
    + [(1, ["average_precision", "roc_auc"])],
)
def test_one_class_only(label, missing, tmp_path):
    y, proba = np.full(6, label), np.linspace(0, 1, 6)
    with pytest.warns(UndefinedMetricWarning, match=", ".join(missing)) as caught:
        found = told(y, proba, labels=[0, 1])
    assert caught[0].filename == __file__
    assert list(found.table.index[found.table["value"].isna()]) == missing
    assert found.table.loc[missing].isna().all(axis=None)
    assert found.table.drop(missing).notna().all(axis=None)
    assert found.pos_label_ == 1
    written = found.save(tmp_path)
    assert [path.stem for path in written] == [
        "metrics",
        "confusion_matrix",
        "calibration",
    ]
    stored = json.loads(written[0].read_text())["measures"]
    assert stored["roc_auc"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(X=np.ones((3, 1))), "X has 3, y has 4"),
        (dict(sample_weight=[1, 1]), "sample_weight has 2"),
        (dict(sample_weight=[0, 0, 0, 0]), "all zero"),
        (dict(sample_weight=[1, 1, 1, np.inf]), "finite"),
        (dict(y=[0, 1, 2, 7]), "not known: 2, 7. The classes are 0, 1"),
        (dict(y=["0", "1", "0", "1"]), "not known: '0', '1'"),
        (dict(y=[0, 1, np.nan, 1]), "1 of 4 values of y are missing"),
        (dict(X=np.ones((0, 1)), y=[]), "y is empty"),
        (dict(pos_label=3), "pos_label=3 is none of the classes, 0, 1"),
        (dict(n_bootstraps=0), "n_bootstraps"),
        (dict(confidence_level=95), "confidence_level"),
        (dict(X=[[0.1], [np.nan], [0.2], [0.3]]), "1 of 4 rows a score"),
    ],
)
def test_wrong_data_are_refused(change, message):
    model = Told().fit(None, [0, 1])
    given = {"X": np.full((4, 1), 0.3), "y": [0, 1, 0, 1], **change}
    X, y = np.asarray(given.pop("X")), given.pop("y")
    with pytest.raises(ValueError, match=message):
        evaluate(model, X, y, **given)


def test_wrong_estimators_are_refused(binary, multiclass):
    X, y = binary
    with pytest.raises(ValueError, match=r"LinearRegression\(\) is none"):
        evaluate(LinearRegression().fit(X, y), X, y)
    for unfitted in (LogisticRegression(), make_pipeline(LogisticRegression()), Told()):
        with pytest.raises(NotFittedError):
            evaluate(unfitted, X, y)
    for wrong in (LogisticRegression, "a model", None):
        with pytest.raises(ValueError, match="Pass a fitted classifier"):
            evaluate(wrong, X, y)
    with pytest.raises(ValueError, match=r"two classes .* has 3, \[0, 1, 2\]"):
        evaluate(LogisticRegression().fit(*multiclass), *multiclass)

    class Mute(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def fit(self, X, y):
            return self

        def predict(self, X):
            return np.zeros(len(X), int)

    with pytest.raises(ValueError, match="neither predict_proba nor decision_function"):
        evaluate(Mute(), X, y)


def test_any_container_of_labels(predictions):
    y, proba, _ = predictions
    text = np.where(y == 1, "yes", "no")
    expected = told(text, proba).table
    for like in (list(text), pd.Series(text), pd.Series(text, dtype="category")):
        found = told(like, proba, labels=text)
        pd.testing.assert_frame_equal(found.table, expected)
        assert found.pos_label_ == "yes"
    truth = told(y.astype(bool), proba)
    assert truth.pos_label_ is np.True_
    np.testing.assert_array_equal(truth.table, expected)


def test_it_reads_well(predictions):
    y, proba, _ = predictions
    text = np.where(y == 1, "<b>", "common")
    found = told(text, 1 - proba, sample_weight=np.full(len(y), 2.0))
    shown = repr(found)
    for word in ("240 rows", "36 of them <b>", "15.00% by weight", "95 %", *NAMES):
        assert word in shown
    recall = found.table.loc["recall"]
    for number in recall:
        assert f"{number:.4f}" in shown
    html = found._repr_html_()
    assert "<b>" not in html and "&lt;b&gt;" in html
    for name in NAMES:
        assert f"<th>{name}</th>" in html
    for number in recall:
        assert f"<td>{number:.4f}</td>" in html


def test_save(predictions, tmp_path):
    y, proba, _ = predictions
    found = told(np.where(y == 1, "fraud", "fine"), proba)
    folder = tmp_path / "run" / "one"
    written = found.save(str(folder))
    assert [path.name for path in written] == ["metrics.json"] + [
        f"{name}.png" for name in PLOTS
    ]
    assert sorted(folder.iterdir()) == sorted(written)
    for path in written[1:]:
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000
    stored = json.loads(written[0].read_text())
    table = pd.DataFrame(stored["measures"]).T
    pd.testing.assert_frame_equal(table, found.table, check_names=False)
    assert sum(cell["value"] for cell in stored["confusion_matrix"]) == len(y)
    assert stored["threshold"] == 0.5 and stored["n_positive"] == 36
    assert stored["pos_label"] == "fraud" and stored["weighted"] is False
    weighted = told(y, proba, sample_weight=np.full(len(y), 2.0))._as_dict()
    assert weighted["weighted"] is True and weighted["n_samples"] == 240
    assert found.save(folder) == written


def test_curves_of_weighted_rows(predictions):
    """The chance level is a share by weight, the labels those of the user."""
    y, proba, _ = predictions
    weight = np.where(y == 1, 1.0, 10.0)
    figures = told(y, proba, sample_weight=weight)._figures()
    assert list(figures) == PLOTS
    chance = [
        line
        for line in figures["precision_recall"].axes[0].lines
        if "Chance" in line.get_label()
    ]
    assert chance[0].get_ydata()[0] == pytest.approx(36 / (36 + 2040))
    lines = figures["roc"].axes[0].lines
    assert any("Chance" in line.get_label() for line in lines)


def test_save_needs_matplotlib(tmp_path):
    """And writes nothing without; evaluating does not need it."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from sklearn.linear_model import LogisticRegression as L\n"
        "from skadaptive import ThresholdDisplay, evaluate\n"
        "X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]\n"
        "found = evaluate(L().fit(X, y), X, y, n_bootstraps=5)\n"
        "for draw in (lambda: found.save('run'),\n"
        "             lambda: ThresholdDisplay.from_predictions(y, X[0] * 4)):\n"
        "    try:\n"
        "        draw()\n"
        "    except ImportError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.count("requires matplotlib") == 2, done.stderr
    assert not list(tmp_path.iterdir())


def test_the_rare_class_of_a_fixed_threshold(breast_cancer):
    """Is the one that it was fixed for, in rows of any share, as the threshold is."""
    X, y = breast_cancer
    text = np.where(y == 1, "bad", "good")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, text)
    fixed = FixedThresholdClassifier(
        FrozenEstimator(model), threshold=0.3, pos_label="bad"
    ).fit(X, text)
    rows = np.r_[np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:20]]
    found = evaluate(fixed, X[rows], text[rows], n_bootstraps=10)
    assert found.pos_label_ == "bad" and found.threshold_ == 0.3
