"""``skadaptive monitor``: what has changed since the training of a saved model."""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from .._io.atomic import replace_atomically
from .._io.columns import Notes, ReadingOptions, infer_column, plain_types
from .._io.target import read_labels, spelt_as_in_training, two_classes
from .._io.training_table import read_weights
from .._monitoring.periods import UNITS
from .._monitoring.tables import check_reference
from .._packages import require
from .._prediction import features_to_predict
from .._report.monitoring import monitoring_report
from .._report.source import Source
from .._saving.model_files import SavedModel
from ..monitoring import monitor
from .arguments import (
    Subcommands,
    add_columns,
    add_date_format,
    add_decision,
    add_model_and_file,
)
from .inputs import (
    check_roles,
    date_formats,
    read_model_and_table,
    threshold_asked_for,
)
from .outputs import (
    CHANGED,
    STANDARD_OUTPUT,
    check_formats,
    check_outputs,
    print_json,
    print_note,
    print_text,
    print_written,
)

_DESCRIPTION = f"""\
Compares new rows with what compare --save stored of the training. The exit code is 0 if
nothing has changed beyond luck, {CHANGED} if something has, and 2 after a mistake.
"""
_WITHOUT_OUTCOMES = (
    "the table has no outcomes. Leave --target out to compare without them."
)


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser(
        "monitor",
        help="find what has changed since the training of a saved model",
        description=_DESCRIPTION,
    )
    parser.set_defaults(run=_run)
    add_model_and_file(parser)
    parser.add_argument(
        "--target",
        metavar="COLUMN",
        help="column with the classes, as far as they are known; default: compare "
        "without them",
    )
    parser.add_argument(
        "--time",
        metavar="COLUMN",
        help="column with dates, numbers or names that orders the rows; default: all "
        "rows are one period",
    )
    parser.add_argument(
        "--period",
        default="auto",
        type=_period,
        metavar="UNIT",
        help=f"{', '.join(UNITS)}, or a number of parts with about as many rows; "
        "default: the shortest unit that makes at most 15 periods",
    )
    add_date_format(parser)
    add_columns(parser)
    add_decision(parser)
    parser.add_argument("--report", metavar="FILE.html", help="write an HTML report")
    parser.add_argument(
        "--json",
        nargs="?",
        const=STANDARD_OUTPUT,
        metavar="FILE",
        help="write everything as JSON to FILE; without FILE, print it",
    )


def _period(text: str) -> str | int:
    """A unit or a number of parts on the command line."""
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    if text in ("auto", *UNITS):
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither {', '.join(UNITS)} nor a number of parts"
    )


def _run(options: argparse.Namespace) -> int:
    json_file = None if options.json == STANDARD_OUTPUT else options.json
    check_outputs([options.file, options.model], options.report, json_file)
    check_formats(options)
    if options.report:
        require("jinja2", "matplotlib", purpose="A report")
    if options.period != "auto" and not options.time:
        raise ValueError("--period needs --time COLUMN, which orders the rows.")
    saved, table = read_model_and_table(options, as_written=[options.target])
    check_reference(saved, options.model)
    special = check_roles(table.frame, saved, options, _WITHOUT_OUTCOMES)
    notes = Notes()
    y = _labels(table.frame, options.target, saved, notes)
    time = _time(table.frame, options, saved, notes)
    lines = [*table.notes, *notes.lines()]
    for note in lines:
        print_note(f"note: {note}")
    ignore = [*special, saved.facts.target]
    found = monitor(
        saved,
        features_to_predict(table.frame, saved, ignore=ignore),
        y,
        time=time,
        period=options.period,
        threshold=threshold_asked_for(options, saved),
        sample_weight=read_weights(table.frame, options.weight),
    )
    written = {}
    if options.report:
        source = Source(Path(options.file).name, options.target or "", notes=lines)
        page = monitoring_report(found, options.report, source=source)
        written["report"] = str(page)
    if json_file:
        with replace_atomically(json_file) as temporary:
            text = json.dumps(found.to_json(), indent=2, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        written["JSON"] = json_file
    if options.json == STANDARD_OUTPUT:
        print_json(found.to_json() | written)
    else:
        print_text(found)
        print_written(written)
    return CHANGED if found.has_changed else 0


def _labels(
    frame: pd.DataFrame, target: str | None, saved: SavedModel, notes: Notes
) -> pd.Series | None:
    """Labels of all rows, None where there is none, under the name of their column."""
    if target is None:
        return None
    facts = saved.facts
    labels, has_label = read_labels(
        frame[target], str(facts.positive), notes, without="Without a label"
    )
    labels = spelt_as_in_training(labels, saved.known_labels, notes)
    found = np.full(len(frame), None, dtype=object)
    found[has_label] = two_classes(labels, facts.positive, facts.others_together)
    return pd.Series(found, name=target)


def _time(
    frame: pd.DataFrame, options: argparse.Namespace, saved: SavedModel, notes: Notes
) -> pd.Series | None:
    """Dates, numbers or texts; only the features of the model were read already."""
    name = options.time
    if name is None or name in saved.columns:
        return None if name is None else frame[name]
    formats = date_formats(options.date_format)
    column = plain_types(frame[name], name)
    return infer_column(column, name, ReadingOptions(date_formats=formats), notes)[0]
