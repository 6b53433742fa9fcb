"""Files that tables come in: what a file is by its content, and its bytes."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO, cast

from .._packages import require

#: What can be read, for messages.
READABLE = (
    "CSV and other separated text, plain or compressed (.gz, .bz2, .xz, .zst, .zip), "
    "Parquet, Feather, JSON lines (.jsonl) and spreadsheets (.xlsx, .xls, .ods)"
)
#: Name of the first entry of a model file, which is a zip archive, and where it begins.
MANIFEST, FIRST_NAME = "skadaptive.json", 30
_SPREADSHEETS = ("xl/workbook.xml", "content.xml", "xl/workbook.bin")
_OTHER_FILES = {
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"{\\rtf": "an RTF document",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"<!DOCTYPE html": "a web page",
    b"<html": "a web page",
    b"<?xml": "an XML file",
}


@dataclass(frozen=True)
class Container:
    """A file with a table in it.

    Attributes
    ----------
    path : Path
    kind : {"text", "json", "parquet", "feather", "spreadsheet"}
    compression : str
        Name of what the text is compressed with; empty if it is not.
    """

    path: Path
    kind: str
    compression: str = ""

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the text of the file, decompressed."""
        if self.compression == "zip":
            with (
                zipfile.ZipFile(self.path) as archive,
                archive.open(_only_member(archive, self.path)) as file,
            ):
                yield cast(BinaryIO, file)
            return
        with _openers()[self.compression](self.path) as file:
            yield file

    def head(self, n_bytes: int) -> bytes:
        """The first bytes of the text."""
        with self.open() as file:
            return file.read(n_bytes)


@dataclass(frozen=True)
class TextInMemory(Container):
    """A text that was not read from a file, such as the body of a request.

    Attributes
    ----------
    path : Path
        What the text is called in messages.
    kind, compression : str
    data : bytes
    """

    data: bytes = b""

    @classmethod
    def of(cls, data: bytes, name: str) -> "TextInMemory":
        """A text of this name. What it is called is no path that is opened."""
        return cls(Path(name), "text", "none, in memory", data)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the text."""
        yield io.BytesIO(self.data)


def find_container(path: Path) -> Container:
    """What a file is, by its first bytes; its name only tells JSON lines from CSV.

    Raises
    ------
    ImportError
        If a package for it is missing.
    ValueError
        If it is none of what can be read, or an archive of several files.
    """
    with path.open("rb") as file:
        start = file.read(64)
    for magic, name in _OTHER_FILES.items():
        if start.lstrip().startswith(magic):
            raise ValueError(
                f"{path} cannot be read as a table: it is {name}. What can be read: "
                f"{READABLE}."
            )
    if _begins_model(start):
        raise ValueError(
            f"{path} cannot be read as a table: it is a model file of skadaptive. Name "
            "the table."
        )
    if start.startswith(b"PAR1"):
        return Container(path, "parquet")
    if start.startswith((b"ARROW1", b"FEA1")):
        return Container(path, "feather")
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return Container(path, "spreadsheet")
    if start.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            if set(archive.namelist()) & set(_SPREADSHEETS):
                return Container(path, "spreadsheet")
            member = _only_member(archive, path)
        return Container(path, _text_kind(member), "zip")
    magics = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ": "xz"}
    magics[b"\x28\xb5\x2f\xfd"] = "zstd"
    for magic, compression in magics.items():
        if start.startswith(magic):
            return Container(path, _text_kind(path.stem), compression)
    if path.suffix.lower() in (".parquet", ".feather", ".xlsx", ".ods"):
        raise ValueError(
            f"{path} cannot be read as a table: its content is not what its name says."
        )
    if path.suffix.lower() == ".gz":
        raise ValueError(f"{path} cannot be read as a table: it is not gzipped.")
    return Container(path, _text_kind(path.name))


def is_model_file(path: Path) -> bool:
    """Whether a file begins as those that ``skadaptive compare --save`` writes."""
    try:
        if not path.is_file():  # a pipe would lose what is read here
            return False
        with path.open("rb") as file:
            return _begins_model(file.read(64))
    except (OSError, ValueError):
        return False


def _begins_model(start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04") and start.startswith(
        MANIFEST.encode(), FIRST_NAME
    )


def file_meant(path: Path, is_right: Callable[[Path], bool]) -> str:
    """A question that names a file of nearly this name, for a message; or nothing.

    Parameters
    ----------
    path : Path
        There is no such file.
    is_right : callable
        Takes a Path, and says whether a file is of the kind that is looked for.

    Returns
    -------
    str
        It begins with a blank, unless it is empty.
    """
    try:
        names = {name.casefold(): name for name in os.listdir(path.parent)}
    except (OSError, ValueError):
        return ""
    for near in get_close_matches(path.name.casefold(), names, n=3):
        found = path.parent / names[near]
        if found.is_file() and is_right(found):
            return f" Is it {found}?"
    return ""


def table_meant(path: Path) -> str:
    """A table of nearly this name, as :func:`file_meant` has it."""
    return file_meant(path, lambda found: not is_model_file(found))


def _text_kind(name: str) -> str:
    lower = name.lower()
    return "json" if lower.endswith((".jsonl", ".ndjson", ".json")) else "text"


def _only_member(archive: zipfile.ZipFile, path: Path) -> str:
    members = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and "__MACOSX" not in name
    ]
    if len(members) != 1:
        raise ValueError(
            f"{path} cannot be read as a table: it holds {len(members)} files "
            f"({', '.join(members[:5])}). Unpack it, and name one of them."
        )
    return members[0]


def _openers() -> dict[str, Callable[[Path], Any]]:
    return {
        "": lambda path: path.open("rb"),
        "gzip": lambda path: gzip.open(path, "rb"),
        "bz2": lambda path: bz2.open(path, "rb"),
        "xz": lambda path: lzma.open(path, "rb"),
        "zstd": _open_zstandard,
    }


def _open_zstandard(path: Path) -> BinaryIO:
    require("zstandard", purpose=f"Reading {path}")
    import zstandard

    return zstandard.open(path, "rb")
