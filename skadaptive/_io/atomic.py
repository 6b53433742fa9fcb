"""Writing a file so that it is replaced as a whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._typing import FilePath

_MOST_BYTES = 200


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
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix_of(path.name))
    os.close(handle)
    try:
        yield Path(name)
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def prefix_of(name: str) -> str:
    """What the names of the temporary files for a file begin with.

    A long name is cut, since a system takes 255 bytes.
    """
    return f".{os.fsdecode(os.fsencode(name)[:_MOST_BYTES])}."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
