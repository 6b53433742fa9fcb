"""Tables and models that the options of a subcommand name."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .._assessment.preparation import identifiers_in
from .._io.columns import Notes, ReadingOptions, infer_column, quoted
from .._io.containers import is_model_file
from .._io.numbers import NumberMarks
from .._io.tables import TableFile, check_columns, read_table
from .._io.training_table import (
    ColumnRoles,
    TrainingTable,
    make_training,
    read_training,
)
from .._prediction import chosen_threshold
from .._report.advice import finding_text
from .._saving.model_files import SavedModel, load_model
from ..datasets import load_rare
from .outputs import print_note


def read_training_table(options: argparse.Namespace) -> TrainingTable:
    """The rows to train on: a file, or built-in data if none is named."""
    if options.time and options.group:
        raise ValueError("--time and --group exclude each other: leave one out.")
    roles = ColumnRoles(
        target=options.target,
        group=options.group,
        time=options.time,
        weight=options.weight,
        id=options.id,
        drop=options.drop,
    )
    if options.file is not None:
        reading = _reading_options(options)
        return read_training(options.file, roles, options.positive, reading)
    if options.target:
        raise ValueError(
            "--target needs a FILE. Write FILE before --drop, --missing and --only, "
            "which take all names that follow them."
        )
    bunch = load_rare("breast_cancer", as_frame=True)
    frame = bunch.data.assign(diagnosis=bunch.target_names[bunch.target])
    formats = {
        name: infer_column(frame[name], name, ReadingOptions(), Notes())[1]
        for name in bunch.data
    }
    roles = replace(roles, target="diagnosis")
    return make_training(frame, roles, options.positive, formats)


def date_formats(given: Sequence[str]) -> dict[str, str]:
    """What --date-format says, by column."""
    formats = {}
    for text in given:
        column, equals, date_format = text.partition("=")
        if not equals:
            raise ValueError(f"--date-format needs the column, too: 'COLUMN={text}'.")
        formats[column] = date_format
    return formats


def _reading_options(options: argparse.Namespace) -> ReadingOptions:
    return ReadingOptions(
        marks=NumberMarks(options.decimal, options.thousands),
        date_formats=date_formats(options.date_format),
        missing_values=tuple(options.missing),
        encoding=options.encoding,
        sheet=options.sheet,
    )


def print_positive(table: TrainingTable, by_default: bool) -> None:
    """Say which value is the rare class, and how to choose another one."""
    target, weight = table.target, table.sample_weight
    is_rare, positive = target.y == target.pos_label, quoted(target.positive)
    share = np.average(is_rare, weights=weight)
    print_note(
        f"The rare value of {target.y.name} is {positive}: {share:.2%} of "
        f"{len(target.y):,} rows{'' if weight is None else ' by weight'}. "
        f"{table.X.shape[1]} features."
    )
    if by_default and target.others_together:
        print_note("To find another value instead: --positive VALUE")
    elif by_default:
        other = str(target.y[~is_rare].iloc[0])
        print_note(f"To find {quoted(other)} instead: --positive {shlex.quote(other)}")
    if share > 0.5:
        why = "; of two about equally frequent ones the second counts as rare"
        print_note(
            f"note: {positive} is the more frequent value{why if by_default else ''}."
        )


def print_identifiers(table: TrainingTable) -> list[str]:
    """Say before the first fit which columns only name the rows.

    Returns
    -------
    list of str
        Messages that the result need not repeat.
    """
    found = identifiers_in(table.X)
    for finding in found:
        print_note(f"note: {finding_text(finding, 'command')}")
    return [finding.message for finding in found]


def check_order(options: argparse.Namespace) -> None:
    """Refuse a table where the model is expected, and the model where the table is."""
    model, file = Path(options.model), Path(options.file)
    if is_model_file(file) and model.exists() and not is_model_file(model):
        raise ValueError(
            f"{file} is a model file and {model} is none: the two seem to be swapped. "
            f"The model comes first: skadaptive {options.command} "
            f"{shlex.join([options.file, options.model])}"
        )


def read_model_and_table(
    options: argparse.Namespace,
    as_written: Sequence[str | None] = (),
    ids: Sequence[str | None] = (),
) -> tuple[SavedModel, TableFile]:
    """Read a model and a table of new rows, the table as that of the training was."""
    check_order(options)
    saved = load_model(options.model)
    names = {*as_written, saved.facts.target}
    table = read_table(
        options.file,
        ReadingOptions(encoding=options.encoding, sheet=options.sheet),
        known=saved.columns,
        as_written=[name for name in names if name],
        ids=[n for n in (*ids, saved.facts.id_column) if n and n not in as_written],
    )
    check_columns(table.frame, options.drop)
    return saved, replace(table, frame=table.frame.drop(columns=options.drop))


def check_roles(
    frame: pd.DataFrame,
    saved: SavedModel,
    options: argparse.Namespace,
    without_outcomes: str,
) -> list[str]:
    """The columns of new rows that --target, --weight and --time name.

    Parameters
    ----------
    frame : DataFrame
    saved : SavedModel
    options : argparse.Namespace
        ``time`` only if the subcommand has it.
    without_outcomes : str
        What to do with a table that lacks the target of the training.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If the table lacks one. No column is suggested that is known to be another one.
    """
    facts, time = saved.facts, getattr(options, "time", None)
    known = {*saved.columns, facts.id_column}
    if options.target:
        otherwise = ""
        if options.target == facts.target:
            otherwise = f"{facts.target} was the target in training: {without_outcomes}"
        check_columns(
            frame,
            [options.target],
            other_roles={*known, *facts.unused_columns, options.weight, time},
            otherwise=otherwise,
        )
    if options.weight:
        check_columns(
            frame, [options.weight], other_roles={*known, options.target, facts.target}
        )
    if time:
        check_columns(frame, [time])  # which may be a feature, too
    return [name for name in (options.target, time, options.weight) if name]


def threshold_asked_for(options: argparse.Namespace, saved: SavedModel) -> float | None:
    """The threshold that the options ask for; None for that of the model."""
    threshold, note = chosen_threshold(
        saved, options.model, options.threshold, options.costs
    )
    if note:
        print_note(f"note: {note}")
    return threshold
