"""The command ``skadaptive``: compare classifiers on a file, save and use the best."""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn, TextIO

from ._command import (
    compare,
    evaluate,
    export,
    info,
    monitor,
    predict,
    serve,
    tune,
)
from ._command.outputs import INTERRUPTED, MISTAKE, print_note
from ._messages import visible
from ._version import __version__

__all__ = ["main"]

# In the order of the help.
_SUBCOMMANDS = (compare, tune, predict, evaluate, monitor, info, export, serve)

_EXAMPLES = """\
examples:
  skadaptive compare                                 (on built-in data)
  skadaptive compare customers.csv --target churned --report report.html
  skadaptive compare customers.csv --target churned --save churn.model
  skadaptive tune customers.csv --target churned --trials 50
  skadaptive predict churn.model new.csv --out scores.csv
  skadaptive predict churn.model new.csv --costs 1 20
  skadaptive predict churn.model new.csv --explain 3
  skadaptive predict churn.model 'new/*.parquet' --out scores/
  skadaptive evaluate churn.model later.csv --target churned
  skadaptive monitor churn.model later.csv --time month --report monitor.html
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
        Exit code: 0, 2 after a mistake in the arguments or the data, 3 if ``monitor``
        finds a change, 130 after an interrupt.
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
        print_note(f"{command}: {error}")
        return MISTAKE
    except KeyboardInterrupt:
        print_note(f"{command}: interrupted, nothing was written")
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
        print_note(f"note: {message}")


class _Parser(argparse.ArgumentParser):
    """Shows in a message what was typed, but lets the terminal obey none of it."""

    def error(self, message: str) -> NoReturn:
        super().error(visible(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="skadaptive",
        description="Compare classifiers for a rare class on a table, and apply the "
        "best one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for subcommand in _SUBCOMMANDS:
        subcommand.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
