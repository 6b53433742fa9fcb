"""The record of complete outputs, by which a run can be resumed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

#: In the folder of the outputs. Those who read all Parquet files of a folder skip names
#: that begin with an underscore.
JOURNAL = "_predicted.jsonl"


class Journal:
    """One line of JSON for each output, written once the output is complete.

    An output takes its name at the moment when it is complete. The line tells that it
    was made of this input, with this model and these options.

    Parameters
    ----------
    folder : Path
        Of the outputs.
    made_with : dict
        Model and options, as values of JSON.
    resume : bool
        Whether to go on with the journal that is there, or to begin a new one.

    Raises
    ------
    ValueError
        If it cannot be written, or another run writes to the folder.
    """

    def __init__(self, folder: Path, made_with: dict[str, Any], resume: bool) -> None:
        self._path, self._made_with = folder / JOURNAL, made_with
        self._known: dict[str, dict[str, Any]] = {}
        with self._refusals_named():
            self._file = self._path.open("a+b")
        try:
            self._lock()
        except BaseException:
            self._file.close()
            raise
        self._file.seek(0)
        for line in self._file if resume else ():
            try:
                entry = json.loads(line)
                self._known[entry["input"]] = entry
            except (ValueError, KeyError, TypeError):
                continue  # cut off when the run broke
        if not resume:
            self._file.truncate(0)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file, which lets other runs write to the folder."""
        with suppress(OSError):  # from half a line, of which add has told
            self._file.close()

    def _lock(self) -> None:
        """Keep other runs off, whose remains this one would remove.

        The system lifts the lock when the process ends, in whatever way.
        """
        try:
            import fcntl
        except ImportError:  # Windows
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"Another run is writing to {self._path.parent}. Wait until it has "
                "ended, or name another folder in --out."
            ) from None
        except OSError:  # some network drives have no locks
            return

    @contextmanager
    def _refusals_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ValueError(
                f"{self._path} cannot be written ({error.strerror}). Make room, or "
                "name another folder in --out. Outputs that are there are complete; "
                "--resume leaves out those that the file lists."
            ) from error

    def entry_of(self, name: str, path: str, out: str) -> dict[str, Any] | None:
        """The line of an input whose output is complete and would be made the same."""
        entry = self._known.get(name)
        if entry is None or not os.path.exists(out):
            return None
        try:
            now = self._facts(name, out) | source_of(path)
        except OSError:  # the input is gone, which predicting it will say
            return None
        return entry if all(entry.get(key) == now[key] for key in now) else None

    def add(self, name: str, out: str, figures: dict[str, Any]) -> None:
        """Write the line of an output that is complete.

        The figures have those of :func:`source_of`, as they were before it was read.
        """
        line = json.dumps(self._facts(name, out) | figures).encode() + b"\n"
        with self._refusals_named():
            # Not behind half a line of a run that broke.
            end = self._file.seek(0, os.SEEK_END)
            if end:
                self._file.seek(end - 1)
                line = line if self._file.read(1) == b"\n" else b"\n" + line
            self._file.write(line)
            self._file.flush()

    def _facts(self, name: str, out: str) -> dict[str, Any]:
        n_bytes = os.stat(out).st_size
        return {"input": name, "output_bytes": n_bytes, "made_with": self._made_with}


def source_of(path: str) -> dict[str, int]:
    """What shows whether a file was changed."""
    facts = os.stat(path)
    return {"input_bytes": facts.st_size, "input_modified_ns": facts.st_mtime_ns}
