"""``skadaptive evaluate``: measure a saved model on labelled rows."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from .._assessment.response import deciding_at
from .._io.columns import Notes
from .._io.target import (
    label_of,
    labels_with_rows,
    read_labels,
    spelt_as_in_training,
    two_classes,
)
from .._io.training_table import read_weights
from .._messages import shown
from .._packages import require
from .._prediction import features_to_predict, rare_index
from .._report.formatting import amount
from .._report.pages import evaluation_report
from .._report.source import Source
from .._saving.model_files import SavedModel
from .._typing import IntArray
from ..evaluation import Evaluation, evaluate
from .arguments import (
    Subcommands,
    add_columns,
    add_decision,
    add_model_and_file,
    add_results,
)
from .inputs import check_roles, read_model_and_table, threshold_asked_for
from .outputs import (
    check_formats,
    check_outputs,
    print_json,
    print_note,
    print_text,
    print_written,
)

_WITHOUT_OUTCOMES = (
    "the table has no outcomes to measure the model by. Name a table that has; "
    "'skadaptive predict' needs none."
)


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
    add_decision(parser)
    parser.add_argument("--out", metavar="DIR", help="write metrics.json and plots")
    add_results(parser)


def _run(options: argparse.Namespace) -> int:
    check_outputs([options.file, options.model], options.report, directory=options.out)
    check_formats(options)
    if options.report or options.out:
        require("jinja2", "matplotlib", purpose="A report")
    saved, table = read_model_and_table(options, as_written=[options.target])
    special = check_roles(table.frame, saved, options, _WITHOUT_OUTCOMES)
    notes = Notes()
    labels, has_label = read_labels(
        table.frame[options.target], str(saved.facts.positive), notes
    )
    labels = spelt_as_in_training(labels, saved.known_labels, notes)
    _check_known(labels, np.flatnonzero(has_label), saved)
    lines = [*table.notes, *notes.lines()]
    for note in lines:
        print_note(f"note: {note}")
    frame = table.frame[has_label].reset_index(drop=True)
    X = features_to_predict(frame, saved, ignore=special)
    y = two_classes(labels, saved.facts.positive, saved.facts.others_together)
    threshold = threshold_asked_for(options, saved)
    model = saved.model
    if threshold is not None:
        model = deciding_at(model, threshold, model.classes_[rare_index(saved)])
    evaluation = evaluate(
        model,
        X,
        y.to_numpy(),
        sample_weight=read_weights(frame, options.weight),
        pos_label=label_of(saved.model.classes_, saved.facts.positive),
        random_state=options.seed,
    )
    cost = _mean_costs(evaluation, options.costs) if options.costs else {}
    # The class of a pipeline's last step does not tell contenders apart.
    evaluation = replace(evaluation, name=saved.facts.name)
    if threshold is not None:
        evaluation = replace(evaluation, threshold_=threshold)
    written = {}
    if options.report:
        source = Source(
            Path(options.file).name, options.target, notes=lines, model=options.model
        )
        matrix = None
        if options.costs:
            alarm, miss = options.costs
            matrix = [[0, alarm], [miss, 0]]
        page = evaluation_report(
            evaluation, options.report, cost_matrix=matrix, source=source
        )
        written["report"] = str(page)
    if options.out:
        evaluation.save(options.out)
        written["folder"] = options.out
    if options.json:
        values = {
            "model": saved.facts.name,
            "threshold": evaluation.threshold_,
            "measures": evaluation.table.reset_index().to_dict("records"),
            "confusion_matrix": evaluation.confusion_matrix_.to_numpy().tolist(),
        }
        if cost:
            values["cost_per_1000_rows"] = cost
        print_json(values | written)
    else:
        print_text(evaluation)
        if cost:
            alarm, miss = options.costs
            print_text(
                f"\nThe cost is {amount(cost['model'])} per 1,000 rows "
                f"[{amount(cost['low'])}, {amount(cost['high'])}], if a false alarm "
                f"costs {alarm:g} and a miss {miss:g}. Predicting all rows rare costs "
                f"{amount(cost['all_rare'])}, and predicting none "
                f"{amount(cost['none_rare'])}."
            )
        print_written(written)
    return 0


def _check_known(labels: pd.Series, rows: IntArray, saved: SavedModel) -> None:
    """Refuse labels that are none of the training's, before the predictions."""
    known = saved.known_labels
    unknown = ~labels.isin(known).to_numpy()
    if not unknown.any() or saved.facts.others_together:
        return
    raise ValueError(
        f"Column {labels.name} holds labels that are not known: "
        f"{labels_with_rows(labels[unknown], rows[unknown])}. The classes are "
        f"{', '.join(map(shown, known))}. "
        "Write them as in training, or name another column as --target."
    )


def _mean_costs(evaluation: Evaluation, costs: Sequence[float]) -> dict[str, float]:
    """Mean cost per 1,000 rows, by weight, of the model and of predicting all alike.

    That of the model has the interval of the bootstrap, ``low`` to ``high``.
    """
    alarm, miss = costs
    matrix = evaluation.confusion_matrix_
    weights = matrix["value"]
    is_rare, is_alarm = (
        weights.index.get_level_values(level) == evaluation.pos_label_
        for level in ("true", "predicted")
    )
    shares = weights / weights.sum()
    by_cell = alarm * (~is_rare & is_alarm) + miss * (is_rare & ~is_alarm)
    drawn = evaluation._drawn_cells
    tail = (1 - evaluation.confidence_level) / 2
    ends = np.quantile(drawn @ by_cell / drawn.sum(axis=1), [tail, 1 - tail])
    # A mistake that no resample has has an exact interval.
    for cell in np.flatnonzero(np.ptp(drawn, axis=0) == 0):
        beyond = matrix[["low", "high"]].iloc[cell] - weights.iloc[cell]
        ends += by_cell[cell] * beyond.to_numpy() / weights.sum()
    low, high = 1000 * ends

    def cost(false_alarms: np.ndarray, misses: np.ndarray) -> float:
        total = alarm * shares[false_alarms].sum() + miss * shares[misses].sum()
        return 1000 * float(total)

    nothing = np.zeros(len(shares), dtype=bool)
    return {
        "model": cost(~is_rare & is_alarm, is_rare & ~is_alarm),
        "low": float(low),
        "high": float(high),
        "all_rare": cost(~is_rare, nothing),
        "none_rare": cost(nothing, is_rare),
    }
