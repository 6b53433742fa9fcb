"""Tests of a changed copy of the project, in a forked process for each change.

Starting TensorFlow takes seconds, so this process imports what the tests need, runs
nothing of it, and forks. It never imports the package itself.
"""

import compileall
import contextlib
import faulthandler
import gc
import importlib
import os
import py_compile
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

import pytest

HEAVY = [
    "numpy",
    "scipy.stats",
    "scipy.optimize",
    "scipy.sparse",
    "scipy.special",
    "pandas",
    "joblib",
    "sklearn.ensemble",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.neural_network",
    "sklearn.datasets",
    "sklearn.utils.estimator_checks",
    "imblearn.over_sampling",
    "imblearn.under_sampling",
    "imblearn.combine",
    "imblearn.ensemble",
    "imblearn.pipeline",
    "tensorflow",
    "keras",
    "jax",
    "matplotlib.pyplot",
    "hypothesis.strategies",
    "lightgbm",
    "xgboost",
    "optuna",
    "skops.io",
    "onnx",
    "jinja2",
    "rich.progress",
    "fastapi",
]
# A fork has to start TensorFlow and to compile, and the machine may be busy.
SECONDS, TIMES_THE_USUAL = 40.0, 8.0
COLLECTING = 900.0
BYTES = 12 * 2**30


@dataclass(frozen=True)
class Outcome:
    """What became of some tests: "passed", "failed" or "timed out", and at which."""

    status: str
    test: str = ""
    output: str = ""


class Forks:
    """A copy of the project, and processes that test it.

    Parameters
    ----------
    project : Path
    limit : float, default=inf
        Seconds after which no further test of a call begins. Fixtures that tests share
        make a call longer than its tests were when they were recorded.

    Attributes
    ----------
    tree : Path
        The copy.
    took : dict of str to float
        Seconds of each test that has run, the first time.
    """

    def __init__(self, project, limit=float("inf")):
        self._limit = limit
        self._temporary = tempfile.TemporaryDirectory(prefix="mutants-")
        self.tree = Path(self._temporary.name) / "project"
        self.took = {}
        shutil.copytree(
            project,
            self.tree,
            ignore=shutil.ignore_patterns(
                ".git", ".venv*", "__pycache__", "results", ".*_cache", ".hypothesis"
            ),
        )
        # By their contents: a change within a second, of no bytes, must be seen.
        compileall.compile_dir(
            self.tree / "skadaptive",
            quiet=1,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
        os.environ["PYTHONPATH"] = os.pathsep.join(
            [str(self.tree), os.environ.get("PYTHONPATH", "")]
        )
        os.environ["OMP_NUM_THREADS"] = "1"
        # Looking for plugins takes longer than most tests, and none is needed.
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        sys.path.insert(0, str(self.tree))
        for name in HEAVY:
            try:
                importlib.import_module(name)
            except ImportError:  # an extra
                continue
        assert "skadaptive" not in sys.modules
        # The copy is removed when the run is ended from outside, too.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        # pytest collects garbage twice; among so much this takes most of the time.
        gc.freeze()

    def close(self):
        self._temporary.cleanup()

    def collect(self):
        """Names of all tests."""
        names = _Names()
        outcome = self._fork(
            ["--collect-only", "--ignore=tests/mutation"], names, lambda test: 600.0
        )
        if outcome.status != "passed":
            raise RuntimeError(f"The tests cannot be collected:\n{outcome.output}")
        return set(names.seen)

    def run(self, tests, duration, module=None, source=None):
        """Run tests, up to the first that fails, of the module with this source.

        Parameters
        ----------
        tests : list of str
        duration : callable
            Usual seconds of a test.
        module, source : str, default=None
            Without them the project is tested as it stands.
        """
        if module is None:
            return self._fork(tests, _Names(), duration)
        path = self.tree / module
        unchanged = path.read_text(encoding="utf-8")
        path.write_text(source, encoding="utf-8")
        try:
            return self._fork(tests, _Names(), duration)
        finally:
            path.write_text(unchanged, encoding="utf-8")

    def _fork(self, arguments, names, duration):
        reading, writing = os.pipe()
        log = self.tree.parent / "log"
        child = os.fork()
        if child == 0:
            os.close(reading)
            pipe = os.fdopen(writing, "w", encoding="utf-8")
            teller = _Teller(pipe, duration, self._limit)
            _in_the_child(self.tree, log, teller, arguments)
        os.close(writing)
        status, started, limit, rest = None, time.monotonic(), COLLECTING, b""
        while True:
            left = started + limit - time.monotonic()
            if not select.select([reading], [], [], max(left, 0))[0]:
                status = "timed out"  # beyond what the watchdog of the child can end
                break
            read = os.read(reading, 65536)
            if not read:
                break
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                word, _, test = line.decode().partition(" ")
                if word == "start":
                    names.now, started = test, time.monotonic()
                    limit = 30.0 + seconds(duration(test))
                elif word == "seen":
                    names.seen.append(test)
                elif word == "took":
                    took, _, test = test.partition(" ")
                    self.took.setdefault(test, float(took))
                else:
                    status = word
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if status is None:  # the watchdog ended it, or it crashed
            late = time.monotonic() - started > 0.9 * (limit - 30.0)
            status = "timed out" if late else "failed"
        output = log.read_text(errors="replace")[-3000:] if log.exists() else ""
        return Outcome(status, names.now, output)


def seconds(usual):
    """Seconds that a test may take."""
    return SECONDS + TIMES_THE_USUAL * usual


class _Names:
    def __init__(self):
        self.now = ""
        self.seen = []


def _in_the_child(tree, log, teller, arguments):
    """Run pytest and tell how it goes; never returns."""
    code = 70
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.chdir(tree)
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:faulthandler"]
        code = int(pytest.main([*options, *arguments], plugins=[teller]))
        stopped = teller.is_over and code == pytest.ExitCode.INTERRUPTED
        passed = code in (0, 5) or stopped
        teller.tell("passed" if passed else "failed", "")
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class _Teller:
    """A plugin of pytest that tells the parent which test runs."""

    def __init__(self, pipe, duration, limit):
        self._pipe = pipe
        self._duration = duration
        self._ends = time.monotonic() + limit
        self._started = 0.0
        self.is_over = False

    def tell(self, word, test):
        self._pipe.write(f"{word} {test}\n")
        self._pipe.flush()

    def pytest_sessionstart(self, session):
        self._session = session

    def pytest_collection_modifyitems(self, items):
        # Chromium does not start in so little address space.
        items[:] = [i for i in items if "browser" not in getattr(i, "fixturenames", ())]
        for item in items:
            if "\n" not in item.nodeid:
                self.tell("seen", item.nodeid)

    def pytest_runtest_logstart(self, nodeid):
        self.tell("start", nodeid)
        self._started = time.monotonic()
        faulthandler.dump_traceback_later(
            seconds(self._duration(nodeid)), exit=True, file=sys.__stderr__
        )

    def pytest_runtest_logfinish(self, nodeid):
        faulthandler.cancel_dump_traceback_later()
        self.tell("took", f"{time.monotonic() - self._started:.2f} {nodeid}")
        if time.monotonic() > self._ends:
            self.is_over = True
            self._session.shouldstop = "the limit"

    def pytest_sessionfinish(self):
        faulthandler.cancel_dump_traceback_later()
