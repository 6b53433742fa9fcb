"""Files that a subcommand writes, and lines that it prints."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from .._io.json_values import json_values
from .._io.spreadsheet_output import check_size, write_spreadsheet
from .._io.text_output import write_text
from .._messages import shortened, visible
from .._packages import require

#: Exit codes: a mistake of the user's, an interrupt as shells report it, and what
#: ``monitor`` has found.
MISTAKE, INTERRUPTED, CHANGED = 2, 130, 3
#: In place of the name of a file.
STANDARD_OUTPUT = "-"

#: Functions that write a table, by the end of the name of its file.
WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".csv": write_text,
    ".csv.gz": lambda frame, path: write_text(frame, path, compression="gzip"),
    ".tsv": lambda frame, path: write_text(frame, path, separator="\t"),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".feather": lambda frame, path: frame.to_feather(path),
    ".xlsx": write_spreadsheet,
}

#: Of these, what a spreadsheet opens and looks for formulas in.
SEPARATED = (".csv", ".csv.gz", ".tsv")

# Packages, and the extras that bring them, that writing such a file needs.
_NEEDED = {
    ".parquet": ("pyarrow", "compare"),
    ".feather": ("pyarrow", "compare"),
    ".xlsx": ("openpyxl", "excel"),
}

# What an option writes, and the ends of names that say so.
_FORMATS = {
    "--report": ("an HTML page", (".html", ".htm")),
    "--onnx": ("an ONNX graph", (".onnx",)),
    "--json": ("JSON", (".json",)),
}


def writer(path: str) -> Callable[[pd.DataFrame, Path], Any]:
    """The function that writes what the name of a file says.

    Raises
    ------
    ValueError
        If the name says nothing that can be written.
    ImportError
        If a package is missing that writes such a file.
    """
    for suffix, write in WRITERS.items():
        if path.lower().endswith(suffix):
            if suffix in _NEEDED:
                package, extra = _NEEDED[suffix]
                alternative = "name a file that ends in .csv"
                require(
                    package,
                    purpose=f"Writing {path}",
                    alternative=alternative,
                    extra=extra,
                )
            return write
    raise ValueError(
        f"{path} cannot be written: its name must end in one of {', '.join(WRITERS)}."
    )


def check_room(path: str | None, n_rows: int) -> None:
    """Refuse more rows than a file of this kind holds, before they are predicted."""
    if path is not None and path.lower().endswith(".xlsx"):
        check_size(n_rows, 1)


def check_outputs(
    inputs: list[str | None], *paths: str | None, directory: str | None = None
) -> None:
    """Refuse before the work what could not be written after it, or overwrites.

    Parameters
    ----------
    inputs : list of str or None
        Files that are read.
    *paths : str or None
        Files that will be written.
    directory : str, default=None
        A folder that will be written to, and is made if it does not exist.
    """
    check_named(*inputs, *paths, directory)
    for name in filter(None, (*paths, directory)):
        _check_name(name)
    # Links that lead in a circle have a real path, too.
    taken = {os.path.realpath(path) for path in inputs if path}
    for path in (*paths, directory):
        if path is None:
            continue
        if os.path.realpath(path) in taken:
            raise ValueError(
                f"{path} cannot be written: it is a file that is read, or that "
                "something else is written to. Name another one."
            )
        taken.add(os.path.realpath(path))
    for path in (*paths, directory):
        if path is None:
            continue
        folder = Path(path).absolute().parent
        if os.path.isdir(path) and path != directory:
            raise ValueError(f"{path} cannot be written: it is a folder.")
        if path == directory and os.path.lexists(path) and not os.path.isdir(path):
            raise ValueError(
                f"{path} cannot be written to: it is a file. Name a folder, which is "
                "made if it does not exist."
            )
        if path == directory and not os.path.isdir(path) and _names_a_file(path):
            raise ValueError(
                f"{path} cannot be written to: a folder is needed, and its name is "
                "that of a file. Name a folder, which is made if it does not exist."
            )
        if not folder.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {folder}.")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{path} cannot be written: {folder} is read-only.")


def check_formats(options: argparse.Namespace) -> None:
    """Refuse names whose ends say another format than the one that is written.

    Nothing opens a page that is called report.pdf.

    Parameters
    ----------
    options : Namespace
        Of a subcommand, which may lack some of the options.
    """
    for option, (what, endings) in _FORMATS.items():
        path = getattr(options, option.removeprefix("--"), None)
        if not isinstance(path, str) or path == STANDARD_OUTPUT:
            continue
        if not path.lower().endswith(endings):
            advice = ""
            if option == "--report" and path.lower().endswith(".pdf"):
                advice = " A browser prints the page as a PDF."
            raise ValueError(
                f"{option} writes {what}, whose name must end in "
                f"{' or '.join(endings)}, such as {Path(path).stem}{endings[0]}; got "
                f"{path}.{advice}"
            )


def _names_a_file(path: str) -> bool:
    endings = [ending for _, more in _FORMATS.values() for ending in more]
    return path.lower().endswith((*WRITERS, *endings, ".pdf", ".png", ".txt"))


def check_named(*paths: str | None) -> None:
    """Refuse names that are empty, such as that of an unset variable of a script."""
    if "" in paths:
        raise ValueError("The name of a file or folder is empty: give it a name.")


def _check_name(path: str) -> None:
    """Refuse a name that the system does not take, such as one that is too long."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        name = shortened(path, 60)
        raise ValueError(f"{name} cannot be written: {reason}.") from None


def print_text(message: object, file: TextIO | None = None) -> None:
    """Print to standard output; all that the command prints goes through here.

    What names and values of a file have of control characters is shown as escapes, and
    does not reach the terminal.

    Parameters
    ----------
    message : object
        Its text is printed.
    file : file that is open for text, default=None
        None: standard output.
    """
    file = file or sys.stdout
    text = visible(str(message))
    # A terminal or a pipe of another encoding than UTF-8 lacks some characters.
    encoding = getattr(file, "encoding", None) or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    print(text, file=file, flush=True)


def without_lines(message: object, lines: Collection[str]) -> str:
    """The text of a result, less the lines that were printed before."""
    return "\n".join(x for x in str(message).split("\n") if x not in lines)


def print_note(message: str) -> None:
    """Print to standard error, as standard output may hold a table or JSON."""
    print_text(message, sys.stderr)


def print_table(frame: pd.DataFrame) -> None:
    """Print a table as CSV: as it is to a file or program, and safely to a terminal."""
    if not sys.stdout.isatty():
        write_text(frame, sys.stdout)
        return
    stream = io.StringIO()
    write_text(frame, stream)
    print_text(stream.getvalue().rstrip("\n"))


def print_written(written: dict[str, str]) -> None:
    for kind, path in written.items():
        print_text(f"The {kind} was written to {path}.")


def print_json(values: dict[str, Any]) -> None:
    print_text(json.dumps(json_values(values), indent=2))
