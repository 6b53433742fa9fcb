"""Options that several subcommands take, and how their values are read."""

import argparse
import re
from difflib import get_close_matches
from encodings.aliases import aliases
from typing import TypeAlias

import numpy as np

from .._io import dates
from .._io.containers import READABLE
from .._io.text_files import USUAL_ENCODINGS

#: The subparsers of the command, to which a subcommand adds its own.
Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

#: What a table file may be.
FILE_HELP = f"table: {READABLE}"

# Numbers with a decimal comma, and those of which it may separate thousands.
_WITH_COMMA = re.compile(r"([+-]?(?:\d{1,3}(?:\.\d{3})+|\d*)),(\d+(?:[eE][+-]?\d+)?)")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")


def add_model_and_file(parser: argparse.ArgumentParser) -> None:
    """A model file and a table of new rows."""
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument("file", metavar="FILE", help=FILE_HELP)
    add_source(parser)


def add_source(parser: argparse.ArgumentParser) -> None:
    """How a table file is opened."""
    parser.add_argument(
        "--encoding",
        type=encoding,
        metavar="NAME",
        help=f"encoding of FILE, such as {USUAL_ENCODINGS}; default: found out",
    )
    parser.add_argument(
        "--sheet", metavar="NAME", help="sheet of a spreadsheet that has several"
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How the cells of a table of training rows are read."""
    add_source(parser)
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
    add_date_format(parser)
    parser.add_argument(
        "--missing",
        nargs="+",
        action="extend",
        default=[],
        metavar="VALUE",
        help="values that stand for missing ones, such as -999",
    )


def add_date_format(parser: argparse.ArgumentParser) -> None:
    """How dates are written."""
    parser.add_argument(
        "--date-format",
        action="append",
        default=[],
        metavar="COLUMN=FORMAT",
        help="how dates are written, such as 'opened=%%d/%%m/%%Y' (see strftime; "
        f"{dates.EPOCH_SECONDS} and {dates.EPOCH_MILLISECONDS} are possible, too); "
        "default: found out from the values",
    )


def add_training_columns(parser: argparse.ArgumentParser) -> None:
    """What the columns of a table of training rows are."""
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
        "--time",
        metavar="COLUMN",
        help="train on earlier rows, test on later ones; the column is no feature then",
    )
    parser.add_argument(
        "--id", metavar="COLUMN", help="column that names the rows, which is no feature"
    )


def add_folds(parser: argparse.ArgumentParser) -> None:
    """Number of folds of a cross-validation."""
    parser.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="N",
        help="number of folds; default: %(default)s",
    )


def add_no_reference(parser: argparse.ArgumentParser) -> None:
    """Whether rows of the table are saved with a model."""
    parser.add_argument(
        "--no-reference",
        action="store_true",
        help="save no rows of the table with the model; predict --explain needs them",
    )


def check_training_options(options: argparse.Namespace) -> None:
    """Refuse numbers of folds that are none, and options that do nothing."""
    if options.no_reference and not options.save:
        raise ValueError("--no-reference needs --save FILE: nothing is saved without.")
    if options.folds < 2:
        raise ValueError(f"--folds must be 2 or more; got {options.folds}.")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Columns that are no features."""
    parser.add_argument("--weight", metavar="COLUMN", help="column of sample weights")
    add_drop(parser)


def add_drop(parser: argparse.ArgumentParser) -> None:
    """Columns to leave out."""
    parser.add_argument(
        "--drop",
        nargs="+",
        action="extend",
        default=[],
        metavar="COLUMN",
        help="columns to leave out",
    )


def add_decision(parser: argparse.ArgumentParser) -> None:
    """The threshold of the decisions, directly or by costs."""
    decision = parser.add_mutually_exclusive_group()
    decision.add_argument(
        "--threshold",
        type=share,
        metavar="P",
        help="predict a row rare if its probability is above P; default: the threshold "
        "of the model",
    )
    decision.add_argument(
        "--costs",
        nargs=2,
        type=cost,
        metavar=("FALSE_ALARM", "MISS"),
        help="use the threshold of least cost on the rows of the training that were "
        "tested, by their out-of-fold probabilities",
    )


def add_results(parser: argparse.ArgumentParser) -> None:
    """What a measurement writes and prints, and its seed."""
    parser.add_argument("--report", metavar="FILE.html", help="write an HTML report")
    add_seed_and_json(parser)


def add_seed_and_json(parser: argparse.ArgumentParser) -> None:
    """The seed of a measurement, and whether JSON is printed."""
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="random seed; default: %(default)s",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def encoding(text: str) -> str:
    """The name of an encoding on the command line."""
    if _is_encoding(text):
        return text
    names = filter(_is_encoding, sorted({*aliases, *aliases.values()}))
    near = get_close_matches(text.lower(), names, n=1)
    question = f" Is it {near[0]!r}?" if near else ""
    raise argparse.ArgumentTypeError(
        f"{text!r} is not the name of an encoding, such as {USUAL_ENCODINGS}."
        f"{question} Without the option it is found out"
    )


def _is_encoding(name: str) -> bool:
    """Whether Python writes texts in it, as it does not in the codec "hex"."""
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return True


def count(text: str) -> int:
    """A number from 1 on, on the command line."""
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")


def share(text: str) -> float:
    """A number from 0 to 1 on the command line."""
    value = number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def cost(text: str) -> float:
    """A positive number on the command line."""
    value = number(text)
    if not 0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"{text} is not positive and finite")
    return value


def number(text: str) -> float:
    """A number on the command line."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number{_with_a_point(text)}"
        ) from None


def _with_a_point(text: str) -> str:
    """Advice on how to write a number that has a comma; empty if it is none."""
    match = _WITH_COMMA.fullmatch(text)
    if not match:
        return ""
    whole, fraction = match.groups()
    as_decimal = f"{whole.replace('.', '')}.{fraction}"
    if _THOUSANDS.fullmatch(text):
        return (
            f": write {whole}{fraction}, or {as_decimal} if the comma is a decimal mark"
        )
    return f": write {as_decimal}"
