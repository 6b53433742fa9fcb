"""What a fit tells while it runs: history, callbacks of scikit-learn, trackers."""

import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skadaptive import AdaptiveHybridClassifier, thresholds, trusted_types

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/tracking.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow
has_callbacks = hasattr(AdaptiveHybridClassifier, "set_callbacks")
needs_callbacks = pytest.mark.skipif(
    not has_callbacks, reason="callbacks came with scikit-learn 1.9"
)


class Recorder:
    """Notes what it is called with; ``stop_at`` and ``fail_at`` are epochs from 1."""

    def __init__(self, stop_at=None, fail_at=None):
        self.stop_at, self.fail_at = stop_at, fail_at
        self.calls, self.epochs, self.lengths = [], [], []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def teardown(self, estimator, context):
        self.calls.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(f"begin {context.task_name}")
        self.n_expected = context.max_subtasks or self.n_expected

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        self.calls.append(f"end {context.task_name}")
        if context.task_name != "epoch":
            return False
        self.epochs.append(fitted_estimator)
        self.lengths.append({len(values) for values in estimator.history_.values()})
        if len(self.epochs) == self.fail_at:
            raise RuntimeError("a callback that fails")
        return len(self.epochs) == self.stop_at


class Counter(Recorder):
    """Asks for nothing."""

    def on_fit_task_end(self, estimator, context):
        super().on_fit_task_end(estimator, context)


def data(kind, binary, multiclass):
    X, y = multiclass if kind == "multiclass" else binary
    if kind == "rare first":
        y = 1 - y
    if kind == "sparse":
        X = sp.csr_array(np.where(X > 0, X, 0))
    given = {}
    if kind == "weights":
        given["sample_weight"] = np.linspace(0.5, 2, len(y))
    if kind == "validation":
        given |= {"X_val": X[:100], "y_val": y[:100]}
        X, y = X[100:], y[100:]
    return X, y, given


KINDS = ["plain", "multiclass", "rare first", "sparse", "weights", "validation"]


@needs_callbacks
@pytest.mark.parametrize("kind", KINDS)
def test_an_epoch_looks_like_a_fit_that_ends_with_it(binary, multiclass, quick, kind):
    """And the one of the best epoch is the fitted estimator, to the bit."""
    X, y, given = data(kind, binary, multiclass)
    recorder = Recorder()
    fitted = quick().set_callbacks(recorder).fit(X, y, **given)
    plain = quick().fit(X, y, **given)
    assert_array_equal(fitted.predict_proba(X), plain.predict_proba(X))
    assert fitted.history_ == plain.history_
    assert len(recorder.epochs) == recorder.n_expected == fitted.n_iter_ == 5
    best = recorder.epochs[fitted.best_epoch_ - 1]
    for name in ("predict_proba", "predict", "decision_function"):
        assert_array_equal(getattr(best, name)(X), getattr(fitted, name)(X))
    assert_array_equal(best.oof_proba_, fitted.oof_proba_)
    assert best.threshold_ == fitted.threshold_
    others = [epoch.predict_proba(X) for epoch in recorder.epochs]
    assert len({proba.tobytes() for proba in others}) == 5
    for number, epoch in enumerate(recorder.epochs, 1):
        assert epoch.n_iter_ == len(epoch.history_["score"]) == number
        assert epoch.best_epoch_ <= number


@needs_callbacks
def test_order_of_the_calls(binary, quick):
    recorder = Recorder()
    model = quick(max_epochs=2).set_callbacks(recorder).fit(*binary)
    epoch = ["begin epoch", "end epoch"]
    expected = ["setup", "begin fit", *epoch, *epoch, "end fit", "teardown"]
    assert recorder.calls == expected
    assert recorder.lengths == [{1}, {2}]
    model.partial_fit(*binary)
    assert recorder.calls == expected


@needs_callbacks
def test_a_callback_ends_the_training(binary, quick):
    fitted = quick().set_callbacks(Recorder(stop_at=2)).fit(*binary)
    assert fitted.n_iter_ == 2
    assert fitted.best_epoch_ == 1 + np.argmax(fitted.history_["score"][:2])


@needs_callbacks
def test_a_failing_callback_leaves_the_estimator_as_it_was(binary, quick):
    model = quick().fit(*binary)
    before = pickle.dumps(model)
    recorder = Recorder(fail_at=2)
    model.set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="a callback that fails"):
        model.fit(*binary)
    assert recorder.calls[-1] == "teardown"
    assert pickle.dumps(model.set_callbacks()) == before
    with pytest.raises(ValueError, match="classes"):
        model.set_callbacks(recorder).fit(binary[0], np.zeros(400))
    assert recorder.calls[-2:] == ["setup", "teardown"]
    assert pickle.dumps(model.set_callbacks()) == before


@needs_callbacks
def test_nothing_is_computed_that_no_callback_asks_for(binary, quick, monkeypatch):
    calls, original = [], AdaptiveHybridClassifier._attributes_of

    def counted(self, fitted):
        calls.append(fitted)
        return original(self, fitted)

    monkeypatch.setattr(AdaptiveHybridClassifier, "_attributes_of", counted)

    class Deaf(Recorder):
        def on_fit_task_end(self, estimator, context):
            return None

    quick().set_callbacks(Deaf()).fit(*binary)
    assert len(calls) == 1  # for the estimator itself
    quick().set_callbacks(Recorder()).fit(*binary)
    assert len(calls) == 1 + 1 + 5


@needs_callbacks
def test_scoring_monitor(binary, quick):
    from sklearn.callback import ScoringMonitor

    X, y = binary
    monitor, recorder = ScoringMonitor(scoring="f1"), Recorder()
    fitted = quick().set_callbacks(monitor, recorder).fit(X, y)
    logs = monitor.get_logs().data_as_pandas
    of_epochs = logs[logs["task_name"] == "epoch"]
    expected = [f1_score(y, epoch.predict(X)) for epoch in recorder.epochs]
    assert_allclose(of_epochs["f1"], expected)
    (of_fit,) = logs.loc[logs["task_name"] == "fit", "f1"]
    assert of_fit == f1_score(y, fitted.predict(X))


@needs_callbacks
def test_scoring_monitor_takes_the_weights(binary, quick):
    from sklearn.callback import ScoringMonitor

    X, y = binary
    weight = np.linspace(0.1, 3, len(y))
    monitor = ScoringMonitor(scoring="f1")
    fitted = quick().set_callbacks(monitor).fit(X, y, sample_weight=weight)
    logs = monitor.get_logs().data_as_pandas
    expected = f1_score(y, fitted.predict(X), sample_weight=weight)
    assert logs.loc[logs["task_name"] == "fit", "f1"].item() == pytest.approx(expected)


@needs_callbacks
def test_progress_bars_of_epochs_inside_a_search_and_a_pipeline(binary, quick, capsys):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    model = make_pipeline(StandardScaler(), quick(max_epochs=2))
    grid = {"adaptivehybridclassifier__gamma": [1, 2]}
    search = GridSearchCV(model, grid, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(*binary)
    shown = capsys.readouterr().out
    assert "AdaptiveHybridClassifier - fit" in shown
    assert "100%" in shown


@needs_callbacks
def test_clones_share_callbacks_and_pickles_keep_them(binary, quick):
    recorder = Recorder()
    model = quick(max_epochs=2).set_callbacks(recorder)
    clone(model).fit(*binary)
    assert len(recorder.epochs) == 2
    recorder.epochs.clear()
    again = pickle.loads(pickle.dumps(model.fit(*binary)))
    assert_array_equal(again.predict_proba(binary[0]), model.predict_proba(binary[0]))
    again.fit(*binary)
    assert len(recorder.epochs) == 2  # the copy has callbacks of its own


@needs_callbacks
def test_epochs_of_a_warm_start_count_on(binary, quick):
    recorder = Recorder()
    model = quick(max_epochs=2, warm_start=True).set_callbacks(recorder)
    model.fit(*binary).fit(*binary)
    assert recorder.lengths == [{1}, {2}, {3}, {4}]


# ------------------------------------------------------------------------ the history


@pytest.mark.parametrize("adaptation", ["performance", "threshold"])
def test_the_history_is_a_table_whose_columns_are_described(binary, quick, adaptation):
    fitted = quick(max_epochs=3, adaptation=adaptation).fit(*binary)
    table = pd.DataFrame(fitted.history_)
    assert len(table) == fitted.n_iter_ == 3
    assert all(pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes)
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE, re.MULTILINE)
    described = re.findall(r"`(\w+)`", " ".join(rows))
    n_always = 6
    assert list(table) == described[: None if adaptation == "threshold" else n_always]


# ---------------------------------------------------------------------- trusted types


def fitted_classifiers(quick, X, y):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame["kind"] = pd.Series(np.where(X[:, 0] > 0, "u", None), dtype="category")
    several = np.where(X[:, 0] > 1, 2, y)
    yield quick(calibration="isotonic").fit(frame, y), frame
    yield quick(warm_start=True).fit(X, np.where(y, "a", "b")), X
    yield quick().partial_fit(X, several, classes=[0, 1, 2]), X
    wide = sp.random(len(y), 2100, density=0.01, format="csr", random_state=0)
    yield quick(adaptation="threshold").fit(wide, y), wide
    for criterion in (
        thresholds.f1,
        thresholds.recall_at_precision(0.5),
        thresholds.precision_at_recall(0.5),
        thresholds.expected_cost([[0, 1], [5, 0]]),
    ):
        yield quick(threshold=criterion, class_weight="balanced").fit(X, y), X


def test_trusted_types_are_enough_and_none_is_too_much(binary, quick):
    io = pytest.importorskip("skops.io")
    used = set()
    for model, X in fitted_classifiers(lambda **p: quick(max_epochs=2, **p), *binary):
        data = io.dumps(model)
        used |= set(io.get_untrusted_types(data=data))
        loaded = io.loads(data, trusted=trusted_types())
        assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert set(trusted_types()) >= used
    # skops of other releases trusts other types of its own accord.
    assert {name for name in trusted_types() if name not in used} <= {
        "skadaptive.thresholds.f1"
    }


# --------------------------------------------------------------------------- the page


TRACKED = """
assert (loaded.predict_proba(X) == classifier.predict_proba(X)).all()
client = mlflow.MlflowClient()
for name, column in classifier.history_.items():
    if name != "epoch":
        logged = client.get_metric_history(run.info.run_id, name)
        assert [(m.step, m.value) for m in logged] == [*enumerate(column, 1)], name
assert client.get_run(run.info.run_id).data.params["gamma"] == "2.0"

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

events = EventAccumulator("runs/first").Reload()
shown = events.Tensors("score")
assert [event.step for event in shown] == classifier.history_["epoch"]
values = [make_ndarray(event.tensor_proto) for event in shown]
assert abs(values - pd.Series(classifier.history_["score"])).max() < 1e-6
"""


@needs_callbacks
@pytest.mark.extras
def test_the_page_runs(tmp_path):
    """Every epoch is logged, and the model that is loaded predicts the same."""
    pytest.importorskip("mlflow")
    pytest.importorskip("tensorboard")
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 5
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path}/mlflow.db"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "\n".join([*blocks, TRACKED])],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "AdaptiveHybridClassifier - fit" in done.stdout
