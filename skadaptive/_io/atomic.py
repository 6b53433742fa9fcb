"""Writing a file so that it is replaced as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._typing import FilePath


@contextmanager
def replace_atomically(path: FilePath) -> Iterator[Path]:
    """Write to a temporary file that takes the place of ``path`` at the end.

    Parameters
    ----------
    path : str or path-like
        Left as it is if the body of the ``with`` statement raises an error.

    Yields
    ------
    pathlib.Path
        The temporary file, in the same folder.
    """
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
