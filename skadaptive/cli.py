"""The command ``skadaptive``: compare classifiers on a file, save and use the best."""

import argparse
import contextlib
import json
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from sklearn.model_selection import TimeSeriesSplit

from ._io.atomic import replace_atomically
from ._io.json_values import json_values
from ._io.model_files import ModelFacts, SavedModel, as_trained, load_model, save_model
from ._io.tables import read_table, split_target, two_classes
from ._packages import require
from ._typing import FloatArray, Label
from ._version import __version__
from .comparison import Comparison, compare
from .datasets import load_rare
from .evaluation import evaluate

__all__ = ["main"]

#: Exit codes: a mistake of the user's, and an interrupt as shells report it.
MISTAKE, INTERRUPTED = 2, 130

_FILE_HELP = "CSV, plain or gzipped, or Parquet"
_EXAMPLES = """\
examples:
  skadaptive compare                                 (on built-in data)
  skadaptive compare customers.csv --target churned --report report.html
  skadaptive compare customers.csv --target churned --save churn.skops
  skadaptive predict churn.skops new.csv --out scores.csv
  skadaptive evaluate churn.skops later.csv --target churned
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
        "--save", metavar="FILE.skops", help="save the best one, fitted on all rows"
    )
    parser.add_argument(
        "--cache", metavar="DIR", help="save finished folds, to resume from them"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="number of parallel fits; default: 1"
    )
    _add_results(parser)


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_predict)
    _add_model_and_file(parser)
    _add_drop(parser)
    parser.add_argument(
        "--out", metavar="FILE", help="CSV or Parquet; default: CSV to standard output"
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


def _add_model_and_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument("file", metavar="FILE", help=_FILE_HELP)


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


# ---------------------------------------------------------------------------- compare


@dataclass(frozen=True)
class TrainingTable:
    """A table to compare on, and the columns of it that have a role of their own.

    Attributes
    ----------
    X : DataFrame of shape (n_samples, n_features)
    y : Series of shape (n_samples,)
        Labels of two classes.
    positive : label
        Value of the target that is the rare class.
    target : str
        Name of the target.
    groups : ndarray of shape (n_samples,) or None
    sample_weight : ndarray of shape (n_samples,) or None
    others_together : bool
        Whether all other values of the target were made one class.
    unused_columns : list of str
        Columns of the file that are neither features nor the target.
    """

    X: pd.DataFrame
    y: pd.Series
    positive: Label
    target: str
    groups: np.ndarray | None
    sample_weight: FloatArray | None
    others_together: bool
    unused_columns: list[str]

    @property
    def pos_label(self) -> Label:
        """The rare class as ``y`` has it."""
        return _label(self.y, self.positive)


def _compare(options: argparse.Namespace) -> int:
    _check_outputs(options.report, options.save)
    _check_packages(options)
    table = _read_training(options)
    if options.folds < 2:
        raise ValueError(f"--folds must be 2 or more; got {options.folds}.")
    _print_positive(table, by_default=options.positive is None)
    _import_tensorflow()
    comparison = compare(
        table.X,
        table.y,
        contenders="quick" if options.quick else "default",
        scoring=options.scoring,
        cv=TimeSeriesSplit(options.folds) if options.time else options.folds,
        groups=table.groups,
        sample_weight=table.sample_weight,
        pos_label=table.pos_label,
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
        written["report"] = str(comparison.to_html(options.report))
    if options.save and not unfinished:
        facts = ModelFacts(
            name=comparison.best_name_,
            target=table.target,
            positive=json_values(table.positive),
            others_together=table.others_together,
            unused_columns=table.unused_columns,
        )
        save_model(options.save, comparison.best_, table.X, facts)
        written["model"] = options.save
    if options.json:
        _print_json(_comparison_values(comparison) | written)
    else:
        _print_written(written)
    return INTERRUPTED if unfinished else 0


def _read_training(options: argparse.Namespace) -> TrainingTable:
    if options.file is None:
        if options.target:
            raise ValueError(
                "--target needs a FILE. Write FILE before --drop, which takes all "
                "names that follow it."
            )
        bunch = load_rare("breast_cancer", as_frame=True)
        frame = bunch.data.assign(diagnosis=bunch.target_names[bunch.target])
        target = "diagnosis"
    else:
        frame, target = read_table(options.file), options.target
        if target is None:
            raise ValueError(
                "The column to predict is missing: --target COLUMN, one of: "
                f"{', '.join(frame.columns)}."
            )
    if options.time and options.group:
        raise ValueError("--time and --group exclude each other: leave one out.")
    special = [c for c in (options.group, options.time, options.weight) if c]
    _check_columns(frame, [*options.drop, *special])
    dropped = sorted({target, *special} & set(options.drop))
    if dropped:
        raise ValueError(
            f"{', '.join(dropped)} cannot be dropped and used otherwise: take it out "
            "of --drop, or out of the other option."
        )
    frame = frame.drop(columns=options.drop)
    if options.time:
        _check_time(frame[options.time])
        frame = frame.sort_values(options.time, kind="stable").reset_index(drop=True)
    weight = _weights(frame, options.weight)
    X, y, positive = split_target(frame, target, options.positive, weight)
    X = X.drop(columns=special)
    if X.shape[1] == 0:
        raise ValueError("No column is left to predict from.")
    return TrainingTable(
        X=X,
        y=y,
        positive=positive,
        target=target,
        groups=frame[options.group].to_numpy() if options.group else None,
        sample_weight=weight,
        others_together=frame[target].nunique() > 2,
        unused_columns=[*options.drop, *special],
    )


def _print_positive(table: TrainingTable, by_default: bool) -> None:
    """Say which value is the rare class, and how to choose another one."""
    is_rare, weight = table.y == table.pos_label, table.sample_weight
    share = np.average(is_rare, weights=weight)
    _print_note(
        f"The rare value of {table.target} is {table.positive}: {share:.2%} of "
        f"{len(table.y):,} rows{'' if weight is None else ' by weight'}. "
        f"{table.X.shape[1]} features."
    )
    if by_default and table.others_together:
        _print_note("To find another value instead: --positive VALUE")
    elif by_default:
        other = str(table.y[~is_rare].iloc[0])
        _print_note(f"To find {other} instead: --positive {shlex.quote(other)}")
    if share > 0.5:
        why = "; of two about equally frequent ones the second counts as rare"
        _print_note(
            f"note: {table.positive} is the more frequent value"
            f"{why if by_default else ''}."
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
        "summary": comparison.summary(),
        "seed": comparison.seed_,
    }


# ------------------------------------------------------------------ predict, evaluate


def _predict(options: argparse.Namespace) -> int:
    _check_outputs(options.out)
    saved, frame = _read_model_and_table(options)
    # The table of the training has the target, too; it is not looked at.
    X = _features(frame, saved, ignore=[saved.facts.target])
    classes = list(saved.model.classes_)
    index = classes.index(_label(classes, saved.facts.positive))
    result = pd.DataFrame(
        {
            "probability": saved.model.predict_proba(X)[:, index],
            "prediction": saved.model.predict(X),
        }
    )
    if options.out is None:
        result.to_csv(sys.stdout, index=False)
        return 0
    with replace_atomically(options.out) as temporary:
        if options.out.lower().endswith(".parquet"):
            result.to_parquet(temporary, index=False)
        else:
            compression = "gzip" if options.out.lower().endswith(".gz") else None
            result.to_csv(temporary, index=False, compression=compression)
    _print_note(f"{len(result):,} rows were written to {options.out}.")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    _check_outputs(options.report, directory=options.out)
    _check_packages(options)
    saved, frame = _read_model_and_table(options)
    special = [options.target, *([options.weight] if options.weight else [])]
    _check_columns(frame, special)
    X = _features(frame, saved, ignore=special)
    labels = frame[options.target]
    if labels.isna().any():
        raise ValueError(
            f"{labels.isna().sum()} rows have no value in {options.target!r}: remove "
            "them, or fill in the value."
        )
    y = two_classes(labels, saved.facts.positive, saved.facts.others_together)
    evaluation = evaluate(
        saved.model,
        X,
        y.to_numpy(),
        sample_weight=_weights(frame, options.weight),
        pos_label=_label(saved.model.classes_, saved.facts.positive),
        random_state=options.seed,
    )
    written = {}
    if options.report:
        written["report"] = str(evaluation.to_html(options.report))
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


def _read_model_and_table(
    options: argparse.Namespace,
) -> tuple[SavedModel, pd.DataFrame]:
    saved, frame = load_model(options.model), read_table(options.file)
    _check_columns(frame, options.drop)
    return saved, frame.drop(columns=options.drop)


def _features(
    frame: pd.DataFrame, saved: SavedModel, ignore: list[str]
) -> pd.DataFrame:
    ignore = [*ignore, *saved.facts.unused_columns]
    extra = [name for name in ignore if name in frame and name not in saved.columns]
    return as_trained(frame.drop(columns=extra), saved.columns)


# ----------------------------------------------------------------------------- checks


def _check_columns(frame: pd.DataFrame, names: list[str]) -> None:
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(
            f"There is no column {', '.join(missing)}. The columns are: "
            f"{', '.join(frame.columns)}."
        )


def _check_time(column: pd.Series) -> None:
    is_number = pd.api.types.is_numeric_dtype(column)
    if not is_number and not pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(
            f"Column {column.name} must hold times that can be ordered; it holds "
            f"{column.dropna().iloc[0]!r}. Write dates as 2020-01-31, or numbers."
        )
    if column.isna().any():
        raise ValueError(
            f"{column.isna().sum()} rows have no value in {column.name}: remove them, "
            "or fill in the value."
        )


def _weights(frame: pd.DataFrame, column: str | None) -> FloatArray | None:
    if column is None:
        return None
    weights = pd.to_numeric(frame[column], errors="coerce")
    wrong = frame[column][~(weights >= 0)]
    if len(wrong) or not weights.any():
        value = repr(wrong.iloc[0]) if len(wrong) else "only 0"
        raise ValueError(
            "Weights must be numbers, none below 0 and not all 0; "
            f"{column} has {value}."
        )
    return weights.to_numpy(dtype=float)


def _check_outputs(*paths: str | None, directory: str | None = None) -> None:
    """Refuse before the work what could not be written after it."""
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
    if options.report or getattr(options, "out", None):
        require("jinja2", "matplotlib", purpose="A report")
    if getattr(options, "save", None):
        require("skops", purpose="--save")


# ---------------------------------------------------------------------------- helpers


def _import_tensorflow() -> None:
    """Import TensorFlow without the lines that its C++ code writes unconditionally."""
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


def _label(labels: Any, positive: Label) -> Label:
    """The rare class as ``two_classes`` writes it: the value itself, or its text."""
    return positive if (np.asarray(labels) == positive).any() else str(positive)


def _print_note(message: str) -> None:
    print(message, file=sys.stderr)


def _print_written(written: dict[str, str]) -> None:
    for kind, path in written.items():
        print(f"The {kind} was written to {path}.")


def _print_json(values: dict[str, Any]) -> None:
    print(json.dumps(json_values(values), indent=2))


if __name__ == "__main__":
    sys.exit(main())
