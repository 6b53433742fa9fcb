"""The file that holds a model: a zip archive of plain parts, under one checksum.

The first entry is ``skadaptive.json``, the manifest. All other entries are arrays
(``.npy``, read without pickle), JSON (``.json``) or bytes. The comment of the archive,
which is the end of the file, holds the SHA-256 of all bytes before its digits. So any
tool for zip archives opens the file, and no byte of it can change unnoticed. The
checksum guards against damage; it does not say who wrote the file.

The same parts give the same bytes: entries are sorted and carry no time.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .._io.atomic import replace_atomically
from .._io.containers import FIRST_NAME, MANIFEST, file_meant, is_model_file
from .._typing import FilePath

#: What to do about a file that cannot be used; part of the messages.
AGAIN = "Write the model again with 'skadaptive compare --save'"

# It ends the file, before the digits of the checksum.
_MARK = b"skadaptive model, sha256 "
_N_DIGITS = 64
# Bytes of a zip archive beside names and contents: of an entry's two headers, and of
# the end of the archive.
_HEADERS, _END = 30 + 46, 22
_OLD_FORMAT = b"skadaptive model"
# An archive that unpacks to more bytes than this, and to more than so many times its
# own size, is refused: weights and tables compress ten times at best, zeros a thousand.
_MOST_UNPACKED, _MOST_TIMES = 100_000_000, 100
# What zipfile raises of an archive that it cannot read.
_BAD_ARCHIVE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)


class Parts:
    """Named entries of a model file.

    Names are those of the entries without their ending. What stands before a slash is
    the part of the model that an entry belongs to, such as ``networks``.

    Parameters
    ----------
    entries : dict of str to bytes, default=None
        Contents by name of the entry.
    """

    def __init__(self, entries: dict[str, bytes] | None = None) -> None:
        self.entries = {} if entries is None else entries

    def __contains__(self, part: str) -> bool:
        """Whether there is an entry of this name, or of this part."""
        return any(_part_of(name) == part for name in self.entries) or any(
            f"{part}{ending}" in self.entries for ending in (".npy", ".json", "")
        )

    def add_array(self, name: str, array: np.ndarray) -> None:
        """Store numbers or booleans."""
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        self.entries[f"{name}.npy"] = buffer.getvalue()

    def add_json(self, name: str, value: Any) -> None:
        """Store nested dicts and lists of texts, finite numbers, booleans and None."""
        self.entries[f"{name}.json"] = json.dumps(value, allow_nan=False).encode()

    def add_bytes(self, name: str, data: bytes) -> None:
        """Store bytes as they are."""
        self.entries[name] = data

    def array(self, name: str) -> np.ndarray:
        """An array; an entry that holds objects is refused."""
        return np.load(io.BytesIO(self.entries[f"{name}.npy"]), allow_pickle=False)

    def json(self, name: str) -> Any:
        """A value of JSON."""
        return json.loads(self.entries[f"{name}.json"])

    def bytes(self, name: str) -> bytes:
        """Bytes as they are."""
        return self.entries[name]


def write_container(path: FilePath, manifest: dict[str, Any], parts: Parts) -> None:
    """Write a file under its checksum.

    Parameters
    ----------
    path : str or path-like
        An existing file is replaced once the new one is complete.
    manifest : dict
        Values of JSON.
    parts : Parts
    """
    stored = Parts(dict(sorted(parts.entries.items())))
    first = Parts()
    first.add_json(Path(MANIFEST).stem, manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (first.entries | stored.entries).items():
            # The earliest time that a zip archive knows.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
        archive.comment = _MARK + b"0" * _N_DIGITS
    covered = buffer.getvalue()[:-_N_DIGITS]
    with replace_atomically(path) as temporary:
        temporary.write_bytes(covered + _checksum(covered))


def read_container(path: FilePath) -> tuple[dict[str, Any], Parts, dict[str, int]]:
    """Read a file that :func:`write_container` wrote, after a look at its checksum.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    manifest : dict
    parts : Parts
    sizes : dict of str to int
        Bytes of each part, of the manifest and of the ``checksum`` with the end of the
        archive. They add up to the size of the file.

    Raises
    ------
    ValueError
        If there is no such file, or if it is damaged, foreign or of the old format.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(_there_is_no(path))
    data = path.read_bytes()
    covered, found = data[:-_N_DIGITS], data[-_N_DIGITS:]
    if not covered.endswith(_MARK) or found != _checksum(covered):
        raise ValueError(_what_is_wrong(path, data))
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            check_unpacked_size(archive, len(data))
            entries = {name: archive.read(name) for name in archive.namelist()}
            sizes = dict(_sizes(archive))
        first = Parts({MANIFEST: entries.pop(MANIFEST)})
        manifest = dict(first.json(Path(MANIFEST).stem))
    # Somebody has made it so, since the checksum fits.
    except (*_BAD_ARCHIVE, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a model file of skadaptive. {AGAIN}."
        ) from error
    return manifest, Parts(entries), sizes


def checksum_of(path: FilePath) -> str:
    """The checksum at the end of a file, which tells files apart; it is not checked.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    str
        64 hexadecimal digits, if it is a model file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(_there_is_no(path))
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _N_DIGITS))
        return file.read(_N_DIGITS).decode(errors="replace")


def check_unpacked_size(archive: zipfile.ZipFile, n_bytes: int) -> None:
    """Refuse an archive that would fill the memory.

    zipfile reads no more of an entry than the size that the archive declares.

    Parameters
    ----------
    archive : ZipFile
    n_bytes : int
        Size of the archive itself.

    Raises
    ------
    ValueError
        If it unpacks to over 100 MB and to over 100 times its size.
    """
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max(_MOST_UNPACKED, _MOST_TIMES * n_bytes):
        raise ValueError(f"{n_bytes:,} bytes unpack to {unpacked:,}")


def _checksum(covered: bytes) -> bytes:
    return hashlib.sha256(covered).hexdigest().encode()


def _sizes(archive: zipfile.ZipFile) -> Iterator[tuple[str, int]]:
    sizes: dict[str, int] = {}
    for entry in archive.infolist():
        part = _part_of(entry.filename)
        stored = entry.compress_size + _HEADERS + 2 * len(entry.filename.encode())
        sizes[part] = sizes.get(part, 0) + stored
    yield "manifest", sizes.pop(Path(MANIFEST).stem)
    yield from sizes.items()
    yield "checksum", _END + len(archive.comment)


def _part_of(name: str) -> str:
    first, slash, _ = name.partition("/")
    return first if slash else Path(first).stem


def _there_is_no(path: Path) -> str:
    meant = file_meant(path, is_model_file)
    return f"There is no model file {path}.{meant or f' {AGAIN}.'}"


def _what_is_wrong(path: Path, data: bytes) -> str:
    """Why a file has no valid checksum: damaged, of the old format, or foreign."""
    ending = data[-_N_DIGITS - len(_MARK) : -_N_DIGITS]
    if ending == _MARK or data.startswith(MANIFEST.encode(), FIRST_NAME):
        return (
            f"{path} is damaged: its checksum does not fit its content. Copy it again "
            "from where it was written, or write the model again with 'skadaptive "
            "compare --save'."
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            is_old = _OLD_FORMAT in archive.read("schema.json")
    # zipfile raises different errors, depending on what the file is.
    except Exception:
        is_old = False
    if is_old:
        return (
            f"{path} is a model file of an earlier version of skadaptive, whose format "
            f"is no longer read. {AGAIN}."
        )
    return (
        f"{path} is not a model file of skadaptive. Name one that 'skadaptive compare "
        "--save' wrote."
    )
