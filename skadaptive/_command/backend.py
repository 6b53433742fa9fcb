"""The backend of the training, imported without its lines on standard error."""

import contextlib
import os
import sys
from importlib import import_module

from .._training.backend import training_backend


def import_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ code writes unconditionally.

    It is left alone where JAX trains.
    """
    with contextlib.suppress(ImportError):  # fit says what to install
        if training_backend() != "tensorflow":
            return
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        with contextlib.suppress(ImportError):  # fit says what to install
            import_module("tensorflow")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)
