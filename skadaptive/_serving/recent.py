"""The last rows that the workers have answered, in bins, and how these have moved.

All workers share one file, so that what it says is about the server and not about one
of them. It holds a number for each row and column, the bin, and no value of a row.
"""

import fcntl
import os
import threading
import weakref
from pathlib import Path

import numpy as np

#: Rows that drift is computed over.
N_RECENT = 10_000


class RecentRows:
    """The bins of the last rows, in a file that several processes write to.

    Parameters
    ----------
    path : path-like
        Made if there is none.
    n_columns : int
    """

    def __init__(self, path: Path, n_columns: int) -> None:
        self._n_columns = n_columns
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        # When the model is replaced, the last request of the old one closes it.
        self.close = weakref.finalize(self, os.close, self._file)
        size = 8 + 2 * N_RECENT * n_columns
        with self._alone():
            if os.fstat(self._file).st_size < size:
                os.ftruncate(self._file, size)
        self._n_rows = np.memmap(path, np.int64, "r+", 0, (1,))
        shape = (N_RECENT, n_columns)
        self._codes = np.memmap(path, np.uint16, "r+", 8, shape)

    def add(self, codes: np.ndarray) -> None:
        """Add rows, of shape (n_rows, n_columns), in place of the oldest ones."""
        with self._alone():
            n_before = int(self._n_rows[0])
            kept = codes[-N_RECENT:]
            first = n_before + len(codes) - len(kept)
            self._codes[(first + np.arange(len(kept))) % N_RECENT] = kept
            self._n_rows[0] = n_before + len(codes)

    def read(self) -> np.ndarray:
        """The last rows, of shape (n_rows, n_columns), in no order."""
        with self._alone():
            return np.array(self._codes[: min(int(self._n_rows[0]), N_RECENT)])

    def _alone(self) -> "_Alone":
        return _Alone(self._lock, self._file)


class _Alone:
    """Keeps out other threads and other processes; a killed process lets go."""

    def __init__(self, lock: threading.Lock, file: int) -> None:
        self._lock, self._file = lock, file

    def __enter__(self) -> None:
        self._lock.acquire()
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *error: object) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self._lock.release()
