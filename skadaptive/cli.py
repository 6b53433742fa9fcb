"""The command ``skadaptive``: from a file to a comparison, a report, a model."""

import argparse
import json
import os
import shlex
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from ._version import __version__

#: Exit codes: a mistake of the user's, and an interrupt, as shells have it.
MISTAKE, INTERRUPTED = 2, 130

_EXAMPLES = """\
examples:
  skadaptive compare                                 on data that are built in
  skadaptive compare customers.csv --target churned --report report.html
  skadaptive compare customers.csv --target churned --save churn.skops
  skadaptive predict churn.skops new.csv --out scores.csv
  skadaptive evaluate churn.skops later.csv --target churned
"""


def main(arguments=None):
    """Run the command.

    Parameters
    ----------
    arguments : list of str, default=None
        None takes those of the process.

    Returns
    -------
    int
        0, 2 after a mistake in the arguments or the data, 130 after an interrupt.
    """
    # Before anything imports TensorFlow: its start-up lines are not for the user.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    parser = _parser()
    chosen = parser.parse_args(arguments)
    command = parser.prog + " " + chosen.command
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say_warning
            return chosen.run(chosen)
    except BrokenPipeError:  # say, into head
        sys.stderr.close()
        return 0
    except (ValueError, ImportError, OSError) as error:
        print(f"{command}: {error}", file=sys.stderr)
        return MISTAKE
    except KeyboardInterrupt:
        print(f"{command}: interrupted, nothing was written", file=sys.stderr)
        return INTERRUPTED


def _say_warning(message, category, filename, lineno, file=None, line=None):
    if issubclass(category, UserWarning):
        print(f"note: {message}", file=sys.stderr)


def _parser():
    parser = argparse.ArgumentParser(
        prog="skadaptive",
        description="A neural classifier for rare classes, beside what else there is.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    compare = commands.add_parser(
        "compare", help="compare classifiers on a table, by cross-validation"
    )
    compare.set_defaults(run=_compare)
    file_help = "CSV, also gzipped, or Parquet"
    compare.add_argument(
        "file", nargs="?", metavar="FILE", help=f"{file_help}; without it built-in data"
    )
    compare.add_argument("--target", metavar="COLUMN", help="the column with the class")
    compare.add_argument(
        "--positive",
        metavar="VALUE",
        help="value of the rare class; default: of two values the second in sorted "
        "order, unless the first has less than half its weight; of more values the "
        "one with the least weight",
    )
    _add_drop(compare)
    compare.add_argument(
        "--group", metavar="COLUMN", help="rows with one value are tested together"
    )
    compare.add_argument(
        "--time", metavar="COLUMN", help="train on earlier rows, test on later ones"
    )
    compare.add_argument("--weight", metavar="COLUMN", help="weights of the rows")
    compare.add_argument(
        "--scoring",
        default="average_precision",
        metavar="NAME",
        help="what the ranking is by; default: average_precision",
    )
    compare.add_argument("--folds", type=int, default=5, metavar="N", help="default: 5")
    compare.add_argument(
        "--quick", action="store_true", help="seven contenders instead of all"
    )
    compare.add_argument("--report", metavar="FILE.html", help="write a report")
    compare.add_argument(
        "--save", metavar="FILE.skops", help="write the best, fitted on all rows"
    )
    compare.add_argument(
        "--cache", metavar="DIR", help="keep finished folds, and go on from them"
    )
    compare.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    compare.add_argument(
        "--jobs", type=int, metavar="N", help="fits at a time; default: 1"
    )
    _add_json(compare)

    predict = commands.add_parser("predict", help="probabilities and classes of rows")
    predict.set_defaults(run=_predict)
    predict.add_argument("model", metavar="MODEL", help="what compare --save wrote")
    predict.add_argument("file", metavar="FILE", help=file_help)
    predict.add_argument(
        "--out", metavar="FILE", help="CSV or Parquet; default: CSV to standard output"
    )
    _add_drop(predict)

    evaluate = commands.add_parser("evaluate", help="scores of a model on new rows")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument("model", metavar="MODEL", help="what compare --save wrote")
    evaluate.add_argument("file", metavar="FILE", help=file_help)
    evaluate.add_argument("--target", metavar="COLUMN", required=True)
    evaluate.add_argument("--weight", metavar="COLUMN", help="weights of the rows")
    _add_drop(evaluate)
    evaluate.add_argument("--report", metavar="FILE.html", help="write a report")
    evaluate.add_argument("--out", metavar="DIR", help="write metrics.json and plots")
    evaluate.add_argument("--seed", type=int, default=0, help="of the bootstrap")
    _add_json(evaluate)
    return parser


def _add_drop(parser):
    parser.add_argument(
        "--drop",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns to leave out",
    )


def _add_json(parser):
    parser.add_argument(
        "--json", action="store_true", help="print JSON, for other programs"
    )


# ---------------------------------------------------------------------------- compare


def _compare(chosen):
    from sklearn.model_selection import TimeSeriesSplit

    from ._io.model_files import save_model
    from .comparison import compare

    _check_outputs(chosen.report, chosen.save)
    _check_packages(chosen)
    X, y, positive, columns = _read_training(chosen)
    cv = chosen.folds
    if cv < 2:
        raise ValueError(f"--folds must be 2 or more; got {cv}.")
    if chosen.time:
        cv = TimeSeriesSplit(cv)
    _say_positive(X, y, positive, columns, chosen.positive is None)
    _import_tensorflow()
    comparison = compare(
        X,
        y,
        contenders="quick" if chosen.quick else "default",
        scoring=chosen.scoring,
        cv=cv,
        groups=columns["groups"],
        sample_weight=columns["sample_weight"],
        pos_label=_label(y, positive),
        n_jobs=chosen.jobs,
        random_state=chosen.seed,
        cache_dir=chosen.cache,
        verbose=1,
    )
    # Interrupted, or the best cannot be fitted on all rows, which has been said.
    unfinished = not hasattr(comparison, "best_")
    if not chosen.json:
        print(comparison, flush=True)  # before what may not be written
    written = {}
    if chosen.report:
        written["report"] = str(comparison.to_html(chosen.report))
    if chosen.save and not unfinished:
        facts = {
            "target": columns["target"],
            "positive": _plain(positive),
            "others_together": columns["others_together"],
            "no_features": columns["no_features"],
            "name": comparison.best_name_,
        }
        save_model(chosen.save, comparison.best_, X, **facts)
        written["model"] = chosen.save
    if chosen.json:
        _print_json(_comparison_as_json(comparison) | written)
    else:
        for kind, path in written.items():
            print(f"The {kind} is in {path}.")
    return INTERRUPTED if unfinished else 0


def _say_positive(X, y, positive, columns, by_default):
    """Which value counts as the rare one, and how to choose another."""
    is_rare, weight = y == _label(y, positive), columns["sample_weight"]
    share = np.average(is_rare, weights=weight)
    by_weight = "" if weight is None else " by weight"
    _say(
        f"The rare value of {columns['target']} is {positive}: {share:.2%} of "
        f"{len(y):,} rows{by_weight}. {X.shape[1]} features."
    )
    if by_default and columns["others_together"]:
        _say("To find another value instead: --positive VALUE")
    elif by_default:
        other = y[~is_rare].iloc[0]
        _say(f"To find {other} instead: --positive {shlex.quote(str(other))}")
    if share > 0.5:
        reason = ": of two that are about as frequent the second in sorted order counts"
        _say(
            f"note: {positive} is the more frequent value"
            f"{reason + ' as the rare one' if by_default else ''}."
        )


def _read_training(chosen):
    from ._io.tables import read_table, split_target
    from .datasets import load_rare

    if chosen.file is None:
        if chosen.target:
            raise ValueError(
                "--target goes with a FILE, which comes before --drop: that takes all "
                "names that follow."
            )
        bunch = load_rare("breast_cancer", as_frame=True)
        frame = bunch.data.assign(diagnosis=bunch.target_names[bunch.target])
        target = "diagnosis"
    else:
        frame, target = read_table(chosen.file), chosen.target
        if target is None:
            raise ValueError(
                f"Which column is to be predicted? --target COLUMN, one of: "
                f"{', '.join(frame.columns)}."
            )
    if chosen.time and chosen.group:
        raise ValueError("--time and --group do not go together.")
    special = [c for c in (chosen.group, chosen.time, chosen.weight) if c]
    _check_columns(frame, [*chosen.drop, *special])
    if {target, *special} & set(chosen.drop):
        raise ValueError("A column that is dropped cannot be used otherwise.")
    frame = frame.drop(columns=chosen.drop)
    if chosen.time:
        _check_time(frame[chosen.time])
        frame = frame.sort_values(chosen.time, kind="stable").reset_index(drop=True)
    weight = _weights(frame, chosen.weight)
    X, y, positive = split_target(frame, target, chosen.positive, weight)
    # What tells rows apart or orders them is no feature.
    X = X.drop(columns=special)
    if X.shape[1] == 0:
        raise ValueError("No column is left to predict from.")
    columns = {
        "target": target,
        "groups": frame[chosen.group].to_numpy() if chosen.group else None,
        "sample_weight": weight,
        "others_together": frame[target].nunique() > 2,
        "no_features": [*chosen.drop, *special],
    }
    return X, y, positive, columns


def _comparison_as_json(comparison):
    return {
        "best": comparison.best_name_,
        "scoring": comparison.scoring_,
        "positive": _plain(comparison.pos_label_),
        "rows": len(comparison.y_),
        "rare_rows": int(comparison.y_.sum()),
        "ranking": comparison.table.reset_index().to_dict("records"),
        "tests": comparison.tests_.reset_index().to_dict("records"),
        "findings": [
            {"kind": f.kind, "columns": list(f.columns), "message": f.message}
            for f in comparison.findings_
        ],
        "failures": comparison.failures_,
        "summary": comparison.summary(),
        "seed": comparison.seed_,
    }


# ------------------------------------------------------------------ predict, evaluate


def _predict(chosen):
    from ._io.atomic import replace_atomically

    _check_outputs(chosen.out)
    content, frame = _model_and_table(chosen)
    facts, model = content["facts"], content["model"]
    # The file that it was trained on has the target, too, which is not looked at.
    X = _features(frame, content, ignore=[facts["target"]])
    positive = _label(model.classes_, facts["positive"])
    proba = model.predict_proba(X)[:, list(model.classes_).index(positive)]
    result = pd.DataFrame({"probability": proba, "prediction": model.predict(X)})
    if chosen.out is None:
        result.to_csv(sys.stdout, index=False)
        return 0
    with replace_atomically(chosen.out) as temporary:
        if chosen.out.lower().endswith(".parquet"):
            result.to_parquet(temporary, index=False)
        else:
            zipped = "gzip" if chosen.out.lower().endswith(".gz") else None
            result.to_csv(temporary, index=False, compression=zipped)
    _say(f"{len(result):,} rows are in {chosen.out}.")
    return 0


def _evaluate(chosen):
    from ._io.tables import two_classes
    from .evaluation import evaluate

    _check_outputs(chosen.report, folder_too=chosen.out)
    _check_packages(chosen)
    content, frame = _model_and_table(chosen)
    facts = content["facts"]
    wanted = [chosen.target, *([chosen.weight] if chosen.weight else [])]
    _check_columns(frame, wanted)
    X = _features(frame, content, ignore=wanted)
    labels = frame[chosen.target]
    if labels.isna().any():
        raise ValueError(
            f"{labels.isna().sum()} rows have no value in {chosen.target!r}."
        )
    y = two_classes(labels, facts["positive"], facts["others_together"])
    found = evaluate(
        content["model"],
        X,
        y.to_numpy(),
        sample_weight=_weights(frame, chosen.weight),
        pos_label=_label(content["model"].classes_, facts["positive"]),
        random_state=chosen.seed,
    )
    written = {}
    if chosen.report:
        written["report"] = str(found.to_html(chosen.report))
    if chosen.out:
        found.save(chosen.out)
        written["folder"] = chosen.out
    if chosen.json:
        measures = found.table.reset_index().to_dict("records")
        _print_json(
            {
                "model": facts["name"],
                "measures": measures,
                "confusion_matrix": found.confusion_matrix_.to_numpy().tolist(),
            }
            | written
        )
    else:
        print(found)
        for kind, path in written.items():
            print(f"The {kind} is {path}.")
    return 0


def _model_and_table(chosen):
    from ._io.model_files import load_model
    from ._io.tables import read_table

    content, frame = load_model(chosen.model), read_table(chosen.file)
    _check_columns(frame, chosen.drop)
    return content, frame.drop(columns=chosen.drop)


def _features(frame, content, ignore):
    from ._io.model_files import as_trained

    known = content["columns"]
    ignore = [*ignore, *content["facts"]["no_features"]]
    more = [name for name in ignore if name in frame and name not in known]
    return as_trained(frame.drop(columns=more), known)


# ---------------------------------------------------------------------------- helpers


def _check_columns(frame, names):
    missing = [name for name in names if name not in frame]
    if missing:
        raise ValueError(
            f"There is no column {', '.join(missing)}. There are: "
            f"{', '.join(frame.columns)}."
        )


def _check_time(column):
    known = pd.api.types.is_numeric_dtype(column)
    if not known and not pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(
            f"Column {column.name} holds no times that can be ordered, such as "
            f"{column.dropna().iloc[0]!r}. Write dates as 2020-01-31, or numbers."
        )
    if column.isna().any():
        raise ValueError(f"{column.isna().sum()} rows have no value in {column.name}.")


def _weights(frame, column):
    if column is None:
        return None
    weights = pd.to_numeric(frame[column], errors="coerce")
    if not weights.isna().any() and not weights.any():
        raise ValueError(f"At least one row needs a weight above 0; {column} has none.")
    if weights.isna().any() or (weights < 0).any():
        wrong = frame[column][weights.isna() | (weights < 0)].iloc[0]
        raise ValueError(
            f"Weights must be numbers, none below 0; {column} has {wrong!r}."
        )
    return weights.to_numpy(dtype=float)


def _check_outputs(*paths, folder_too=None):
    """Refuse before the work what could not be written after it."""
    for path in (*paths, folder_too):
        if path is None:
            continue
        folder = Path(path).absolute().parent
        if Path(path).is_dir() and path != folder_too:
            raise ValueError(f"{path} cannot be written: it is a folder.")
        if not folder.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {folder}.")
        if not os.access(folder, os.W_OK):
            raise ValueError(f"{path} cannot be written: {folder} is read-only.")


def _check_packages(chosen):
    needed = {"rich"} if chosen.command == "compare" else set()
    if chosen.report or getattr(chosen, "out", None):
        needed |= {"jinja2", "matplotlib"}
    if getattr(chosen, "save", None):
        needed |= {"skops"}
    missing = sorted(name for name in needed if not find_spec(name))
    if missing:
        raise ImportError(
            f'This needs {", ".join(missing)}: pip install "skadaptive[compare]".'
        )


def _import_tensorflow():
    """Without the lines that its C++ side writes before it reads any setting."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow  # noqa: F401
    except ImportError:
        pass  # fit says what to install
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _label(labels, positive):
    """The label of the value to be found, as split_target writes it."""
    return positive if (np.asarray(labels) == positive).any() else str(positive)


def _say(message):
    print(message, file=sys.stderr)


def _plain(value):
    return value.item() if isinstance(value, np.generic) else value


def _print_json(content):
    def finite(value):
        if isinstance(value, dict):
            return {str(key): finite(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [finite(item) for item in value]
        value = _plain(value)
        return None if isinstance(value, float) and not np.isfinite(value) else value

    print(json.dumps(finite(content), indent=2, default=str))


if __name__ == "__main__":
    sys.exit(main())
