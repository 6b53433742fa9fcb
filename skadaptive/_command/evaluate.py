"""``skadaptive evaluate``: measure a saved model on labelled rows."""

import argparse
from dataclasses import replace
from pathlib import Path

from .._io.columns import Notes
from .._io.tables import check_columns
from .._io.target import (
    label_of,
    read_labels,
    spelt_as_in_training,
    two_classes,
)
from .._io.training_table import read_weights
from .._packages import require
from .._prediction import features_to_predict
from .._report.pages import evaluation_report
from .._report.source import Source
from ..evaluation import evaluate
from .arguments import Subcommands, add_columns, add_model_and_file, add_results
from .inputs import read_model_and_table
from .outputs import check_outputs, print_json, print_note, print_text, print_written


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser(
        "evaluate", help="measure a saved model on labelled rows"
    )
    parser.set_defaults(run=_run)
    add_model_and_file(parser)
    parser.add_argument(
        "--target", metavar="COLUMN", required=True, help="column with the classes"
    )
    add_columns(parser)
    parser.add_argument("--out", metavar="DIR", help="write metrics.json and plots")
    add_results(parser)


def _run(options: argparse.Namespace) -> int:
    check_outputs([options.file, options.model], options.report, directory=options.out)
    if options.report or options.out:
        require("jinja2", "matplotlib", purpose="A report")
    saved, table = read_model_and_table(options, as_written=[options.target])
    special = [options.target, *([options.weight] if options.weight else [])]
    check_columns(table.frame, special)
    notes = Notes()
    labels, has_label = read_labels(
        table.frame[options.target], str(saved.facts.positive), notes
    )
    labels = spelt_as_in_training(labels, saved.known_labels, notes)
    lines = [*table.notes, *notes.lines()]
    for note in lines:
        print_note(f"note: {note}")
    frame = table.frame[has_label].reset_index(drop=True)
    X = features_to_predict(frame, saved, ignore=special)
    y = two_classes(labels, saved.facts.positive, saved.facts.others_together)
    evaluation = evaluate(
        saved.model,
        X,
        y.to_numpy(),
        sample_weight=read_weights(frame, options.weight),
        pos_label=label_of(saved.model.classes_, saved.facts.positive),
        random_state=options.seed,
    )
    # The class of a pipeline's last step does not tell contenders apart.
    evaluation = replace(evaluation, name=saved.facts.name)
    written = {}
    if options.report:
        source = Source(Path(options.file).name, options.target, notes=lines)
        page = evaluation_report(evaluation, options.report, source=source)
        written["report"] = str(page)
    if options.out:
        evaluation.save(options.out)
        written["folder"] = options.out
    if options.json:
        values = {
            "model": saved.facts.name,
            "measures": evaluation.table.reset_index().to_dict("records"),
            "confusion_matrix": evaluation.confusion_matrix_.to_numpy().tolist(),
        }
        print_json(values | written)
    else:
        print_text(evaluation)
        print_written(written)
    return 0
