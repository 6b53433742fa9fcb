"""The memory that a table takes to be read in one piece, and the memory that is free.

The estimate is told before a file is read, as a warning and not as an error: it is
rough, systems have swap, and a refusal of what would have fitted is worse than a
warning.
"""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from .._warnings import warn
from . import text_files
from .columns import Notes
from .containers import Container

# Bytes that a cell and a byte of a text take at most while pandas reads them: a number
# of 8 bytes is there twice when the parts of a column are joined. Measured on tables of
# 0.1 to 1 GB of mixed columns, digits, gaps and texts, see docs/files.md.
_OF_CELL, _OF_BYTE = 16, 2.5
if pd.Series(["text"]).dtype == object:  # before pandas 3 a text is an object
    _OF_CELL = 70
# What values of JSON and of spreadsheets take as objects of Python.
_OF_OBJECTS = 10
# By how much a compressed text may have been shortened, if its file does not say.
_COMPRESSED = 5
# No table needs more, so that small files are not looked at.
_AT_MOST = 40
_N_BYTES = 1 << 18


def warn_if_too_large(container: Container, encoding: str | None, is_new: bool) -> None:
    """Warn of a table that needs more memory than is free.

    Parameters
    ----------
    container : Container
    encoding : str or None
        Of a text; None finds it out.
    is_new : bool
        Whether it has new rows, which can be predicted in parts.
    """
    free = free_memory()
    if free is None or _n_bytes(container) * _AT_MOST < free:
        return
    needed = _needed(container, encoding)
    if needed < free:
        return
    advice = (
        "'skadaptive predict --out DIR/', with a slash at the end, reads it some rows "
        "at a time."
        if is_new
        else "Train on a part of its rows, or in chunks with partial_fit."
    )
    warn(
        f"{container.path} takes about {_gigabytes(needed)} of memory to be read, and "
        f"{_gigabytes(free)} are free: it may become slow, or the system may end the "
        f"process. {advice}"
    )


def _gigabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e8 else f"{n_bytes / 1e6:.0f} MB"


# --------------------------------------------------------------------- what is needed


def _n_bytes(container: Container) -> float:
    """Size of the content, decompressed."""
    size = container.path.stat().st_size
    if container.compression == "zip":
        with zipfile.ZipFile(container.path) as archive:
            return sum(member.file_size for member in archive.infolist())
    return size * (_COMPRESSED if container.compression else 1)


def _needed(container: Container, encoding: str | None) -> float:
    """Bytes that reading takes at most, roughly."""
    size = _n_bytes(container)
    if container.kind == "parquet":
        from pyarrow import parquet

        found = parquet.read_metadata(container.path)
        groups = map(found.row_group, range(found.num_row_groups))
        n_cells = found.num_rows * found.num_columns
        return _OF_CELL * n_cells + sum(group.total_byte_size for group in groups)
    if container.kind in ("json", "spreadsheet"):
        return _OF_OBJECTS * size
    if container.kind != "text":
        return _OF_BYTE * size
    head = container.head(_N_BYTES)
    encoding = encoding or text_files.find_encoding(container)
    layout = text_files.find_layout(container, encoding, set(), Notes())
    n_rows = max(1, head.count(b"\r" if layout.only_returns else b"\n"))
    n_cells = n_rows * len(layout.names) * size / max(1, len(head))
    return _OF_CELL * n_cells + _OF_BYTE * size


# ----------------------------------------------------------------------- what is free


def free_memory(root: Path = Path("/")) -> float | None:
    """Bytes that this process may still take; None if the system does not tell.

    Parameters
    ----------
    root : Path
        Where ``proc`` and ``sys`` are.
    """
    free = [*_of_system(root), *_of_groups(root), *_of_process(root)]
    return min(free, default=None)


def _of_system(root: Path) -> Iterator[float]:
    for line in _lines(root / "proc/meminfo"):
        if line.startswith("MemAvailable:"):
            yield 1024 * float(line.split()[1])
            return
    try:  # all memory where there is no word of the free one, as on macOS
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return


def _of_groups(root: Path) -> Iterator[float]:
    """Limits of the control groups of the process, such as those of a container."""
    for line in _lines(root / "proc/self/cgroup"):
        _, kinds, name = line.split(":", 2)
        if not kinds:  # version 2
            top, limit, usage = root / "sys/fs/cgroup", "memory.max", "memory.current"
        elif "memory" in kinds.split(","):
            top = root / "sys/fs/cgroup/memory"
            limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        folder = top / name.lstrip("/")
        # In a container the group of the host is the top of what can be seen.
        for group in (folder, *folder.parents):
            allowed, used = _number(group / limit), _number(group / usage)
            if allowed is not None and used is not None:
                yield allowed - used + _reclaimable(group)
            if group == top:
                break


def _reclaimable(group: Path) -> float:
    """Bytes of files that the system keeps and gives up when it needs them."""
    for line in _lines(group / "memory.stat"):
        if line.startswith(("inactive_file ", "total_inactive_file ")):
            return float(line.split()[1])
    return 0.0


def _of_process(root: Path) -> Iterator[float]:
    """What ``ulimit -v`` leaves."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return
    for line in _lines(root / "proc/self/statm"):
        yield limit - int(line.split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _number(path: Path) -> float | None:
    lines = _lines(path)
    return float(lines[0]) if lines and lines[0].isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        return []
