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
from typing import Any

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

    Extensions hide an interrupt behind errors of their own: TensorFlow raises a
    SystemError or a TypeError, by the moment. It is raised as what it is.
    """
    errors = np.geterr()
    of_warnings = {name: getattr(warnings, name, None) for name in _OF_WARNINGS}
    with _interrupts_noted() as noted:
        try:
            yield
        except (KeyboardInterrupt, Exception) as error:
            if not noted and not isinstance(error, KeyboardInterrupt):
                raise
            np.seterr(**errors)
            for name, value in of_warnings.items():
                if value is not None:
                    setattr(warnings, name, value)
            with warnings.catch_warnings():  # which tells that the filters have changed
                pass
            if isinstance(error, KeyboardInterrupt):
                raise
            raise KeyboardInterrupt from error


@contextmanager
def _interrupts_noted() -> Iterator[list[bool]]:
    """Give a list that is empty until Ctrl-C raises an exception inside the block."""
    noted: list[bool] = []
    before = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(before):
        yield noted
        return

    def handler(*args: Any) -> Any:
        # Put back first: the exception may leave the block before its end is reached.
        signal.signal(signal.SIGINT, before)
        try:
            result = before(*args)
        except BaseException:
            noted.append(True)
            raise
        if signal.getsignal(signal.SIGINT) is before:  # the next one may raise
            signal.signal(signal.SIGINT, handler)
        return result

    try:
        signal.signal(signal.SIGINT, handler)
        yield noted
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, before)
