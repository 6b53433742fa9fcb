"""The command ``skadaptive``: compare classifiers on a file, save and use the best."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn, TextIO

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
from ._messages import reason, visible
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
    if options.command is None:
        print_note(parser.format_help().rstrip())
        return MISTAKE
    command = f"{parser.prog} {options.command}"
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _print_warning
            code = options.run(options)
            sys.stdout.flush()  # which may fail, as a full disk does
            return code
    except BrokenPipeError:  # for example in a pipe to head
        sys.stderr.close()
        return 0
    except (ValueError, ImportError, OSError) as error:
        print_note(f"{command}: {_reason(error)}")
        _drop_output()
        return MISTAKE
    except MemoryError as error:
        print_note(
            f"{command}: {str(error).rstrip('.') or 'memory ran out'}. Give it fewer "
            "rows or columns, fewer --jobs, or more memory."
        )
        return MISTAKE
    except KeyboardInterrupt:
        print_note(f"{command}: interrupted; no file is half written")
        return INTERRUPTED


def _reason(error: Exception) -> str:
    """What an error says; where it names no file, it is that of standard output."""
    number = getattr(error, "errno", None)
    if number and reason(error) == os.strerror(number):
        return (
            f"the output cannot be written ({os.strerror(number)}). Make room for it."
        )
    return reason(error)


def _drop_output() -> None:
    """Forget what standard output did not take, which Python would try again to write.

    It would end with an exit code of its own.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """As in argparse, but a subcommand tells what is unknown, with its own usage.

        argparse hands it to the parser of all subcommands, whose usage names no option.
        """
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            known = re.findall(r"--[a-z-]+", self.format_usage())
            near = get_close_matches(unknown[0].partition("=")[0], known, n=1)
            question = f". Is it {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{question}")
        return options, unknown

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
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for subcommand in _SUBCOMMANDS:
        subcommand.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
