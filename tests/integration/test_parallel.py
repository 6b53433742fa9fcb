"""Several jobs, threads, processes and machines; data that do not fit at once."""

import json
import multiprocessing
import os
import subprocess
import sys

import joblib
import numpy as np
import pytest
from imblearn.ensemble import BalancedBaggingClassifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, cross_validate

# ------------------------------------------------------------------ jobs and threads


def threads_used(**environment):
    """Threads of TensorFlow within and across operations, in a process of its own.

    As TensorFlow says, where 0 is its own choice, and within as the program has it.
    """
    code = """
import json
from skadaptive._training.tensorflow_program import _intra_op_threads
from tensorflow.config.threading import *
get = get_intra_op_parallelism_threads, get_inter_op_parallelism_threads
print(json.dumps([*(function() for function in get), _intra_op_threads()]))
"""
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    inherited = {k: v for k, v in os.environ.items() if k not in names}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, [0, 0, joblib.cpu_count()]),
        ({"OMP_NUM_THREADS": "3"}, [3, 3, 3]),
        ({"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "2"}, [0, 3, 2]),
        ({"OMP_NUM_THREADS": "2,1"}, [0, 0, joblib.cpu_count()]),
        ({"TF_NUM_INTRAOP_THREADS": ""}, [0, 0, joblib.cpu_count()]),
    ],
)
def test_threads_keep_to_what_is_given(environment, expected):
    assert threads_used(**environment) == expected


def fit_and_count(model, X, y):
    """Scores of a fit, and the threads that it may use."""
    import tensorflow as tf

    proba = model.fit(X, y).predict_proba(X)
    return proba, tf.config.threading.get_intra_op_parallelism_threads()


def test_workers_share_the_cores(quick, binary):
    X, y = binary
    models = [quick(random_state=seed) for seed in range(2)]
    jobs = [joblib.delayed(fit_and_count)(model, X, y) for model in models]
    with joblib.parallel_backend("loky", inner_max_num_threads=1):
        found = joblib.Parallel(n_jobs=2)(jobs)
    for model, (proba, n_threads) in zip(models, found, strict=True):
        assert n_threads == 1
        assert_allclose(proba, model.fit(X, y).predict_proba(X), rtol=1e-4)


def predict_into(queue, model, X):
    queue.put(model.predict_proba(X))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
# JAX, if another test has started it; predictions do not use it.
@pytest.mark.filterwarnings("ignore:os.fork.*:RuntimeWarning")
def test_predicts_after_a_fork(quick, binary):
    """As a server does that loads the model before it forks its workers."""
    X, y = binary
    model = quick().fit(X, y)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    worker = context.Process(target=predict_into, args=(queue, model, X))
    worker.start()
    found = queue.get(timeout=60)
    worker.join(timeout=60)
    assert worker.exitcode == 0
    assert_array_equal(found, model.predict_proba(X))


# --------------------------------------------------------------------------- cluster


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield cluster


def test_a_cluster_finds_what_one_process_does(cluster, quick, binary):
    X, y = binary
    searches = [
        GridSearchCV(quick(), {"gamma": [0.5, 2.0]}, cv=2, scoring="average_precision")
        for _ in range(2)
    ]
    bags = [
        BalancedBaggingClassifier(quick(), n_estimators=2, random_state=0)
        for _ in range(2)
    ]
    with joblib.parallel_backend("dask"):
        far = searches[0].fit(X, y), bags[0].fit(X, y)
        scores = cross_validate(quick(), X, y, cv=2, scoring="roc_auc")["test_score"]
    near = searches[1].fit(X, y), bags[1].fit(X, y)
    for one, other in zip(far, near, strict=True):
        assert_allclose(one.predict_proba(X), other.predict_proba(X), rtol=1e-4)
    alone = cross_validate(quick(), X, y, cv=2, scoring="roc_auc")["test_score"]
    assert_allclose(scores, alone, rtol=1e-4)


# ---------------------------------------------------------------------------- a fork


def outcome(queue, call):
    """Put what a call returns, or the error that it raises, into a queue."""
    try:
        queue.put(call())
    except Exception as error:
        queue.put(error)


def in_a_fork(call):
    """What a call returns or raises in a forked child."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=outcome, args=(queue, call))
    child.start()
    child.join(60)
    if child.exitcode is None:
        child.kill()
        pytest.fail("The forked child hangs.")
    return queue.get()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_predicts_and_says_why_it_cannot_train(quick, binary):
    X, y = binary
    model = quick().fit(X, y)
    assert_array_equal(in_a_fork(lambda: model.predict(X)), model.predict(X))
    trials = {
        "fit": lambda: quick().fit(X, y),
        "partial_fit": lambda: quick().partial_fit(X, y, classes=[0, 1]),
        "model_": lambda: model.model_,
        "in a child of the child": lambda: in_a_fork(lambda: quick().fit(X, y)),
    }
    for call in trials.values():
        told = in_a_fork(call)
        assert isinstance(told, RuntimeError)
        assert "forked after" in str(told) and "spawn" in str(told)
    model.fit(X, y)  # and the parent goes on


# ---------------------------------------------------------------------------- chunks


@pytest.fixture
def chunks(rng, tmp_path):
    """A table on the disk, a class of 5 %, and how to read it part by part."""
    X = np.lib.format.open_memmap(
        tmp_path / "X.npy", mode="w+", dtype="float32", shape=(6000, 5)
    )
    X[:] = rng.normal(size=X.shape)
    y = (X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=len(X)) > 2.3).astype(int)
    X.flush()
    return np.load(tmp_path / "X.npy", mmap_mode="r"), y


def learnt(quick, parts, X, y):
    model = quick(hidden_layer_sizes=(32,))
    for _ in range(3):
        for part, labels in parts():
            model.partial_fit(part, labels, classes=[0, 1])
    return average_precision_score(y, model.predict_proba(X)[:, 1])


def test_chunks_of_a_memory_map(quick, chunks):
    X, y = chunks
    cuts = [slice(start, start + 1000) for start in range(0, 6000, 1000)]
    found = learnt(quick, lambda: ((X[c], y[c]) for c in cuts), X, y)
    assert found > 5 * y.mean()


def test_blocks_of_a_dask_array(quick, chunks):
    array = pytest.importorskip("dask.array")
    X, y = chunks
    blocks = array.from_array(X, chunks=(1500, 5)).blocks
    labels = array.from_array(y, chunks=1500).blocks

    def parts():
        for index in range(blocks.size):
            yield blocks[index].compute(), labels[index].compute()

    assert learnt(quick, parts, X, y) > 5 * y.mean()
