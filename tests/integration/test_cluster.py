"""Work on a Dask cluster whose workers are killed: no task is lost, or done twice."""

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from skadaptive import cli, compare
from skadaptive._bulk.files import find_files
from skadaptive._bulk.journal import JOURNAL
from skadaptive._bulk.run import Watch, predict_files
from skadaptive._bulk.scoring import BulkSettings
from skadaptive._cluster import run_tasks
from skadaptive._io.tables import read_table
from skadaptive._saving.container import checksum_of
from skadaptive._saving.model_files import ModelFacts, save_model

distributed = pytest.importorskip("distributed")


@contextmanager
def started(n_workers, **parameters):
    with (
        distributed.LocalCluster(
            n_workers, threads_per_worker=1, dashboard_address=":0", **parameters
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    """Of a cluster within this process: one thread, as warnings are caught in it."""
    with started(1, processes=False) as client:
        yield client


@pytest.fixture
def processes():
    """Client of a cluster whose workers can be killed."""
    with started(2, processes=True) as client:
        yield client


def kill_once(folder, name):
    """Kill this process, unless that was done before."""
    marker = Path(folder) / name
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def double(task, shared):
    if task in (3, 5):
        kill_once(shared["folder"], str(task))
    if task == 7:
        raise ValueError("seven")
    return 2 * task + shared["numbers"].sum()


@pytest.mark.extras
def test_each_task_is_done_though_all_workers_are_killed(processes, tmp_path):
    shared = {"folder": str(tmp_path), "numbers": np.ones(100_000)}
    done = list(run_tasks(processes, double, range(12), shared))
    assert sorted(one.task for one in done) == list(range(12))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "5"]
    for one in done:
        if one.task == 7:
            assert isinstance(one.error, ValueError)
        else:
            assert one.error is None and one.result == 2 * one.task + 100_000


def test_tasks_are_taken_when_workers_are_free(client):
    taken = []

    def tasks():
        for i in range(40):
            taken.append(i)
            yield i

    for done in run_tasks(client, lambda task, shared: task, tasks(), None, ahead=1):
        assert len(taken) <= done.result + 2


def always_kill(task, shared):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.extras
def test_a_task_that_kills_every_worker_fails(processes):
    (done,) = run_tasks(processes, always_kill, [0], None)
    assert "several workers were lost" in str(done.error)


# ----------------------------------------------------------------------------- files


@pytest.fixture
def model_file(tmp_path, binary):
    X, y = binary
    frame = pd.DataFrame(X, columns=list("abcdef"))
    frame.assign(y=y).to_csv(tmp_path / "train.csv", index=False)
    columns = read_table(tmp_path / "train.csv", as_written=["y"]).formats
    model = LogisticRegression().fit(frame, y)
    path = tmp_path / "model"
    save_model(path, model, columns, ModelFacts("logistic", "y", 1, False, []))
    return path


class Killer(Watch):
    """Kills a worker that has a task in hand, once some files are done."""

    def __init__(self, client):
        self.client, self.killed, self.done_files = client, None, []

    def done(self, file, report):
        self.done_files.append(file.name)
        busy = [worker for worker, keys in self.client.processing().items() if keys]
        if self.killed is None and busy and len(self.done_files) >= 2:
            (self.killed,) = self.client.run(os.getpid, workers=busy[:1]).values()
            os.kill(self.killed, signal.SIGKILL)


@pytest.mark.extras
def test_every_row_is_predicted_once_though_a_worker_is_killed(
    processes, model_file, binary, tmp_path
):
    X, _ = binary
    (tmp_path / "new").mkdir()
    for i in range(12):
        frame = pd.DataFrame(X, columns=list("abcdef")).assign(row=i * len(X))
        frame["row"] += np.arange(len(X))
        frame.to_parquet(tmp_path / "new" / f"part-{i:02}.parquet")
    out = tmp_path / "out"
    settings = BulkSettings(
        str(model_file), checksum_of(model_file), id_column="row", n_rows=20
    )
    files, _ = find_files(str(tmp_path / "new"), str(out))
    killer = Killer(processes)
    failures = predict_files(
        files, str(out), settings, scheduler=processes, watch=killer
    )
    assert not failures and killer.killed is not None
    assert sorted(killer.done_files) == [file.name for file in files]
    found = pd.concat([pd.read_parquet(path) for path in sorted(out.glob("*.parquet"))])
    assert found["row"].tolist() == list(range(12 * len(X)))
    alone = tmp_path / "alone.parquet"
    arguments = [files[5].path, "--id", "row", "--out", str(alone)]
    assert cli.main(["predict", str(model_file), *arguments]) == 0
    pd.testing.assert_frame_equal(pd.read_parquet(files[5].out), pd.read_parquet(alone))
    lines = (out / JOURNAL).read_text().splitlines()
    assert sorted(json.loads(line)["input"] for line in lines) == [
        file.name for file in files
    ]
    # Nothing is left of what the killed worker had begun.
    assert len(list(out.iterdir())) == 13


# ------------------------------------------------------------------------ comparison


class KillsAWorker(ClassifierMixin, BaseEstimator):
    """A logistic regression whose first fit in another process kills that process."""

    def __init__(self, folder, tester):
        self.folder, self.tester = folder, tester

    def fit(self, X, y):
        if os.getpid() != self.tester:
            kill_once(self.folder, "killed")
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def compared(X, y, folder, **parameters):
    contenders = {
        "killer": KillsAWorker(str(folder), os.getpid()),
        "logistic": LogisticRegression(C=0.1),
        "fails": LogisticRegression(C=-1.0),
    }
    with pytest.warns(UserWarning, match="fails failed"):
        return compare(
            X, y, contenders=contenders, cv=3, random_state=0, verbose=0, **parameters
        )


def assert_same_comparison(one, other):
    scores = ["average_precision", "f1", "threshold", "tp"]
    for found in ((c.folds_.sort_values(["contender", "fold"])) for c in (one, other)):
        assert len(found) == 6
    a, b = (
        c.folds_.set_index(["contender", "fold"]).sort_index() for c in (one, other)
    )
    assert_allclose(a[scores], b[scores], rtol=1e-9)
    assert a.index.equals(b.index) and one.failures_ == other.failures_
    assert_allclose(one.out_of_fold_[other.table.index], other.out_of_fold_, rtol=1e-9)


def test_a_comparison_on_a_cluster_is_that_of_one_process(client, binary, tmp_path):
    far = compared(*binary, tmp_path, scheduler=client)
    assert_same_comparison(far, compared(*binary, tmp_path))
    with pytest.raises(ValueError, match="n_jobs=2 and a scheduler exclude"):
        compare(*binary, scheduler=client, n_jobs=2)


@pytest.mark.extras
def test_a_comparison_survives_a_killed_worker(processes, binary, tmp_path):
    far = compared(*binary, tmp_path, scheduler=processes)
    assert (tmp_path / "killed").exists()
    assert_same_comparison(far, compared(*binary, tmp_path))


def test_the_commands_take_a_scheduler(
    client, model_file, binary, tmp_path, monkeypatch, capsys
):
    X, y = binary
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(X[:120], columns=list("abcdef")).assign(y=y[:120])
    frame.to_csv("t.csv", index=False)
    far = ["--scheduler", client.scheduler.address]
    handed_over = []
    monkeypatch.setattr(
        "skadaptive._assessment.cross_validation.run_tasks",
        lambda *arguments: handed_over.append(arguments) or run_tasks(*arguments),
    )
    quick = ["--quick", "--folds", "2", "--time-limit", "0.001"]
    assert cli.main(["compare", "t.csv", "--target", "y", *quick, *far]) == 2
    assert "time limit" in capsys.readouterr().err
    assert len(handed_over) == 1
    assert cli.main(["predict", "model", "t.csv", "--out", "out/", *far]) == 0
    assert len(pd.read_csv("out/t.csv")) == 120


def test_a_cluster_without_workers(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("skadaptive._cluster._PATIENCE", 1)
    (tmp_path / "t.csv").write_text("a,y\n" + "1,0\n2,1\n" * 20)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        arguments = ["compare", str(tmp_path / "t.csv"), "--target", "y", "--quick"]
        assert cli.main([*arguments, "--scheduler", address]) == 2
    assert "has no workers. Start some: dask worker tcp" in capsys.readouterr().err
