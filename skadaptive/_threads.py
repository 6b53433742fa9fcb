"""Independent parts of one task, divided among threads."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ._sklearn_compat import effective_n_threads

_Part = TypeVar("_Part")


def for_each(
    function: Callable[[_Part], None], parts: Sequence[_Part], per_thread: int
) -> None:
    """Call a function for each part, with as many threads as scikit-learn would use.

    Parameters
    ----------
    function : callable
        It has to spend its time where other threads may run, as in NumPy.
    parts : sequence
    per_thread : int
        Parts for which a thread is worth its start.
    """
    n_threads = min(effective_n_threads(), len(parts) // per_thread)
    if n_threads > 1:
        # The threads end with the call, so a process may fork afterwards.
        with ThreadPoolExecutor(n_threads) as threads:
            list(threads.map(function, parts))
    else:
        for part in parts:
            function(part)
