"""Writing a file so that it is replaced as a whole or not at all."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._interrupts import held_back
from .._typing import FilePath

_MOST_BYTES = 200
# A full disk, or the end of what a file or a user may take of it.
_FULL = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


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

    Raises
    ------
    OSError
        If the file cannot be written, of the class that says why; the message names
        the file, which the system's often does not.
    """
    path = Path(path)
    with _refusals_named(path):
        name = None
        try:
            with held_back():  # a file whose name is not known yet would stay
                prefix = prefix_of(path.name)
                handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix)
                os.close(handle)
            yield Path(name)
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        finally:
            if name is not None:
                Path(name).unlink(missing_ok=True)


@contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    """Name the file where the system refuses to write it; reading is no part of it."""
    try:
        yield
    except OSError as error:
        begins = str(path.absolute().parent / prefix_of(path.name))
        of_temporary = os.path.abspath(str(error.filename)).startswith(begins)
        if error.errno not in _FULL and not of_temporary:
            raise
        # Packages such as pyarrow have texts of their own.
        reason = os.strerror(error.errno or 0)
        raise OSError(
            error.errno,
            f"{path} cannot be written ({reason}). Make room, or name another place; "
            "a file that was there is as it was.",
        ) from error


def prefix_of(name: str) -> str:
    """What the names of the temporary files for a file begin with.

    A long name is cut, since a system takes 255 bytes.
    """
    return f".{os.fsdecode(os.fsencode(name)[:_MOST_BYTES])}."


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
