"""All files of a run: in turn in this process, or as tasks of a Dask cluster."""

import glob
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from .._cluster import Done, connected, run_tasks
from .._io.atomic import prefix_of
from .._messages import reason
from .._version import __version__
from .files import BulkFile
from .journal import Journal
from .scoring import BulkSettings, FileReport, predict_file


class Watch:
    """What a run tells of its progress; nobody is told here."""

    def left_out(self, file: BulkFile) -> None:
        """The output of a file is complete since an earlier run."""

    def begun(self, file: BulkFile) -> None:
        """A file is opened in this process."""

    def part(self, file: BulkFile, share: float) -> None:
        """So much of a file is done, of 1."""

    def done(self, file: BulkFile, report: FileReport) -> None:
        """A file is complete."""


def predict_files(
    files: list[BulkFile],
    out: str,
    settings: BulkSettings,
    *,
    scheduler: Any = None,
    resume: bool = False,
    watch: Watch = Watch(),  # noqa: B008 - it has no state
) -> dict[str, str]:
    """Predict files, each into an output of its own.

    A file that fails does not stop the others.

    Parameters
    ----------
    files : list of BulkFile
    out : str
        Folder of the outputs, which is made if it does not exist. Its journal,
        ``_predicted.jsonl``, has a line for each file that is complete.
    settings : BulkSettings
    scheduler : str or distributed.Client, default=None
        A Dask cluster whose workers see the same files under the same paths. None
        predicts in this process.
    resume : bool, default=False
        Leave out files whose outputs are complete, from the same model with the same
        options, unless the input was changed since.
    watch : Watch

    Returns
    -------
    dict of str to str
        Why a file failed, by name.

    Raises
    ------
    ValueError
        If there is no such cluster, another run writes to the folder, or the journal
        cannot be written.
    """
    Path(out).mkdir(parents=True, exist_ok=True)
    for folder in {Path(file.out).parent for file in files}:
        folder.mkdir(parents=True, exist_ok=True)
    # Rows of a chunk do not matter to what is written.
    made_with = asdict(settings) | {"skadaptive": __version__, "drop": [*settings.drop]}
    made_with = {k: v for k, v in made_with.items() if k not in ("model", "n_rows")}
    with Journal(Path(out), made_with, resume) as journal:
        left = []
        for file in files:
            entry = journal.entry_of(file.name, file.path, file.out)
            if entry is None:
                left.append(file)
            else:
                watch.left_out(file)
        failures = {}
        with ExitStack() as stack:
            if scheduler is None or not left:
                results = _in_turn(left, settings, watch)
            else:
                client = stack.enter_context(connected(scheduler))
                results = run_tasks(client, predict_file, left, settings)
            for done in results:
                file = done.task
                if done.error is not None:
                    failures[file.name] = reason(done.error)
                    continue
                journal.add(file.name, file.out, done.result.figures)
                watch.done(file, done.result)
        _remove_remains(left)
    return failures


def _in_turn(
    files: list[BulkFile], settings: BulkSettings, watch: Watch
) -> Iterator[Done]:
    for file in files:
        watch.begun(file)
        try:
            report = predict_file(file, settings, partial(watch.part, file))
        except (ValueError, ImportError, OSError) as error:
            yield Done(file, None, error)
        else:
            yield Done(file, report)


def _remove_remains(files: list[BulkFile]) -> None:
    """Remove what workers that were killed had begun to write."""
    for file in files:
        out = Path(file.out)
        for path in out.parent.glob(f"{glob.escape(prefix_of(out.name))}*"):
            path.unlink(missing_ok=True)
