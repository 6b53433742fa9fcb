"""``skadaptive predict`` of files into a folder, each of any size."""

import argparse
import os
import time
from collections import Counter
from pathlib import Path

from .._bulk.files import BulkFile, find_files, is_many
from .._bulk.run import Watch, predict_files
from .._bulk.scoring import BulkSettings, FileReport
from .._io.text_output import note_on_formulas
from .._report.formatting import duration
from .._saving.container import checksum_of
from .._saving.model_files import load_model
from .._saving.seen_values import UnseenCounts
from .inputs import check_order, threshold_asked_for
from .outputs import INTERRUPTED, print_note

# Seconds between two lines that tell the progress.
_INTERVAL = 5
# Bytes from which on the first look at a text takes many seconds.
_LARGE = 500_000_000
# Failed files that are named, and columns with values that are new.
_MOST_NAMED = 20


def add_many_files(parser: argparse.ArgumentParser) -> None:
    """The options of runs over many files."""
    parser.add_argument(
        "--resume",
        action="store_true",
        help="with --out DIR/: leave out files whose outputs are complete, from the "
        "same model with the same options",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="with --out DIR/: predict the files on the workers of a Dask cluster, "
        "which see them under the same paths",
    )


def asks_for_files(options: argparse.Namespace) -> bool:
    """Whether the predictions are to go into a folder, one output for each input."""
    out = options.out
    into_folder = out is not None and (
        out.endswith(("/", os.sep)) or Path(out).is_dir()
    )
    if is_many(options.file) or into_folder:
        return True
    if options.resume or options.scheduler:
        given = "--resume" if options.resume else "--scheduler"
        raise ValueError(
            f"{given} needs a folder for the predictions: --out DIR/, with a slash at "
            "the end."
        )
    return False


def predict_many(options: argparse.Namespace) -> int:
    """Predict files into a folder."""
    if options.out is None:
        raise ValueError(
            f"{options.file} may be many files: name a folder for the predictions in "
            "--out DIR/."
        )
    if options.explain or options.explain_alarms:
        given = "--explain" if options.explain else "--explain-alarms"
        raise ValueError(
            f"{given} needs the rows of one table in memory, and not --out DIR/. "
            "Explain the rows that matter: write them to a file of their own, and "
            "predict it with --explain."
        )
    if options.sheet is not None:
        raise ValueError(
            "--sheet and --out DIR/ exclude each other: predict the spreadsheet by "
            "itself, with --out FILE."
        )
    check_order(options)
    files, left_out = find_files(options.file, options.out)
    if left_out:
        shown = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
        print_note(f"note: Left out, since they are no tables: {shown}.")
    settings = BulkSettings(
        model=os.path.abspath(options.model),
        checksum=checksum_of(options.model),
        threshold=threshold_asked_for(options, load_model(options.model)),
        id_column=options.id,
        drop=tuple(options.drop),
        encoding=options.encoding,
        spreadsheet_safe=options.spreadsheet_safe,
    )
    progress = _Progress(files)
    try:
        failures = predict_files(
            files,
            options.out,
            settings,
            scheduler=options.scheduler,
            resume=options.resume,
            watch=progress,
        )
    except KeyboardInterrupt:
        print_note(
            f"skadaptive predict: interrupted, {progress.n_complete} of {len(files)} "
            "files are complete. The same command with --resume goes on."
        )
        return INTERRUPTED
    print_note(progress.summary(options.out))
    unseen = progress.unseen.lines()
    if len(unseen) > _MOST_NAMED:
        unseen[_MOST_NAMED:] = [f"{len(unseen) - _MOST_NAMED} more columns are alike."]
    for line in unseen:
        print_note(f"note: {line}")
    if progress.formulas:
        print_note(f"note: {note_on_formulas(progress.formulas)}")
    if failures:
        raise ValueError(_failed(failures, len(files)))
    return 0


def _failed(failures: dict[str, str], n_files: int) -> str:
    lines = [f"{name}: {reason}" for name, reason in failures.items()]
    if len(lines) > _MOST_NAMED:
        lines[_MOST_NAMED:] = [f"and {len(lines) - _MOST_NAMED} more"]
    return "\n  ".join(
        [
            f"{len(failures)} of {n_files} files failed. Correct what is wrong, and "
            "run the same command with --resume.",
            *lines,
        ]
    )


class _Progress(Watch):
    """Tells the progress on standard error, a line every few seconds."""

    def __init__(self, files: list[BulkFile]) -> None:
        self._bytes = {
            # A link to nothing fails when its turn has come.
            file.name: os.path.getsize(file.path) if os.path.exists(file.path) else 0
            for file in files
        }
        self._shares: dict[str, float] = {}
        self._earlier: set[str] = set()
        self._reports: list[FileReport] = []
        self._notes: set[str] = set()
        self._begun = self._told = time.monotonic()

    @property
    def formulas(self) -> dict[str, int]:
        """Cells of the outputs that spreadsheets take for formulas, by column."""
        total = Counter[str]()
        for report in self._reports:
            total.update(report.formulas)
        return dict(total)

    @property
    def unseen(self) -> UnseenCounts:
        """Rows with missing values and categories that the training did not have."""
        total = UnseenCounts()
        for report in self._reports:
            total.update(report.unseen)
        return total

    @property
    def n_complete(self) -> int:
        """Files that are complete, those of an earlier run as well."""
        return len(self._earlier) + len(self._reports)

    def left_out(self, file: BulkFile) -> None:
        self._earlier.add(file.name)

    def begun(self, file: BulkFile) -> None:
        size = self._bytes[file.name]
        if size > _LARGE and not file.out.endswith(".parquet"):
            print_note(
                f"{file.name} ({size / 1e9:.1f} GB) is looked through once before it "
                "is predicted."
            )

    def part(self, file: BulkFile, share: float) -> None:
        self._shares[file.name] = share
        self._tell()

    def done(self, file: BulkFile, report: FileReport) -> None:
        self._shares[file.name] = 1.0
        self._reports.append(report)
        for note in report.notes:
            if note not in self._notes:  # once, of many files with the same
                self._notes.add(note)
                print_note(f"note: {file.name}: {note}")
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._told < _INTERVAL:
            return
        self._told = now
        ours = {n: size for n, size in self._bytes.items() if n not in self._earlier}
        done = sum(ours[name] * share for name, share in self._shares.items())
        share = done / max(1, sum(ours.values()))
        left = (now - self._begun) * (1 - share) / share if share else 0.0
        print_note(
            f"{self.n_complete} of {len(self._bytes)} files, {share:.0%} of the bytes, "
            f"about {duration(left)} left"
        )

    def summary(self, out: str) -> str:
        """What was done, in sentences."""
        earlier = len(self._earlier)
        left_out = f"{_files(earlier)} complete already." if earlier else ""
        if not self._reports:
            return left_out or "No file was written."
        rows = sum(report.rows for report in self._reports)
        rare = sum(report.rare_rows for report in self._reports)
        seconds = {
            what: duration(sum(report.seconds[what] for report in self._reports))
            for what in ("reading", "predicting", "writing")
        }
        share = f" ({rare / rows:.2%})" if rows else ""
        return (
            f"{_files(len(self._reports))} written to {out}, with {rows:,} rows: "
            f"{rare:,} predicted rare{share}. Reading took {seconds['reading']}, "
            f"predicting {seconds['predicting']} and writing {seconds['writing']}. "
            f"{left_out}"
        ).rstrip()


def _files(n_files: int) -> str:
    return "1 file was" if n_files == 1 else f"{n_files:,} files were"
