"""``skadaptive compare``: compare classifiers on a table, and save the best."""

import argparse
from pathlib import Path
from typing import Any

from sklearn.model_selection import TimeSeriesSplit

from .._assessment.response import without_seen_rows
from .._io.json_values import json_values
from .._packages import require
from .._report.pages import comparison_report
from .._report.source import Source, describe_columns
from .._saving.model_files import ModelFacts, save_model
from .._saving.reference import (
    OutOfFold,
    background_rows,
    reference_distributions,
    without_texts,
)
from ..comparison import Comparison, compare
from .arguments import FILE_HELP, Subcommands, add_columns, add_reading, add_results
from .backend import import_tensorflow
from .inputs import print_positive, read_training_table
from .outputs import INTERRUPTED, check_outputs, print_json, print_note, print_written


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser(
        "compare", help="compare classifiers on a table by cross-validation"
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{FILE_HELP}; default: built-in data"
    )
    parser.add_argument("--target", metavar="COLUMN", help="column to predict")
    parser.add_argument(
        "--positive",
        metavar="VALUE",
        help="value of the rare class; default: of two values the second in sorted "
        "order, unless the first has less than half its weight; of more values the "
        "one with the least weight",
    )
    add_columns(parser)
    parser.add_argument(
        "--group",
        metavar="COLUMN",
        help="keep rows with the same value in the same fold",
    )
    parser.add_argument(
        "--time", metavar="COLUMN", help="train on earlier rows, test on later ones"
    )
    parser.add_argument(
        "--id", metavar="COLUMN", help="column that names the rows, which is no feature"
    )
    add_reading(parser)
    parser.add_argument(
        "--scoring",
        default="average_precision",
        metavar="NAME",
        help="measure or scikit-learn scorer to rank by; default: %(default)s",
    )
    parser.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="N",
        help="number of folds; default: %(default)s",
    )
    parser.add_argument(
        "--quick", action="store_true", help="compare only seven quick classifiers"
    )
    parser.add_argument(
        "--tuned",
        nargs="?",
        type=_trials,
        const=20,
        metavar="TRIALS",
        help="add boosted trees tuned on inner folds, with so many settings each; "
        "default: none, and 20 if TRIALS is left out",
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        metavar="SECONDS",
        help="begin no further fold after this time, and compare what has finished",
    )
    parser.add_argument(
        "--save", metavar="FILE", help="save the best one, fitted on all rows"
    )
    parser.add_argument(
        "--no-reference",
        action="store_true",
        help="save no rows of the table with the model; predict --explain needs them",
    )
    parser.add_argument(
        "--cache", metavar="DIR", help="save finished folds, to resume from them"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="number of parallel fits; default: 1"
    )
    add_results(parser)


def _trials(text: str) -> int:
    if text.isdecimal() and int(text) >= 2:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"TRIALS must be a number from 2 on; got {text!r}. Write FILE before --tuned, "
        "which takes a number that follows it."
    )


def _run(options: argparse.Namespace) -> int:
    check_outputs([options.file], options.report, options.save)
    require("rich", purpose="compare")
    if options.report:
        require("jinja2", "matplotlib", purpose="A report")
    if options.save:
        require("skops", purpose="--save")
    if options.no_reference and not options.save:
        raise ValueError("--no-reference needs --save FILE: nothing is saved without.")
    if options.folds < 2:
        raise ValueError(f"--folds must be 2 or more; got {options.folds}.")
    if options.time_limit is not None and not options.time_limit > 0:
        raise ValueError(
            "--time-limit must be a positive number of seconds; got "
            f"{options.time_limit:g}."
        )
    table = read_training_table(options)
    for note in table.notes:
        print_note(f"note: {note}")
    print_positive(table, by_default=options.positive is None)
    import_tensorflow()
    comparison = compare(
        table.X,
        table.target.y,
        contenders="quick" if options.quick else "default",
        scoring=options.scoring,
        cv=TimeSeriesSplit(options.folds) if options.time else options.folds,
        groups=table.groups,
        sample_weight=table.sample_weight,
        pos_label=table.target.pos_label,
        tuned=options.tuned,
        time_limit=options.time_limit,
        n_jobs=options.jobs,
        random_state=options.seed,
        cache_dir=options.cache,
        verbose=1,
    )
    # After an interrupt, or if the best could not be fitted on all rows, of which a
    # warning has told.
    unfinished = not hasattr(comparison, "best_")
    if not options.json:
        print(comparison, flush=True)  # first, because writing files may fail
    written = {}
    if options.report:
        source = Source(
            file=Path(options.file).name if options.file else "built-in data",
            target=str(table.target.y.name),
            columns=describe_columns(table.X, table.formats, table.left_out),
            notes=table.notes,
            row_numbers=table.row_numbers,
        )
        page = comparison_report(comparison, options.report, source=source)
        written["report"] = str(page)
    if options.save and not unfinished:
        facts = ModelFacts(
            name=comparison.best_name_,
            target=str(table.target.y.name),
            positive=json_values(table.target.positive),
            others_together=table.target.others_together,
            unused_columns=list(table.left_out),
            id_column=options.id,
        )
        out_of_fold = OutOfFold.of_best(comparison)
        background = None
        if not options.no_reference:
            background = background_rows(table.X, table.sample_weight, options.seed)
        with without_seen_rows(comparison.best_) as model:
            save_model(
                options.save,
                model,
                without_texts(table.formats, table.X),
                facts,
                background=background,
                out_of_fold=out_of_fold,
                reference=reference_distributions(table.X, out_of_fold),
            )
        written["model"] = options.save
    if options.json:
        values = _comparison_values(comparison)
        print_json(values | {"notes": table.notes} | written)
    else:
        print_written(written)
    return INTERRUPTED if unfinished else 0


def _comparison_values(comparison: Comparison) -> dict[str, Any]:
    return {
        "best": comparison.best_name_,
        "scoring": comparison.scoring_,
        "positive": comparison.pos_label_,
        "rows": len(comparison.y_),
        "rare_rows": int(comparison.y_.sum()),
        "ranking": comparison.table.reset_index().to_dict("records"),
        "tests": comparison.tests_.reset_index().to_dict("records"),
        "findings": [vars(finding) for finding in comparison.findings_],
        "failures": comparison.failures_,
        "unfinished": comparison.unfinished_,
        "time_limit": comparison.time_limit_,
        "repeatable": not comparison.unfinished_,
        "summary": comparison.summary(),
        "seed": comparison.seed_,
    }
