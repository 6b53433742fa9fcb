"""``skadaptive compare``: compare classifiers on a table, and save the best."""

import argparse
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import TimeSeriesSplit

from .._assessment.measures import is_near_perfect
from .._assessment.preparation import check_scoring
from .._packages import require
from .._report.formatting import threshold_text
from .._report.pages import comparison_report
from .._report.source import Source, describe_columns
from ..comparison import Comparison, compare
from ..contenders import default_contenders
from .arguments import (
    FILE_HELP,
    Subcommands,
    add_folds,
    add_no_reference,
    add_reading,
    add_results,
    add_training_columns,
    check_training_options,
    number,
)
from .backend import import_tensorflow
from .inputs import print_identifiers, print_positive, read_training_table
from .outputs import (
    INTERRUPTED,
    MISTAKE,
    check_formats,
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
        "compare", help="compare classifiers on a table by cross-validation"
    )
    parser.set_defaults(run=_run)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{FILE_HELP}; default: built-in data"
    )
    add_training_columns(parser)
    add_reading(parser)
    parser.add_argument(
        "--scoring",
        default="average_precision",
        metavar="NAME",
        help="measure or scikit-learn scorer to rank by; default: %(default)s",
    )
    add_folds(parser)
    parser.add_argument(
        "--quick", action="store_true", help="compare only seven quick classifiers"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="compare only the contenders of these names, as the table shows them; "
        "with --save, one name saves that one, whatever its rank is",
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
        type=number,
        metavar="SECONDS",
        help="begin no further fold after this time, and compare what has finished",
    )
    parser.add_argument(
        "--save", metavar="FILE", help="save the best one, fitted on all rows"
    )
    add_no_reference(parser)
    parser.add_argument(
        "--cache", metavar="DIR", help="save finished folds, to resume from them"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="number of parallel fits; default: 1"
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="fit the folds on the workers of a Dask cluster",
    )
    add_results(parser)


def _contenders(options: argparse.Namespace, X: pd.DataFrame) -> Any:
    """What is compared: a name for ``compare``, or the contenders that were chosen."""
    if not options.only:
        return "quick" if options.quick else "default"
    made = default_contenders(X, quick=options.quick, random_state=options.seed)
    unknown = [name for name in options.only if name not in made]
    if unknown:
        near = get_close_matches(unknown[0], made, n=1)
        question = f" Is it {near[0]!r}?" if near else ""
        raise ValueError(
            f"There is no contender {unknown[0]!r}.{question} There are "
            f"{', '.join(made)}."
        )
    return {name: made[name] for name in options.only}


def _trials(text: str) -> int:
    if text.isdecimal() and int(text) >= 2:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"TRIALS must be a number from 2 on; got {text!r}. Write FILE before --tuned, "
        "which takes a number that follows it."
    )


def _run(options: argparse.Namespace) -> int:
    check_outputs([options.file], options.report, options.save, directory=options.cache)
    check_formats(options)
    require("rich", purpose="compare")
    if options.report:
        require("jinja2", "matplotlib", purpose="A report")
    if options.save:
        require("skops", purpose="--save")
    check_training_options(options)
    check_scoring(options.scoring)
    if options.scheduler and options.jobs is not None:
        raise ValueError(
            "--jobs and --scheduler exclude each other: the cluster has as many jobs "
            "as its workers have threads. Leave --jobs out."
        )
    if options.time_limit is not None and not options.time_limit > 0:
        raise ValueError(
            "--time-limit must be a positive number of seconds; got "
            f"{options.time_limit:g}."
        )
    table = read_training_table(options)
    for note in table.notes:
        print_note(f"note: {note}")
    print_positive(table, by_default=options.positive is None)
    told = print_identifiers(table)
    import_tensorflow()
    comparison = compare(
        table.X,
        table.target.y,
        contenders=_contenders(options, table.X),
        scoring=options.scoring,
        cv=TimeSeriesSplit(options.folds) if options.time else options.folds,
        groups=table.groups,
        sample_weight=table.sample_weight,
        pos_label=table.target.pos_label,
        tuned=options.tuned,
        time_limit=options.time_limit,
        n_jobs=options.jobs,
        scheduler=options.scheduler,
        random_state=options.seed,
        cache_dir=options.cache,
        verbose=1,
    )
    # After an interrupt, or if the best could not be fitted on all rows, of which a
    # warning has told.
    unfinished = not hasattr(comparison, "best_")
    if not options.json:
        # First, because writing files may fail.
        print_text(without_lines(comparison, told))
        if options.file is None and is_near_perfect(comparison.table.iloc[0]):
            print_text("On the built-in table they are: it is an easy one.")
    written = {}
    if options.save and not unfinished:
        save_trained(
            options, table, comparison.best_, comparison, comparison.best_name_
        )
        written["model"] = options.save
    if options.report:  # which says where the model is saved
        source = Source(
            file=Path(options.file).name if options.file else "built-in data",
            target=str(table.target.y.name),
            columns=describe_columns(table.X, table.formats, table.left_out),
            notes=table.notes,
            row_numbers=table.row_numbers,
            times=table.times,
            model=written.get("model", ""),
        )
        page = comparison_report(comparison, options.report, source=source)
        written["report"] = str(page)
    decides_at = comparison._decides_at
    if options.json:
        values = _comparison_values(comparison) | {"threshold": decides_at}
        print_json(values | {"notes": table.notes} | written)
    else:
        print_written(written)
        if "model" in written and decides_at is not None:
            by_fold = comparison.scores("threshold")[comparison.best_name_]
            print_text(
                f"The saved model decides at {threshold_text(decides_at)}; predict "
                "--threshold or --costs takes another threshold. This one was tuned on "
                "all rows, those of the scores above on the training rows of each "
                f"fold: {threshold_text(by_fold.mean())} on average."
            )
    if comparison._is_interrupted:
        return INTERRUPTED
    return MISTAKE if unfinished and options.save else 0


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
