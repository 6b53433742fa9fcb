"""What Ctrl-C must not leave behind.

Python raises KeyboardInterrupt between any two steps of the interpreter, also between
the begin of a ``with`` statement and its block: what the statement has set then stays
set. Of ``numpy.errstate`` in a loop every second interrupt is of this kind.
"""

import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# All that warnings.catch_warnings sets; the last serves its record=True.
_OF_WARNINGS = ("filters", "showwarning", "_showwarnmsg_impl")


@contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C take effect after the block, which is to be short."""
    before = signal.getsignal(signal.SIGINT)
    # Handlers run in the main thread alone; None is one that Python cannot put back.
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = []
    signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if pressed:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Put the error state of NumPy and the warning filters back after an interrupt.

    The interrupt of an extension that hides it, as TensorFlow's does at some moments
    with a SystemError, is raised as what it is.
    """
    errors = np.geterr()
    of_warnings = {name: getattr(warnings, name, None) for name in _OF_WARNINGS}
    try:
        yield
    except (KeyboardInterrupt, SystemError) as error:
        is_hidden = isinstance(error.__cause__, KeyboardInterrupt)
        if isinstance(error, SystemError) and not is_hidden:
            raise
        np.seterr(**errors)
        for name, value in of_warnings.items():
            if value is not None:
                setattr(warnings, name, value)
        with warnings.catch_warnings():  # which tells that the filters have changed
            pass
        if isinstance(error, SystemError):
            raise KeyboardInterrupt from error
        raise
