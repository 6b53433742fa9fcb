"""``skadaptive tune``: tune our classifier on a table, and say whether that helps."""

import argparse
from typing import Any

from sklearn.model_selection import TimeSeriesSplit

from .._assessment.measures import COLUMNS
from .._packages import require
from ..tuning import TUNED, Tuning, tune
from .arguments import (
    FILE_HELP,
    Subcommands,
    add_folds,
    add_no_reference,
    add_reading,
    add_seed_and_json,
    add_training_columns,
    check_training_options,
)
from .backend import import_tensorflow
from .inputs import print_identifiers, print_positive, read_training_table
from .outputs import (
    INTERRUPTED,
    check_outputs,
    print_json,
    print_note,
    print_text,
    print_written,
    without_lines,
)
from .saving import save_trained


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser(
        "tune",
        help="tune AdaptiveHybridClassifier, and measure whether that helps",
        description="Tune AdaptiveHybridClassifier with Optuna in the training part of "
        "each fold, and judge the tuned parameters and the defaults on its test part.",
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{FILE_HELP}; default: built-in data"
    )
    add_training_columns(parser)
    add_reading(parser)
    parser.add_argument(
        "--trials",
        type=_trials,
        default=50,
        metavar="N",
        help="settings to try in each fold, the defaults first; default: %(default)s",
    )
    parser.add_argument(
        "--scoring",
        choices=COLUMNS,
        default="average_precision",
        metavar="NAME",
        help=f"measure to tune for: {', '.join(COLUMNS)}; default: %(default)s",
    )
    add_folds(parser)
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="database that keeps the trials, such as sqlite:///tuning.db: the same "
        "command goes on there after an interrupt, or with more trials",
    )
    parser.add_argument(
        "--keep",
        choices=["recommended", "tuned", "default"],
        default="recommended",
        help="parameters of the model that is fitted on all rows; default: the tuned "
        "ones if they helped by more than luck, else the defaults",
    )
    parser.add_argument("--save", metavar="FILE", help="save that model")
    add_no_reference(parser)
    add_seed_and_json(parser)


def _trials(text: str) -> int:
    if text.isdecimal() and int(text) >= 2:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a whole number from 2 on, of which the first trial has the "
        "default parameters"
    )


def _run(options: argparse.Namespace) -> int:
    check_outputs([options.file], options.save)
    require("optuna", "rich", purpose="tune", extra="tune")
    if options.save:
        require("skops", purpose="--save", extra="tune")
    check_training_options(options)
    table = read_training_table(options)
    for note in table.notes:
        print_note(f"note: {note}")
    print_positive(table, by_default=options.positive is None)
    told = print_identifiers(table)
    import_tensorflow()
    try:
        tuning = tune(
            table.X,
            table.target.y,
            n_trials=options.trials,
            scoring=options.scoring,
            cv=TimeSeriesSplit(options.folds) if options.time else options.folds,
            groups=table.groups,
            sample_weight=table.sample_weight,
            pos_label=table.target.pos_label,
            keep=options.keep,
            storage=options.storage,
            random_state=options.seed,
            verbose=1,
        )
    except KeyboardInterrupt:
        if options.storage is None:
            raise
        print_note(
            f"skadaptive tune: interrupted. The finished trials are in "
            f"{options.storage}, where the same command goes on."
        )
        return INTERRUPTED
    if not options.json:
        print_text(without_lines(tuning, told))
        if options.keep == "recommended" and tuning.verdict_ == "could be luck":
            print_text("To keep the tuned parameters all the same: --keep tuned")
    written = {}
    if options.save:
        known = tuning.best_in_folds(verbose=1)
        save_trained(options, table, tuning.best_, known, known.best_name_)
        written["model"] = options.save
    if options.json:
        print_json(_values(tuning, options) | {"notes": table.notes} | written)
    else:
        print_written(written)
    return 0


def _values(tuning: Tuning, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "verdict": tuning.verdict_,
        "scoring": tuning.comparison_.scoring_,
        "scores": tuning.scores_.to_dict("index"),
        "difference": tuning.difference_,
        "interval": tuning.interval_,
        "p_value": tuning.p_value_,
        "kept": "tuned" if tuning.best_name_ == TUNED else "default",
        "parameters": tuning.best_params_,
        "folds": tuning.folds_.reset_index().to_dict("records"),
        "trials": options.trials,
        "summary": tuning.summary(),
        "seed": tuning.comparison_.seed_,
    }
