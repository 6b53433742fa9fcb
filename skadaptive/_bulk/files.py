"""Which files are predicted, and where their predictions go."""

import errno
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .._io.containers import table_meant

_TEXTS = ("csv", "tsv", "tab", "txt", "json", "jsonl", "ndjson", "xlsx", "xls", "ods")
_TYPED = ("parquet", "pq", "feather", "arrow")
_TABLE = re.compile(
    rf"\.({'|'.join(_TEXTS + _TYPED)})(\.(gz|bz2|xz|zst|zip))?$", re.IGNORECASE
)


@dataclass(frozen=True)
class BulkFile:
    """A file, and the one with its predictions.

    Attributes
    ----------
    name : str
        Path of the input below the folder that all have in common.
    path : str
        Absolute path of the input.
    out : str
        Absolute path of the output.
    """

    name: str
    path: str
    out: str


def is_many(given: str) -> bool:
    """Whether a folder or a pattern is given instead of a file."""
    path = Path(given)
    return path.is_dir() or (not path.exists() and glob.has_magic(given))


def find_files(given: str, out: str) -> tuple[list[BulkFile], list[str]]:
    """The files of a folder or a pattern, and names for their predictions.

    Parameters
    ----------
    given : str
        A file, a folder, whose subfolders count as well, or a pattern such as
        ``2024-*/part-*.parquet``, in which ``**`` stands for any folders.
    out : str
        Folder of the outputs. It has the subfolders of the inputs. Parquet and Feather
        give Parquet, all others CSV.

    Returns
    -------
    files : list of BulkFile
        In the order of their names.
    left_out : list of str
        Names of files that are no tables. Hidden files, and those whose names begin
        with an underscore, are not listed: Spark and Hadoop keep theirs there.

    Raises
    ------
    ValueError
        If there is no file, or predictions would take the place of another file.
    """
    root, paths = _root_and_paths(given)
    named = {str(path.relative_to(root).as_posix()): path for path in paths}
    tables = shown = named
    if is_many(given):  # a file that is named by itself is read whatever its name is
        shown = {
            name: path
            for name, path in sorted(named.items())
            if not any(part.startswith((".", "_")) for part in name.split("/"))
        }
        tables = {name: path for name, path in shown.items() if _TABLE.search(name)}
    left_out = [name for name in shown if name not in tables]
    if not tables:
        more = f" that is a table; it has {', '.join(left_out[:5])}" if left_out else ""
        raise ValueError(
            f"There is no file in {given}{more}. Name a file, a folder of files, or a "
            "pattern in quotes, such as 'new/*.parquet'."
        )
    folder = Path(os.path.realpath(out))
    files = [
        # Links keep their names, which tell JSON lines from other texts.
        BulkFile(name, os.path.abspath(path), str(folder / _output_name(name)))
        for name, path in tables.items()
    ]
    _check(files, folder, root, given)
    return files, left_out


def _root_and_paths(given: str) -> tuple[Path, list[Path]]:
    path = Path(given)
    if path.is_dir():
        return path, [found for found in _files_below(path) if _may_be_read(found)]
    if path.exists() or not glob.has_magic(given):
        if not path.is_file():
            raise ValueError(f"There is no file or folder {given}.{table_meant(path)}")
        return path.parent, [path]
    found = [Path(name) for name in glob.glob(given, recursive=True)]
    parts = path.parts
    _check_folders(parts)
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed]), [path for path in found if _may_be_read(path)]


def _check_folders(parts: tuple[str, ...]) -> None:
    """Refuse a pattern in whose folders one cannot be read: glob leaves it out.

    Raises
    ------
    OSError
        Its rows would be missing without a word.
    """
    first = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    for i in range(first, len(parts)):
        # Of "**" the folders below as well, in which the next part is looked for.
        pattern = os.path.join(*parts[: i + (parts[i] == "**")], "")
        for folder in glob.glob(pattern, recursive=True) if i else ["."]:
            needed = os.X_OK | (os.R_OK if glob.has_magic(parts[i]) else 0)
            if os.path.isdir(folder) and not os.access(folder, needed):
                raise PermissionError(
                    errno.EACCES, os.strerror(errno.EACCES), str(folder)
                )


def _files_below(folder: Path) -> Iterator[Path]:
    """All files of a folder, in linked folders outside of it as well.

    Raises
    ------
    OSError
        If a subfolder cannot be read: its rows would be missing without a word.
    """

    def refuse(error: OSError) -> None:
        raise error

    root, seen = Path(os.path.realpath(folder)), set()
    for parent, subfolders, names in os.walk(folder, onerror=refuse, followlinks=True):
        for name in subfolders.copy():
            target = Path(os.path.realpath(Path(parent, name)))
            # A link within the folder leads to files that are found anyway, or round
            # in a circle.
            if os.path.islink(os.path.join(parent, name)) and (
                target in seen or target.is_relative_to(root)
            ):
                subfolders.remove(name)
            seen.add(target)
        yield from (Path(parent, name) for name in names)


def _may_be_read(path: Path) -> bool:
    """Whether it is a file, or a link to none, which has to fail."""
    return path.is_file() or (path.is_symlink() and not path.exists())


def _output_name(name: str) -> str:
    match = _TABLE.search(name)
    typed = match is not None and match.group(1).lower() in _TYPED
    stem = name[: match.start()] if match else name
    return f"{stem}.{'parquet' if typed else 'csv'}"


def _check(files: list[BulkFile], folder: Path, root: Path, given: str) -> None:
    """Refuse outputs that overwrite a file or would be read as inputs later."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(
            f"{folder} is a file. --out must name a folder, which is made if it does "
            "not exist: there is one output for each input."
        )
    inputs = {os.path.realpath(file.path) for file in files}
    with_subfolders = Path(given).is_dir() or "**" in given
    is_inside = with_subfolders and folder.is_relative_to(os.path.realpath(root))
    if is_inside or any(Path(path).is_relative_to(folder) for path in inputs):
        raise ValueError(
            f"The predictions cannot be written to {folder}, beside the files that are "
            "read: a later run would take them for inputs. Name another folder in "
            "--out."
        )
    taken: dict[str, str] = {}
    for file in files:
        if file.out in taken:
            raise ValueError(
                f"{taken[file.out]} and {file.name} would have the same output, "
                f"{Path(file.out).name}. Rename one of them, or predict them apart."
            )
        taken[file.out] = file.name
