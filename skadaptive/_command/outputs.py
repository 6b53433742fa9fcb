"""Files that a subcommand writes, and lines that it prints."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import pandas as pd

from .._io.json_values import json_values
from .._io.text_output import write_text
from .._messages import visible

#: Exit codes: a mistake of the user's, an interrupt as shells report it, and what
#: ``monitor`` has found.
MISTAKE, INTERRUPTED, CHANGED = 2, 130, 3

#: Functions that write a table, by the end of the name of its file.
WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".csv": write_text,
    ".csv.gz": lambda frame, path: write_text(frame, path, compression="gzip"),
    ".tsv": lambda frame, path: write_text(frame, path, separator="\t"),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".feather": lambda frame, path: frame.to_feather(path),
}


#: Of these, what a spreadsheet opens and looks for formulas in.
SEPARATED = (".csv", ".csv.gz", ".tsv")


def writer(path: str) -> Callable[[pd.DataFrame, Path], Any]:
    """The function that writes what the name of a file says."""
    for suffix, write in WRITERS.items():
        if path.lower().endswith(suffix):
            return write
    raise ValueError(
        f"{path} cannot be written: its name must end in one of {', '.join(WRITERS)}."
    )


def check_outputs(
    inputs: list[str | None], *paths: str | None, directory: str | None = None
) -> None:
    """Refuse before the work what could not be written after it, or overwrites."""
    taken = {Path(path).resolve() for path in inputs if path}
    for path in paths:
        if path is None:
            continue
        if Path(path).resolve() in taken:
            raise ValueError(
                f"{path} cannot be written: it is a file that is read, or that "
                "something else is written to. Name another one."
            )
        taken.add(Path(path).resolve())
    for path in (*paths, directory):
        if path is None:
            continue
        folder = Path(path).absolute().parent
        if Path(path).is_dir() and path != directory:
            raise ValueError(f"{path} cannot be written: it is a folder.")
        if not folder.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {folder}.")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{path} cannot be written: {folder} is read-only.")


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
