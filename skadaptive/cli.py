"""The command ``skadaptive``: compare classifiers on a file, save and use the best."""

import argparse
import contextlib
import json
import os
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit

from ._assessment.response import response, without_seen_rows
from ._io import dates
from ._io.atomic import replace_atomically
from ._io.columns import Notes, ReadingOptions, infer_column, quoted
from ._io.containers import READABLE
from ._io.json_values import json_values
from ._io.numbers import NumberMarks
from ._io.tables import TableFile, check_columns, read_table
from ._io.target import label_of, read_labels, two_classes
from ._io.training_table import (
    ColumnRoles,
    TrainingTable,
    make_training,
    read_training,
    read_weights,
)
from ._packages import require
from ._prediction import chosen_threshold, rare_index
from ._report.formatting import duration
from ._report.pages import comparison_report, evaluation_report
from ._report.source import Source, describe_columns
from ._saving.model_files import (
    ModelFacts,
    SavedModel,
    describe_model,
    features_of,
    load_model,
    save_model,
)
from ._saving.reference import (
    OutOfFold,
    background_rows,
    reference_distributions,
    without_texts,
)
from ._training.backend import training_backend
from ._typing import Label
from ._version import __version__
from .comparison import Comparison, compare
from .datasets import load_rare
from .evaluation import evaluate
from .explanation import explain
from .export import to_onnx

__all__ = ["main"]

#: Exit codes: a mistake of the user's, and an interrupt as shells report it.
MISTAKE, INTERRUPTED = 2, 130
# Environment variable with the token of the server.
_TOKEN = "SKADAPTIVE_TOKEN"

_FILE_HELP = f"table: {READABLE}"
_EXAMPLES = """\
examples:
  skadaptive compare                                 (on built-in data)
  skadaptive compare customers.csv --target churned --report report.html
  skadaptive compare customers.csv --target churned --save churn.model
  skadaptive predict churn.model new.csv --out scores.csv
  skadaptive predict churn.model new.csv --costs 1 20
  skadaptive predict churn.model new.csv --explain 3
  skadaptive evaluate churn.model later.csv --target churned
  skadaptive info churn.model
  skadaptive export churn.model --onnx churn.onnx
  skadaptive serve churn.model --port 8000
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None: the arguments of the process.

    Returns
    -------
    int
        Exit code: 0, 2 after a mistake in the arguments or the data, 130 after an
        interrupt.
    """
    # This must precede the import of TensorFlow, which logs when it starts.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    parser = _parser()
    options = parser.parse_args(arguments)
    command = f"{parser.prog} {options.command}"
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _print_warning
            return options.run(options)
    except BrokenPipeError:  # for example in a pipe to head
        sys.stderr.close()
        return 0
    except (ValueError, ImportError, OSError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print(f"{command}: interrupted, nothing was written", file=sys.stderr)
        return INTERRUPTED


def _print_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if issubclass(category, UserWarning):
        _print_note(f"note: {message}")


# --------------------------------------------------------------------------- arguments


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="skadaptive",
        description="Compare classifiers for a rare class on a table, and apply the "
        "best one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_compare(
        commands.add_parser(
            "compare", help="compare classifiers on a table by cross-validation"
        )
    )
    _add_predict(
        commands.add_parser(
            "predict", help="predict probabilities and classes with a saved model"
        )
    )
    _add_evaluate(
        commands.add_parser("evaluate", help="measure a saved model on labelled rows")
    )
    _add_info(commands.add_parser("info", help="list what a saved model's file holds"))
    _add_export(
        commands.add_parser(
            "export", help="write a saved model for programs without Python"
        )
    )
    _add_serve(commands.add_parser("serve", help="answer over HTTP with a saved model"))
    return parser


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_compare)
    parser.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{_FILE_HELP}; default: built-in data"
    )
    parser.add_argument("--target", metavar="COLUMN", help="column to predict")
    parser.add_argument(
        "--positive",
        metavar="VALUE",
        help="value of the rare class; default: of two values the second in sorted "
        "order, unless the first has less than half its weight; of more values the "
        "one with the least weight",
    )
    _add_columns(parser)
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
    _add_reading(parser)
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
    _add_results(parser)


def _trials(text: str) -> int:
    if text.isdecimal() and int(text) >= 2:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"TRIALS must be a number from 2 on; got {text!r}. Write FILE before --tuned, "
        "which takes a number that follows it."
    )


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_predict)
    _add_model_and_file(parser)
    _add_drop(parser)
    parser.add_argument(
        "--id",
        metavar="COLUMN",
        help="column to copy into the output; default: that of compare --id",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help=f"{', '.join(_WRITERS)}; default: CSV to standard output",
    )
    _add_decision(parser)
    parser.add_argument(
        "--explain",
        type=int,
        metavar="N",
        help="add the N greatest reasons for each row, as columns reason_1 to reason_N",
    )


def _add_decision(parser: argparse.ArgumentParser) -> None:
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument(
        "--threshold",
        type=_share,
        metavar="P",
        help="predict a row rare if its probability is above P; default: the threshold "
        "of the model",
    )
    decision.add_argument(
        "--costs",
        nargs=2,
        type=_cost,
        metavar=("FALSE_ALARM", "MISS"),
        help="use the threshold of least cost on the rows of the training, by their "
        "out-of-fold probabilities",
    )


def _add_evaluate(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_evaluate)
    _add_model_and_file(parser)
    parser.add_argument(
        "--target", metavar="COLUMN", required=True, help="column with the classes"
    )
    _add_columns(parser)
    parser.add_argument("--out", metavar="DIR", help="write metrics.json and plots")
    _add_results(parser)


def _add_export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_export)
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument(
        "--onnx",
        metavar="FILE.onnx",
        required=True,
        help="write an ONNX graph, from the columns to the probabilities",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_serve)
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen at; default: %(default)s, which only this machine "
        "reaches",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=8000,
        metavar="N",
        help="port to listen at, 0 for a free one; default: %(default)s",
    )
    parser.add_argument(
        "--workers",
        type=_count,
        default=1,
        metavar="N",
        help="number of processes that answer; default: %(default)s",
    )
    _add_decision(parser)
    parser.add_argument(
        "--strict",
        action="store_true",
        help="refuse missing values and categories that training did not see; default: "
        "answer them with a warning",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help="file with the bearer token that requests must have; default: the "
        f"environment variable {_TOKEN}, or no token",
    )
    parser.add_argument(
        "--max-rows",
        type=_count,
        default=10_000,
        metavar="N",
        help="most rows of a request; default: %(default)s",
    )
    parser.add_argument(
        "--max-megabytes",
        type=_count,
        default=10,
        metavar="N",
        help="greatest body of a request; default: %(default)s",
    )


def _add_model_and_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)
    _add_source(parser)


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--encoding", metavar="NAME", help="encoding of FILE; default: found out"
    )
    parser.add_argument(
        "--sheet", metavar="NAME", help="sheet of a spreadsheet that has several"
    )


def _add_reading(parser: argparse.ArgumentParser) -> None:
    _add_source(parser)
    parser.add_argument(
        "--decimal",
        choices=[".", ","],
        help="decimal mark of FILE; default: found out from the values",
    )
    parser.add_argument(
        "--thousands",
        choices=[",", ".", " ", "'"],
        help="separator of thousands; default: found out from the values",
    )
    parser.add_argument(
        "--date-format",
        action="append",
        default=[],
        metavar="COLUMN=FORMAT",
        help="how dates are written, such as 'opened=%%d/%%m/%%Y' (see strftime; "
        f"{dates.EPOCH_SECONDS} and {dates.EPOCH_MILLISECONDS} are possible, too); "
        "default: found out from the values",
    )
    parser.add_argument(
        "--missing",
        nargs="+",
        action="extend",
        default=[],
        metavar="VALUE",
        help="values that stand for missing ones, such as -999",
    )


def _add_columns(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weight", metavar="COLUMN", help="column of sample weights")
    _add_drop(parser)


def _add_drop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drop",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns to leave out",
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", metavar="FILE.html", help="write an HTML report")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="random seed; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_info)
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _count(text: str) -> int:
    """A number from 1 on, on the command line."""
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")


def _share(text: str) -> float:
    """A number from 0 to 1 on the command line."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def _cost(text: str) -> float:
    """A positive number on the command line."""
    value = _number(text)
    if not 0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"{text} is not positive and finite")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


# ---------------------------------------------------------------------------- compare


def _compare(options: argparse.Namespace) -> int:
    _check_outputs([options.file], options.report, options.save)
    _check_packages(options)
    if options.no_reference and not options.save:
        raise ValueError("--no-reference needs --save FILE: nothing is saved without.")
    if options.folds < 2:
        raise ValueError(f"--folds must be 2 or more; got {options.folds}.")
    if options.time_limit is not None and not options.time_limit > 0:
        raise ValueError(
            "--time-limit must be a positive number of seconds; got "
            f"{options.time_limit:g}."
        )
    table = _read_training(options)
    for note in table.notes:
        _print_note(f"note: {note}")
    _print_positive(table, by_default=options.positive is None)
    _import_tensorflow()
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
        _print_json(values | {"notes": table.notes} | written)
    else:
        _print_written(written)
    return INTERRUPTED if unfinished else 0


def _read_training(options: argparse.Namespace) -> TrainingTable:
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
            "--target needs a FILE. Write FILE before --drop and --missing, which take "
            "all names that follow them."
        )
    bunch = load_rare("breast_cancer", as_frame=True)
    frame = bunch.data.assign(diagnosis=bunch.target_names[bunch.target])
    formats = {
        name: infer_column(frame[name], name, ReadingOptions(), Notes())[1]
        for name in bunch.data
    }
    roles = replace(roles, target="diagnosis")
    return make_training(frame, roles, options.positive, formats)


def _reading_options(options: argparse.Namespace) -> ReadingOptions:
    formats = {}
    for given in options.date_format:
        column, equals, date_format = given.partition("=")
        if not equals:
            raise ValueError(f"--date-format needs the column, too: 'COLUMN={given}'.")
        formats[column] = date_format
    return ReadingOptions(
        marks=NumberMarks(options.decimal, options.thousands),
        date_formats=formats,
        missing_values=tuple(options.missing),
        encoding=options.encoding,
        sheet=options.sheet,
    )


def _print_positive(table: TrainingTable, by_default: bool) -> None:
    """Say which value is the rare class, and how to choose another one."""
    target, weight = table.target, table.sample_weight
    is_rare, positive = target.y == target.pos_label, quoted(target.positive)
    share = np.average(is_rare, weights=weight)
    _print_note(
        f"The rare value of {target.y.name} is {positive}: {share:.2%} of "
        f"{len(target.y):,} rows{'' if weight is None else ' by weight'}. "
        f"{table.X.shape[1]} features."
    )
    if by_default and target.others_together:
        _print_note("To find another value instead: --positive VALUE")
    elif by_default:
        other = str(target.y[~is_rare].iloc[0])
        _print_note(f"To find {quoted(other)} instead: --positive {shlex.quote(other)}")
    if share > 0.5:
        why = "; of two about equally frequent ones the second counts as rare"
        _print_note(
            f"note: {positive} is the more frequent value{why if by_default else ''}."
        )


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


# ------------------------------------------------------------------ predict, evaluate


def _predict(options: argparse.Namespace) -> int:
    _check_outputs([options.file, options.model], options.out)
    if options.explain is not None and options.explain < 1:
        raise ValueError(f"--explain must be 1 or more; got {options.explain}.")
    if options.out is not None:
        _writer(options.out)
    saved, table = _read_model_and_table(options, as_written=[options.id])
    check_columns(table.frame, [options.id] if options.id else [])
    for note in table.notes:
        _print_note(f"note: {note}")
    frame = table.frame
    # The table of the training has the target, too; it is not looked at.
    X = _features(frame, saved, ignore=[saved.facts.target, options.id])
    classes = list(saved.model.classes_)
    index = rare_index(saved)
    # In float64, in which the costs of thresholds are counted.
    probability, _ = response(saved.model, X, index)
    threshold = _threshold(options, saved)
    if threshold is None:
        prediction = saved.model.predict(X)
    else:
        prediction = np.where(
            probability > threshold, classes[index], classes[1 - index]
        )
    result = pd.DataFrame({"probability": probability, "prediction": prediction})
    if options.explain is not None:
        reasons = _reasons(saved, X, classes[index], options.explain)
        result = pd.concat([result, reasons], axis=1)
    name = options.id or saved.facts.id_column
    if name in frame:
        result.insert(0, name, frame[name].to_numpy())
    if options.out is None:
        result.to_csv(sys.stdout, index=False)
        return 0
    with replace_atomically(options.out) as temporary:
        _writer(options.out)(result, temporary)
    _print_note(f"{len(result):,} rows were written to {options.out}.")
    return 0


def _threshold(options: argparse.Namespace, saved: SavedModel) -> float | None:
    """The threshold that the options ask for; None for that of the model."""
    threshold, note = chosen_threshold(
        saved, options.model, options.threshold, options.costs
    )
    if note:
        _print_note(f"note: {note}")
    return threshold


# Rows that are explained before the time of the others is told, and the seconds from
# which on that is worth a note.
_FIRST_ROWS, _LONG = 20, 10


def _reasons(
    saved: SavedModel, X: pd.DataFrame, label: Label, n_reasons: int
) -> pd.DataFrame:
    """The greatest contributions to the odds of each row, in words."""
    background = saved.background
    if background is None:
        background = X
        _print_note(
            "note: the model file holds no rows of the training to compare with. The "
            "reasons say how a row differs from the others of this table."
        )
    explanation = explain(saved.model, X, pos_label=label, random_state=0)
    parts, start = [], time.perf_counter()
    for rows in np.array_split(np.arange(len(X)), range(_FIRST_ROWS, len(X), 1000)):
        contributions = explanation.contributions(rows, background=background)
        parts.append(contributions.reasons(n_reasons))
        seconds = (time.perf_counter() - start) * (len(X) / len(rows) - 1)
        if len(parts) == 1 and seconds > _LONG:
            _print_note(f"The reasons take about {duration(seconds)}.")
    return pd.concat(parts, ignore_index=True)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    ".csv": lambda frame, path: frame.to_csv(path, index=False),
    ".csv.gz": lambda frame, path: frame.to_csv(path, index=False, compression="gzip"),
    ".tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    ".jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".feather": lambda frame, path: frame.to_feather(path),
}


def _writer(path: str) -> Callable[[pd.DataFrame, Path], Any]:
    """The function that writes what the name of a file says."""
    for suffix, write in _WRITERS.items():
        if path.lower().endswith(suffix):
            return write
    raise ValueError(
        f"{path} cannot be written: its name must end in one of {', '.join(_WRITERS)}."
    )


def _evaluate(options: argparse.Namespace) -> int:
    _check_outputs([options.file, options.model], options.report, directory=options.out)
    _check_packages(options)
    saved, table = _read_model_and_table(options, as_written=[options.target])
    special = [options.target, *([options.weight] if options.weight else [])]
    check_columns(table.frame, special)
    notes = Notes()
    labels, has_label = read_labels(
        table.frame[options.target], str(saved.facts.positive), notes
    )
    lines = [*table.notes, *notes.lines()]
    for note in lines:
        _print_note(f"note: {note}")
    frame = table.frame[has_label].reset_index(drop=True)
    X = _features(frame, saved, ignore=special)
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
        _print_json(values | written)
    else:
        print(evaluation)
        _print_written(written)
    return 0


def _info(options: argparse.Namespace) -> int:
    contents = describe_model(options.model)
    if options.json:
        _print_json(contents.to_json())
    else:
        print("\n".join(contents.lines()))
    return 0


def _read_model_and_table(
    options: argparse.Namespace, as_written: Sequence[str | None]
) -> tuple[SavedModel, TableFile]:
    """Read a model and a table of new rows, the table as that of the training was."""
    saved = load_model(options.model)
    names = [*as_written, saved.facts.target, saved.facts.id_column]
    table = read_table(
        options.file,
        ReadingOptions(encoding=options.encoding, sheet=options.sheet),
        known=saved.columns,
        as_written=[name for name in names if name],
    )
    check_columns(table.frame, options.drop)
    return saved, replace(table, frame=table.frame.drop(columns=options.drop))


def _features(
    frame: pd.DataFrame, saved: SavedModel, ignore: Sequence[str | None]
) -> pd.DataFrame:
    ignored = {*ignore, *saved.facts.unused_columns}
    extra = [name for name in frame if name in ignored and name not in saved.columns]
    return features_of(frame.drop(columns=extra), saved)


# ----------------------------------------------------------------------------- export


def _export(options: argparse.Namespace) -> int:
    _check_outputs([options.model], options.onnx)
    _check_packages(options)
    saved = load_model(options.model)
    model = to_onnx(saved.model)
    with replace_atomically(options.onnx) as temporary:
        temporary.write_bytes(model.SerializeToString())
    properties = {entry.key: entry.value for entry in model.metadata_props}
    _print_note(
        f"The graph has {len(model.graph.input)} inputs, one for each column, and one "
        f"output, the probabilities of the classes {properties['classes']}. A row is "
        f"{properties['rare_class']} if the probability of this class is above "
        f"{properties['threshold']}."
    )
    _print_written({"ONNX model": options.onnx})
    return 0


# ------------------------------------------------------------------------------ serve


def _serve(options: argparse.Namespace) -> int:
    _check_packages(options)
    from ._serving.model import ServerSettings
    from ._serving.server import Address, serve

    if not 0 <= options.port < 1 << 16:
        raise ValueError(f"--port must be from 0 to 65535; got {options.port}.")
    settings = ServerSettings(
        model=options.model,
        threshold=options.threshold,
        costs=options.costs and tuple(options.costs),
        strict=options.strict,
        token=_token(options.token_file),
        max_bytes=options.max_megabytes * 1_000_000,
        max_rows=options.max_rows,
    )
    address = Address(options.host, options.port)
    serve(settings, address, options.workers, note=_print_note)
    return 0


def _token(path: str | None) -> str | None:
    """The token of the server, which does not stand on the command line.

    Every user of a machine sees the arguments of its processes.
    """
    if path is None:
        token, source = os.environ.get(_TOKEN), f"the environment variable {_TOKEN}"
    else:
        token, source = Path(path).read_text(encoding="utf-8").strip(), path
    if token is None:
        return None
    if not token or not token.isascii() or any(map(str.isspace, token)):
        raise ValueError(
            f"The token of {source} must be one word of ASCII characters, such as "
            "'openssl rand -hex 32' writes."
        )
    return token


# ----------------------------------------------------------------------------- checks


def _check_outputs(
    inputs: list[str | None], *paths: str | None, directory: str | None = None
) -> None:
    """Refuse before the work what could not be written after it, or overwrites."""
    taken = {Path(path).resolve() for path in inputs if path}
    for path in paths:
        if path is None:
            continue
        if Path(path).resolve() in taken:
            raise ValueError(
                f"{path} cannot be written: it is a file that is read, or that "
                "something else is written to. Name another one."
            )
        taken.add(Path(path).resolve())
    for path in (*paths, directory):
        if path is None:
            continue
        folder = Path(path).absolute().parent
        if Path(path).is_dir() and path != directory:
            raise ValueError(f"{path} cannot be written: it is a folder.")
        if not folder.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {folder}.")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{path} cannot be written: {folder} is read-only.")


def _check_packages(options: argparse.Namespace) -> None:
    """Refuse before the work what packages are missing for."""
    if options.command == "compare":
        require("rich", purpose="compare")
    if getattr(options, "report", None) or getattr(options, "out", None):
        require("jinja2", "matplotlib", purpose="A report")
    if getattr(options, "save", None):
        require("skops", purpose="--save")
    if getattr(options, "onnx", None):
        require("onnx", purpose="--onnx", extra="onnx")
    if options.command == "serve":
        packages = ("fastapi", "prometheus_client", "uvicorn")
        require(*packages, purpose="serve", extra="serve")


# ---------------------------------------------------------------------------- helpers


def _import_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ code writes unconditionally.

    It is left alone where JAX trains.
    """
    with contextlib.suppress(ImportError):  # fit says what to install
        if training_backend() != "tensorflow":
            return
    sys.stderr.flush()
    stderr, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        with contextlib.suppress(ImportError):  # fit says what to install
            import_module("tensorflow")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(null)


def _print_note(message: str) -> None:
    print(message, file=sys.stderr)


def _print_written(written: dict[str, str]) -> None:
    for kind, path in written.items():
        print(f"The {kind} was written to {path}.")


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(json_values(values), indent=2))


if __name__ == "__main__":
    sys.exit(main())
