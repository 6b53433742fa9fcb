"""Predictions of one file, chunk by chunk, as ``skadaptive predict`` makes them."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .._io.atomic import replace_atomically
from .._io.chunks import ChunkedTable
from .._io.tables import check_columns
from .._io.text_output import count_formulas, without_formulas, write_text
from .._prediction import features_to_predict, predictions, rare_index
from .._saving.container import checksum_of
from .._saving.model_files import SavedModel, load_model
from .._saving.seen_values import SeenValues, UnseenCounts
from .files import BulkFile
from .journal import source_of


@dataclass(frozen=True)
class BulkSettings:
    """How files are predicted; workers get it as it is.

    Attributes
    ----------
    model : str
        Path of the model file.
    checksum : str
        Of the model file when the run began.
    threshold : float or None
        None is that of the model.
    id_column : str or None
        Column to copy; None is that of the training, of the files that have it.
    drop : tuple of str
        Columns to leave out.
    encoding : str or None
    n_rows : int or None
        Rows of a chunk; None leaves it to their number of columns.
    spreadsheet_safe : bool
        Whether cells of a text that spreadsheets take for formulas are escaped.
    """

    model: str
    checksum: str
    threshold: float | None = None
    id_column: str | None = None
    drop: tuple[str, ...] = ()
    encoding: str | None = None
    n_rows: int | None = None
    spreadsheet_safe: bool = False


@dataclass
class FileReport:
    """What was done with a file.

    Attributes
    ----------
    source : dict of str to int
        See :func:`~skadaptive._bulk.journal.source_of`.
    rows, rare_rows : int
        Predicted rows, and those of them that were predicted rare.
    seconds : dict of str to float
        ``reading``, ``predicting`` and ``writing``.
    notes : list of str
        What was guessed about the file.
    formulas : Counter of str
        Cells of an output of text that spreadsheets take for formulas, by column.
    unseen : UnseenCounts
        Rows with missing values and categories that the training did not have.
    """

    source: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    rare_rows: int = 0
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("reading", "predicting", "writing"), 0.0)
    )
    notes: list[str] = field(default_factory=list)
    formulas: Counter[str] = field(default_factory=Counter)
    unseen: UnseenCounts = field(default_factory=UnseenCounts)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of a block."""
        start = time.perf_counter()
        yield
        self.seconds[what] += time.perf_counter() - start

    @property
    def figures(self) -> dict[str, Any]:
        """For the journal."""
        seconds = {name: round(value, 3) for name, value in self.seconds.items()}
        rows = {"rows": self.rows, "rare_rows": self.rare_rows}
        return self.source | rows | {"seconds": seconds}


def predict_file(
    file: BulkFile,
    settings: BulkSettings,
    show: Callable[[float], None] = lambda share: None,
) -> FileReport:
    """Predict the rows of a file.

    Parameters
    ----------
    file : BulkFile
        Its output takes its name once it is complete, in place of an earlier one.
    settings : BulkSettings
    show : callable
        Called with the share of the rows that are done.

    Returns
    -------
    FileReport

    Raises
    ------
    ValueError
        If the file is not a table with the columns of the training, or a value is not
        in the format of its column.
    """
    saved = _loaded(settings.model, settings.checksum)
    report = FileReport(source_of(file.path))
    with report.timed("reading"):
        id_column = settings.id_column or saved.facts.id_column
        table = ChunkedTable(
            Path(file.path),
            known=saved.columns,
            id_column=id_column,
            encoding=settings.encoding,
            n_rows=settings.n_rows,
        )
        names = pd.DataFrame(columns=table.names)
        check_columns(names, [settings.id_column] if settings.id_column else [])
        check_columns(names, settings.drop)
        names = names.drop(columns=list(settings.drop))
        features_to_predict(names, saved, [saved.facts.target, settings.id_column])
    rare = saved.model.classes_[rare_index(saved)]
    seen = SeenValues(saved)
    is_text = not file.out.endswith(".parquet")
    writer = _csv_writer if is_text else _parquet_writer
    with (
        replace_atomically(file.out) as temporary,
        writer(temporary, table.id_type) as write,
    ):
        chunks = table.chunks()
        while True:
            with report.timed("reading"):
                chunk = next(chunks, None)
            if chunk is None:
                break
            with report.timed("predicting"):
                X = chunk.frame[list(saved.columns)]
                for unseen in (*seen.unseen(X), *seen.beyond(X)):
                    report.unseen.add(unseen)
                result = _predicted(saved, X, settings.threshold)
                if chunk.ids is not None:
                    result.insert(0, str(id_column), chunk.ids.array)
            with report.timed("writing"):
                written = result
                if is_text and settings.spreadsheet_safe:
                    written = without_formulas(result)
                elif is_text:
                    # The names of the columns are written once.
                    found = count_formulas(result, with_names=not report.rows)
                    report.formulas.update(found)
                write(written)
            report.rows += len(result)
            report.rare_rows += int((result["prediction"] == rare).sum())
            show(report.rows / max(1, table.n_rows))
    report.notes = table.notes
    return report


@lru_cache(maxsize=2)
def _loaded(path: str, checksum: str) -> SavedModel:
    """The model, which a process reads once."""
    if checksum_of(path) != checksum:
        raise ValueError(
            f"{path} is not the model file that the run began with. Keep a copy of the "
            "model under another name while it runs, or begin again."
        )
    return load_model(path)


def _predicted(
    saved: SavedModel, X: pd.DataFrame, threshold: float | None
) -> pd.DataFrame:
    if len(X):
        return predictions(saved, X, threshold)
    classes = np.asarray(saved.model.classes_)
    return pd.DataFrame({"probability": np.empty(0), "prediction": classes[:0]})


_Write = Callable[[pd.DataFrame], None]


@contextmanager
def _csv_writer(path: Path, id_type: Any) -> Iterator[_Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda frame: write_text(frame, file, header=not file.tell())


@contextmanager
def _parquet_writer(path: Path, id_type: Any) -> Iterator[_Write]:
    import pyarrow as pa
    from pyarrow import parquet

    with ExitStack() as stack:
        opened: list[parquet.ParquetWriter] = []

        def write(frame: pd.DataFrame) -> None:
            if not opened:
                schema = pa.Schema.from_pandas(frame, preserve_index=False)
                if id_type is not None:
                    schema = schema.set(0, pa.field(schema.names[0], id_type))
                # The metadata would speak of the rows of the first chunk alone.
                schema = schema.remove_metadata()
                opened.append(stack.enter_context(parquet.ParquetWriter(path, schema)))
            table = pa.Table.from_pandas(frame, opened[0].schema, preserve_index=False)
            opened[0].write_table(table)

        yield write
