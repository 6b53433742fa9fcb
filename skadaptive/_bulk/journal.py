"""The record of complete outputs, by which a run can be resumed."""

import json
import os
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
    """

    def __init__(self, folder: Path, made_with: dict[str, Any], resume: bool) -> None:
        self._path, self._made_with = folder / JOURNAL, made_with
        self._known: dict[str, dict[str, Any]] = {}
        if resume and self._path.exists():
            for line in self._path.read_text("utf-8").splitlines():
                try:
                    entry = json.loads(line)
                    self._known[entry["input"]] = entry
                except (ValueError, KeyError, TypeError):
                    continue  # cut off when the run broke
        elif not resume:
            self._path.unlink(missing_ok=True)

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
        line = json.dumps(self._facts(name, out) | figures)
        with self._path.open("a+", encoding="utf-8") as file:
            # Not behind half a line of a run that broke.
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(file.tell() - 1)
                line = line if file.read(1) == "\n" else f"\n{line}"
            file.write(f"{line}\n")

    def _facts(self, name: str, out: str) -> dict[str, Any]:
        n_bytes = os.stat(out).st_size
        return {"input": name, "output_bytes": n_bytes, "made_with": self._made_with}


def source_of(path: str) -> dict[str, int]:
    """What shows whether a file was changed."""
    facts = os.stat(path)
    return {"input_bytes": facts.st_size, "input_modified_ns": facts.st_mtime_ns}
