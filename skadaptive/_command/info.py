"""``skadaptive info``: what the file of a saved model holds."""

import argparse

from .._saving.model_files import describe_model
from .arguments import Subcommands
from .outputs import print_json, print_text


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser("info", help="list what a saved model's file holds")
    parser.set_defaults(run=_run)
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(options: argparse.Namespace) -> int:
    contents = describe_model(options.model)
    if options.json:
        print_json(contents.to_json())
    else:
        print_text("\n".join(contents.lines()))
    return 0
