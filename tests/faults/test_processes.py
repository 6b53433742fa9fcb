"""Forks, threads, killed workers, little memory: right or told, and never hanging."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import joblib
import numpy as np
import pytest
from breaking import SECONDS, in_a_fork, room_of_memory
from numpy.testing import assert_array_equal
from sklearn.linear_model import LogisticRegression

from skadaptive import compare
from skadaptive._training.backend import memory_errors_told

has_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


# ----------------------------------------------------------------------------- forks


def by_multiprocessing(call):
    context = multiprocessing.get_context("fork")
    with context.Pool(1) as pool:
        return pool.apply_async(call).get(60)


def by_joblib(call):
    with joblib.parallel_backend("multiprocessing"):
        jobs = [joblib.delayed(call)() for _ in range(2)]
        return joblib.Parallel(n_jobs=2, timeout=60)(jobs)[0]


def in_a_thread(call):
    """A fork by another thread than the one that has trained."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(in_a_fork, call).result(90)


FORKS = [in_a_fork, by_multiprocessing, by_joblib, in_a_thread]


class Predict:
    """A prediction that processes can be given."""

    def __init__(self, model, X):
        self.given = model, X

    def __call__(self):
        model, X = self.given
        return model.predict_proba(X)


class Fit:
    """A fit that processes can be given; it returns the probabilities."""

    def __init__(self, model, X, y):
        self.given = model, X, y

    def __call__(self):
        model, X, y = self.given
        return model.fit(X, y).predict_proba(X)


@has_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
@pytest.mark.parametrize("fork", FORKS, ids=lambda fork: fork.__name__)
def test_a_forked_child_predicts_and_tells_why_it_cannot_fit(quick, binary, fork):
    X, y = binary
    model = quick().fit(X, y)
    many = np.tile(X, (60, 1))  # divided among threads
    expected = model.predict_proba(many)
    assert_array_equal(fork(Predict(model, many)), expected)
    told = None
    try:
        told = fork(Fit(quick(), X, y))
    except RuntimeError as error:  # as joblib and multiprocessing hand it on
        told = error
    assert isinstance(told, RuntimeError)
    assert "forked after" in str(told) and "spawn" in str(told)


@has_fork
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
@pytest.mark.parametrize("work", ["predict", "fit"])
def test_a_fork_while_another_thread_works(quick, binary, work):
    """Locks that the other thread holds stay locked in the child for good."""
    X, y = binary
    model, many = quick().fit(X, y), np.tile(binary[0], (60, 1))
    expected, ended = model.predict_proba(many), threading.Event()

    def go_on():
        other = quick()
        while not ended.is_set():
            model.predict_proba(many) if work == "predict" else other.fit(X, y)

    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(go_on)
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                found = in_a_fork(Predict(model, many), limit=30)
                assert_array_equal(found, expected)
                told = in_a_fork(Fit(quick(), X, y), limit=30)
                assert isinstance(told, RuntimeError)
        finally:
            ended.set()
        running.result(30)


# --------------------------------------------------------------------------- threads


def test_eight_threads_find_what_one_does(quick, binary):
    """Fits of two architectures, streams and predictions, in turns of their own."""
    X, y = binary
    makers = [
        lambda: quick(random_state=1).fit(X, y),
        lambda: quick(random_state=2, threshold=0.3).fit(X[:, :6], y),
    ]
    if SECONDS > 10:  # others need a second to compile, for each thread
        makers += [
            lambda: quick(random_state=3, hidden_layer_sizes=(4,)).fit(X, y),
            lambda: quick(random_state=4).partial_fit(X, y, classes=[0, 1]),
        ]
    shared = quick().fit(X, y)
    expected = [make().predict_proba(X) for make in makers]
    expected_shared = shared.predict_proba(X)
    end = time.monotonic() + SECONDS

    def go_on(number):
        turns = number
        while turns == number or time.monotonic() < end:
            which = turns % len(makers)
            assert_array_equal(makers[which]().predict_proba(X), expected[which])
            assert_array_equal(shared.predict_proba(X), expected_shared)
            turns += 1
        return turns - number

    with ThreadPoolExecutor(8) as threads:
        turns = list(threads.map(go_on, range(8), timeout=300 + 10 * SECONDS))
    assert min(turns) >= 1
    assert shared.predict_proba(X).dtype == expected_shared.dtype


# --------------------------------------------------------------------------- workers


class Killed(LogisticRegression):
    """Kills the process that fits it, unless that is a given one."""

    def __init__(self, spared=0):
        super().__init__()
        self.spared = spared

    def fit(self, X, y, sample_weight=None):
        if os.getpid() != self.spared:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y, sample_weight)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_worker_is_told(binary):
    X, y = binary
    contenders = {"logistic": LogisticRegression(), "killed": Killed(os.getpid())}
    with pytest.raises(ChildProcessError, match="was killed.*n_jobs.*cache") as caught:
        compare(X, y, contenders=contenders, cv=2, n_jobs=2, verbose=0)
    assert isinstance(caught.value.__cause__, BrokenProcessPool)


# ---------------------------------------------------------------------------- memory


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only on Linux")
@pytest.mark.parametrize("tables", [0.01, 0.5, 2, 4, 6])
def test_memory_that_runs_out_is_told(quick, binary, tables):
    """At each stage of a fit: checks, scaling, the tensors and the networks."""
    X, y = binary
    model = quick(max_epochs=1, batch_size=4096).fit(X, y)
    state, expected = dict(vars(model)), model.predict_proba(X)
    many, labels = np.tile(X, (500, 1)), np.tile(y, 500)
    with (
        room_of_memory(int(tables * many.nbytes)),
        # Python's own where there is no room for a thread.
        pytest.raises((MemoryError, RuntimeError)) as caught,
    ):
        model.fit(many, labels)
    told = caught.value
    words = str(told).lower()
    assert "memory" in words or "allocate" in words or "start new thread" in words
    assert vars(model) == state
    assert_array_equal(model.predict_proba(X), expected)
    assert_array_equal(model.fit(X, y).predict_proba(X), expected)


def test_what_a_backend_says_of_memory_is_a_memory_error():
    """In most fits NumPy is the first to run out."""
    errors = pytest.importorskip("tensorflow").errors
    with (
        pytest.raises(MemoryError, match="batch_size.*partial_fit"),
        memory_errors_told(),
    ):
        raise errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    with pytest.raises(errors.InvalidArgumentError), memory_errors_told():
        raise errors.InvalidArgumentError(None, None, "something else")
