"""Ctrl-C at random moments: everything is as before, and the next call works.

Python may lose an interrupt that comes while it collects garbage, and prints "Exception
ignored"; the call is then complete.
"""

import os
import signal
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from breaking import MOMENTS, contents
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from skadaptive import cli, compare
from skadaptive._interrupts import held_back, settings_kept
from skadaptive._io.atomic import replace_atomically
from skadaptive._training.backend import keras_backend_chosen, load_program

pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers here"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def interrupts_are_heard():
    """A program that was started in the background ignores them from its beginning."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def interrupt_after(seconds):
    """Press Ctrl-C so many seconds from now, unless the block has ended by then."""
    before = signal.getsignal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))
            yield
        finally:  # where it may still come
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def seconds_of(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def settings():
    """What an interrupt may not leave changed."""
    keras = pytest.importorskip("keras")
    return {
        "handlers": signal.getsignal(signal.SIGINT),
        "environment": dict(os.environ),
        "policy": keras.config.dtype_policy().name,
        "numbers": (keras.config.floatx(), keras.config.epsilon()),
        "errors": np.geterr(),
        "warnings": (warnings.filters[:], warnings.showwarning),
        "random numbers": np.random.get_state()[1].tolist(),
    }


def interrupted(call, seconds):
    """Whether Ctrl-C has ended a call."""
    with suppress(KeyboardInterrupt), interrupt_after(seconds):
        call()
        return False
    return True


@pytest.fixture
def moments(rng):
    """Random shares of the time of a call, the first at its very beginning."""
    return lambda share: [0.0, *rng.uniform(0, 1, max(1, MOMENTS * share // 40 - 1))]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_training_is_undone(quick, binary, moments, method, is_fitted):
    X, y = binary

    def learn(model, X, y):
        if method == "fit":
            return model.fit(X, y)
        return model.partial_fit(X, y, classes=[0, 1])

    expected = learn(quick(), X, y).predict_proba(X)
    duration = seconds_of(lambda: learn(quick(), X, y))
    n_interrupted = 0
    for share in moments(10):
        model = learn(quick(), X, y) if is_fitted else quick()
        before, outside = dict(vars(model)), settings()
        # Other rows, so that a trace of them would show; more columns are no mistake.
        new = X if method == "partial_fit" else X[:, :5]
        if not interrupted(lambda: learn(model, new, y), share * duration):  # noqa: B023
            continue
        n_interrupted += 1
        after = vars(model)
        assert after.keys() == before.keys()
        assert all(after[name] is before[name] for name in before)
        assert settings() == outside
        if is_fitted:
            assert_array_equal(model.predict_proba(X), expected)
        else:
            with pytest.raises(NotFittedError):
                model.predict(X)
    assert n_interrupted
    # As before any of them, to the bit, also where programs were compiled half.
    assert_array_equal(learn(quick(), X, y).predict_proba(X), expected)


def test_an_interrupted_compilation_leaves_no_trace(quick, binary):
    """The longest part of the first fit of an architecture."""
    X, y = binary
    expected = quick().fit(X, y).predict_proba(X)
    load_program().pool.clear()
    model = quick()
    assert interrupted(lambda: model.fit(X, y), 0.15)
    assert vars(model) == vars(quick())
    assert_array_equal(model.fit(X, y).predict_proba(X), expected)


def test_a_compilation_is_finished_before_an_interrupt(quick, binary, monkeypatch):
    """Half a compilation can leave TensorFlow in graph mode for good."""
    program = load_program()
    if program.__name__.endswith("jax_program"):
        pytest.skip("JAX has no such mode")
    hybrid, done = program.hybrid, []

    def interrupts(*args, **kwargs):
        signal.raise_signal(signal.SIGINT)
        done.append(True)
        return hybrid(*args, **kwargs)

    program.pool.clear()
    monkeypatch.setattr(program, "hybrid", interrupts)
    with pytest.raises(KeyboardInterrupt):
        quick().fit(*binary)
    assert done


def test_predicting_goes_on(quick, binary, moments):
    X, y = binary
    model = quick().fit(X, y)
    many = np.tile(X, (100, 1))
    expected, state = model.predict_proba(many), dict(vars(model))
    duration = seconds_of(lambda: model.predict_proba(many))
    for share in moments(20):
        interrupted(lambda: model.predict_proba(many), share * duration)
        assert vars(model) == state
        assert_array_equal(model.predict_proba(many), expected)


def test_a_comparison_keeps_what_is_finished_or_nothing(binary, moments):
    X, y = binary
    contenders = {"logistic": LogisticRegression(), "bayes": GaussianNB()}

    def run():
        return compare(
            X, y, contenders=contenders, cv=3, random_state=0, n_jobs=1, verbose=0
        )

    whole, outside = run(), settings()
    duration = seconds_of(run)
    for share in moments(20):
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of what is not finished
            stopped = interrupted(lambda: found.append(run()), share * duration)  # noqa: B023
        assert settings() == outside
        if stopped:
            continue
        for name in found[0].table.index:  # finished, and as without an interrupt
            columns = ["mean_f1", "mean_average_precision"]
            assert_array_equal(
                found[0].table.loc[name, columns], whole.table.loc[name, columns]
            )


def test_the_command_writes_all_or_nothing(folder, capsys, moments):
    arguments = ["predict", "it.model", "rows.csv", "--out", "out.csv"]
    assert cli.main(arguments) == 0
    complete = (folder / "out.csv").read_bytes()
    before = contents(folder) | {"out.csv": b"the old file"}
    duration = seconds_of(lambda: cli.main(arguments))
    codes = []
    for share in moments(30):
        (folder / "out.csv").write_bytes(b"the old file")
        # Before and after the work the interrupt is Python's own.
        if interrupted(lambda: codes.append(cli.main(arguments)), share * duration):
            codes.append(130)
        after = contents(folder)
        assert after.pop("out.csv") in (complete, b"the old file")
        assert after == {k: v for k, v in before.items() if k != "out.csv"}
        assert codes[-1] in (0, 130)
    assert 130 in codes and cli.main(arguments) == 0
    assert "Traceback" not in capsys.readouterr().err


def test_a_temporary_file_is_removed_once_it_is_there(tmp_path, monkeypatch):
    make = tempfile.mkstemp

    def made(**options):
        of_file = make(**options)
        signal.raise_signal(signal.SIGINT)  # before its name is known to the caller
        return of_file

    monkeypatch.setattr(tempfile, "mkstemp", made)
    with pytest.raises(KeyboardInterrupt), replace_atomically(tmp_path / "it"):
        pass
    assert not contents(tmp_path)


@pytest.mark.parametrize("error", [SystemError, TypeError])
def test_an_interrupt_that_an_extension_hides_is_one(quick, binary, monkeypatch, error):
    """TensorFlow 2.21 makes either of it, by the moment, while it converts an array."""

    def hides(*args):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise error("returned a result with an exception set")

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("skadaptive._fitting.plan_fit", hides)
    with pytest.raises(KeyboardInterrupt) as raised:
        quick().fit(*binary)
    assert isinstance(raised.value.__cause__, error)
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_error_beside_a_handler_that_goes_on_is_one():
    pressed = []

    def handler(*_):
        pressed.append(True)
        if len(pressed) == 3:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    with pytest.raises(ValueError, match="of its own"), settings_kept():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("of its own")
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(KeyboardInterrupt), settings_kept():
        signal.raise_signal(signal.SIGINT)
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ValueError("hides it")
    assert pressed == [True] * 3 and signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("block", [settings_kept, held_back])
def test_other_threads_have_no_handlers(block):
    """Python lets the main thread alone set one."""
    handler, done = signal.getsignal(signal.SIGINT), []

    def work():
        with block():
            done.append(signal.getsignal(signal.SIGINT))
        with pytest.raises(TypeError, match="its own"), block():
            raise TypeError("its own")

    with ThreadPoolExecutor(1) as threads:
        threads.submit(work).result()
    assert done == [handler]


def test_a_handler_that_the_block_sets_stays():
    with settings_kept():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_settings_that_python_leaves_are_put_back(moments):
    """In a loop of short ``with`` statements every second interrupt finds a gap."""

    def loop():
        for _ in range(100_000):
            with np.errstate(divide="ignore", over="ignore"):
                pass
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")

    def kept():
        with settings_kept():
            loop()

    def outside():
        return np.geterr(), warnings.filters[:], warnings.showwarning

    before = outside()
    for seconds in 0.003 * np.array(moments(60)):
        assert interrupted(kept, seconds)
        assert outside() == before


def test_an_import_is_not_interrupted():
    """Half an import of TensorFlow cannot be repeated in the same process."""
    handler, done = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), keras_backend_chosen():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # people press it again
        done.append(True)
    assert done and signal.getsignal(signal.SIGINT) is handler


def test_whoever_ignores_interrupts_goes_on():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with keras_backend_chosen():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
