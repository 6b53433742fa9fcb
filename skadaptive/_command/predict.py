"""``skadaptive predict``: probabilities and classes of new rows."""

import argparse
import time

import numpy as np
import pandas as pd

from .._io.atomic import replace_atomically
from .._io.columns import quoted, rows_text
from .._io.tables import check_columns
from .._io.text_output import count_formulas, note_on_formulas, without_formulas
from .._prediction import features_to_predict, predictions, rare_index
from .._report.formatting import duration
from .._saving.model_files import SavedModel
from .._saving.seen_values import SeenValues
from .._typing import IntArray
from ..explanation import explain
from .arguments import (
    Subcommands,
    add_decision,
    add_drop,
    add_model_and_file,
    count,
)
from .inputs import read_model_and_table, threshold_asked_for
from .outputs import (
    SEPARATED,
    WRITERS,
    check_named,
    check_outputs,
    check_room,
    print_note,
    print_table,
    writer,
)
from .predict_files import add_many_files, asks_for_files, predict_many

_DESCRIPTION = """\
FILE may also be a folder or a pattern, such as 'new/*.parquet'. Files that are larger
than memory, or many, are predicted into a folder: --out DIR/. They are read some rows
at a time, and each has an output of its own."""


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser(
        "predict",
        help="predict probabilities and classes with a saved model",
        description=_DESCRIPTION,
    )
    parser.set_defaults(run=_run)
    add_model_and_file(parser)
    add_many_files(parser)
    add_drop(parser)
    parser.add_argument(
        "--id",
        metavar="COLUMN",
        help="column to copy into the output; default: that of compare --id",
    )
    parser.add_argument(
        "--out",
        metavar="FILE|DIR",
        help=f"{', '.join(WRITERS)}, or a folder (see above); default: CSV to standard "
        "output",
    )
    parser.add_argument(
        "--spreadsheet-safe",
        action="store_true",
        help="write an apostrophe before cells that a spreadsheet takes for formulas, "
        "such as keys that begin with =, +, - or @; default: count them in a warning",
    )
    add_decision(parser)
    explaining = parser.add_mutually_exclusive_group()
    explaining.add_argument(
        "--explain",
        type=count,
        metavar="N",
        help="add the N greatest reasons for each row, as columns reason_1 to reason_N",
    )
    explaining.add_argument(
        "--explain-alarms",
        type=count,
        metavar="N",
        help="the same for the rows that are predicted rare, which are few and done "
        "sooner; the other rows are written without reasons",
    )


def _run(options: argparse.Namespace) -> int:
    check_named(options.model, options.file, options.out)
    if asks_for_files(options):
        return predict_many(options)
    check_outputs([options.file, options.model], options.out)
    if options.out is not None:
        writer(options.out)
        _check_spreadsheet_safe(options)
    saved, table = read_model_and_table(options, ids=[options.id])
    check_columns(table.frame, [options.id] if options.id else [])
    for note in table.notes:
        print_note(f"note: {note}")
    frame = table.frame
    check_room(options.out, len(frame))
    # The table of the training has the target, too; it is not looked at.
    X = features_to_predict(frame, saved, ignore=[saved.facts.target, options.id])
    seen = SeenValues(saved)
    for unseen in (*seen.unseen(X), *seen.beyond(X)):
        print_note(f"note: {unseen.msg}")
    result = predictions(saved, X, threshold_asked_for(options, saved))
    alarms = np.flatnonzero(
        result["prediction"] == saved.model.classes_[rare_index(saved)]
    )
    n_reasons = options.explain or options.explain_alarms
    if n_reasons:
        explained = np.arange(len(X)) if options.explain else alarms
        reasons = _reasons(saved, X, explained, n_reasons)
        result = pd.concat([result, reasons], axis=1)
    name = options.id or saved.facts.id_column
    if name in frame:
        result.insert(0, name, frame[name].array)
    if options.spreadsheet_safe:
        result = without_formulas(result)
    elif _is_separated(options.out):
        formulas = count_formulas(result)
        if formulas:
            print_note(f"note: {note_on_formulas(formulas)}")
    if options.out is None:
        print_table(result)
        return 0
    with replace_atomically(options.out) as temporary:
        writer(options.out)(result, temporary)
    print_note(
        f"{rows_text(len(X))} {'was' if len(X) == 1 else 'were'} written to "
        f"{options.out}: {len(alarms):,} predicted {quoted(saved.facts.positive)} "
        f"({len(alarms) / len(X):.2%})."
    )
    return 0


def _is_separated(out: str | None) -> bool:
    return out is None or out.lower().endswith(SEPARATED)


def _check_spreadsheet_safe(options: argparse.Namespace) -> None:
    if options.spreadsheet_safe and not _is_separated(options.out):
        raise ValueError(
            f"--spreadsheet-safe is for separated text, {', '.join(SEPARATED)}; the "
            f"cells of {options.out} have types, and none is a formula. Leave it out."
        )


# Rows that are explained before the time of the others is told, and the seconds from
# which on that is worth a note.
_FIRST_ROWS, _LONG = 20, 10


def _reasons(
    saved: SavedModel, X: pd.DataFrame, explained: IntArray, n_reasons: int
) -> pd.DataFrame:
    """The greatest contributions to the odds of some rows, in words; others have none.

    Parameters
    ----------
    saved : SavedModel
    X : DataFrame of shape (n_samples, n_features)
    explained : ndarray of int of shape (n_explained,)
        The rows, in rising order.
    n_reasons : int

    Returns
    -------
    DataFrame of shape (n_samples, n_reasons)
    """
    background = saved.background
    if background is None:
        background = X
        print_note(
            "note: the model file holds no rows of the training to compare with. The "
            "reasons say how a row differs from the others of this table."
        )
    if not len(explained):
        names = [f"reason_{number}" for number in range(1, n_reasons + 1)]
        return pd.DataFrame("", index=range(len(X)), columns=names)
    label = saved.model.classes_[rare_index(saved)]
    explanation = explain(saved.model, X, pos_label=label, random_state=0)
    n_rows = len(explained)
    parts, start = [], time.perf_counter()
    for rows in np.array_split(explained, range(_FIRST_ROWS, n_rows, 1000)):
        contributions = explanation.contributions(rows, background=background)
        parts.append(contributions.reasons(n_reasons))
        seconds = (time.perf_counter() - start) * (n_rows / len(rows) - 1)
        if len(parts) == 1 and seconds > _LONG:
            print_note(f"The reasons take about {duration(seconds)}.")
    reasons = pd.concat(parts, ignore_index=True).set_axis(explained)
    return reasons.reindex(np.arange(len(X)), fill_value="")
