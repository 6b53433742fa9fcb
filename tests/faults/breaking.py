"""What stands in the way of a process: no room, no memory, a fork."""

import os
import pickle
import resource
import signal
import time
from contextlib import contextmanager

import pytest

from skadaptive._io.columns import ColumnFormat
from skadaptive._saving.model_files import ModelFacts, save_model

#: Interrupts of all tests together, about; and seconds of those that go on and on.
MOMENTS = int(os.environ.get("SKADAPTIVE_TESTS_MOMENTS", "8"))
SECONDS = float(os.environ.get("SKADAPTIVE_TESTS_SECONDS", "1"))

# Seconds after which a child process counts as hanging; the slowest takes ten.
LIMIT = 60


def save(model, path):
    """Write a model file, as the command does."""
    formats = dict.fromkeys("abcd", ColumnFormat("number"))
    save_model(path, model, formats, ModelFacts("logistic", "target", 1, False, []))


def contents(folder):
    """Bytes of every file in a folder, by path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@contextmanager
def largest_file(n_bytes):
    """Let no file of this process grow beyond so many bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def room_of_memory(n_bytes):
    """Let this process reserve so many bytes more than it has."""
    with open("/proc/self/statm") as file:
        reserved = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (reserved + n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def in_a_fork(call, limit=LIMIT):
    """What a call returns or raises in a forked child, by the system's own fork.

    A child that takes longer than the limit hangs, and fails the test.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            try:
                outcome = call()
            except BaseException as error:
                outcome = error
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(outcome, pipe)
        finally:
            os._exit(0)
    os.close(writing)
    os.set_blocking(reading, False)
    end, told = time.monotonic() + limit, b""
    with os.fdopen(reading, "rb") as pipe:
        while os.waitpid(child, os.WNOHANG) == (0, 0):
            told += pipe.read() or b""
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                pytest.fail("The forked child hangs.")
            time.sleep(0.01)
        told += pipe.read() or b""
    assert told, "The forked child died."
    return pickle.loads(told)
