"""Which backend trains, TensorFlow or JAX, and on which one Keras is imported.

Training follows Keras: the backend that Keras runs on in this process, or else the one
that it would choose, from ``KERAS_BACKEND`` or its file keras.json. Where that backend
is not installed, or cannot train (PyTorch), an installed one does, TensorFlow first.
Nothing here imports a backend but :func:`load_program`.
"""

import json
import os
import random
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .._interrupts import held_back

#: Module of the training program of each backend, in the order of preference.
_PROGRAMS = {"tensorflow": "tensorflow_program", "jax": "jax_program"}

# The package that a backend of Keras needs, where it is not called like the backend.
_PACKAGES = {"numpy": "jax"}

# Backends that had started when this process was forked, which lacks their threads.
_inherited: set[str] = set()

# For tests alone: trains with this backend whatever Keras runs on.
_SWITCH = "SKADAPTIVE_TESTS_BACKEND"


def training_backend():
    """Name of the backend that trains in this process.

    Returns
    -------
    {"tensorflow", "jax"}

    Raises
    ------
    ImportError
        If neither is installed.
    """
    wanted = os.environ.get(_SWITCH) or _keras_backend()
    if wanted in _PROGRAMS and _is_installed(wanted):
        return wanted
    # Keras's optimizers and losses run on its own backend alone, and only the program
    # in JAX has its own.
    order = ["jax"] if _is_elsewhere(wanted) else list(_PROGRAMS)
    for name in order:
        if _is_installed(name):
            return name
    if order == ["jax"]:
        raise ImportError(
            f"Keras runs on {wanted!r}, and AdaptiveHybridClassifier trains on "
            "TensorFlow or JAX. To train on JAX beside it: "
            "pip install 'skadaptive[jax]'."
        )
    raise ImportError(
        "AdaptiveHybridClassifier needs TensorFlow or JAX to train: "
        "pip install 'skadaptive[tensorflow]', 'skadaptive[tensorflow-cpu]' or "
        "'skadaptive[jax]'."
    )


def load_program():
    """The module of the training program; its import starts the backend.

    Returns
    -------
    module
        With ``pool`` and ``table_rows``.

    Raises
    ------
    RuntimeError
        See :func:`refuse_after_fork`.
    """
    name = training_backend()
    refuse_after_fork(name)
    with keras_backend_chosen(), _random_states_kept():
        return import_module(f"{__package__}.{_PROGRAMS[name]}")


def refuse_after_fork(name):
    """Refuse a backend that would wait forever for the threads of a parent process.

    Parameters
    ----------
    name : str
        Of a backend of Keras.

    Raises
    ------
    RuntimeError
        If the backend had already started when this process was forked.
    """
    if name in _inherited:
        title = {"tensorflow": "TensorFlow", "jax": "JAX"}[name]
        raise RuntimeError(
            f"This process was forked after {title} had started in its parent, and a "
            f"fork copies none of the threads that {title} needs: it would hang. "
            'Start processes in another way, with multiprocessing.get_context("spawn") '
            'or "forkserver", or with joblib\'s backend "loky", its default; or fit '
            "nothing before the fork. Predictions work in any process."
        )


@contextmanager
def keras_backend_chosen():
    """Have Keras imported on an installed backend, and say what to install if none is.

    Within the ``with`` statement ``KERAS_BACKEND`` names the backend that trains, if
    Keras is not imported yet and the one that it would choose is not installed. An
    interrupt takes effect after it.
    """
    before = os.environ.get("KERAS_BACKEND")
    chosen = before
    if "keras" not in sys.modules and not _is_installed(_keras_backend()):
        chosen = training_backend()
        os.environ["KERAS_BACKEND"] = chosen
    try:
        # An interrupted import cannot be repeated in the same process: some modules of
        # TensorFlow, JAX and Keras are there, and some names are registered already.
        with held_back():
            yield
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] in (*_PROGRAMS, "keras"):
            raise ImportError(
                f"AdaptiveHybridClassifier needs {error.name}: "
                "pip install 'skadaptive[tensorflow]', 'skadaptive[tensorflow-cpu]' or "
                "'skadaptive[jax]'."
            ) from error
        raise
    finally:
        if chosen != before:
            if before is None:
                os.environ.pop("KERAS_BACKEND", None)
            else:
                os.environ["KERAS_BACKEND"] = before


@contextmanager
def memory_errors_told():
    """Raise MemoryError where a backend tells in its own way that memory has run out.

    That of TensorFlow is long, names its operations, and is no MemoryError.
    """
    try:
        yield
    except Exception as error:
        kind, said = type(error).__name__, str(error)
        if kind != "ResourceExhaustedError" and "RESOURCE_EXHAUSTED" not in said:
            raise
        raise MemoryError(
            "Memory ran out while the networks trained. Lower batch_size, cv or "
            "hidden_layer_sizes, give fewer rows, or learn in chunks with partial_fit."
        ) from error


@contextmanager
def _random_states_kept():
    """Give back the global random states, from which the import of TensorFlow draws.

    Otherwise the first fit of a process would change what the user draws after it.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _keras_backend():
    """Backend that Keras runs on, or would choose when it is imported."""
    keras = sys.modules.get("keras")
    if keras is not None:
        return keras.config.backend()
    given = os.environ.get("KERAS_BACKEND")
    if given:
        return given
    home = os.environ.get("KERAS_HOME")
    if home is None:
        user = os.path.expanduser("~")
        home = os.path.join(user if os.access(user, os.W_OK) else "/tmp", ".keras")
    try:
        settings = json.loads(Path(home, "keras.json").expanduser().read_text("utf-8"))
        return str(settings.get("backend", "tensorflow"))
    except (OSError, ValueError, AttributeError):
        return "tensorflow"


def _is_elsewhere(backend):
    """Whether Keras runs, or will run, on a backend that cannot train."""
    return backend not in _PROGRAMS and (
        "keras" in sys.modules or _is_installed(backend)
    )


def _is_installed(backend):
    try:
        return find_spec(_PACKAGES.get(backend, backend)) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _started():
    """Names of the backends that run in this process; an import does not start one."""
    started = set()
    context = getattr(
        sys.modules.get("tensorflow.python.eager.context"), "_context", None
    )
    if getattr(context, "_context_handle", None) is not None:
        started.add("tensorflow")
    if getattr(sys.modules.get("jax._src.xla_bridge"), "_backends", None):
        started.add("jax")
    return started


def _note_fork():
    _inherited.update(_started())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)
