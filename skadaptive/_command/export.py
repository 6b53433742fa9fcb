"""``skadaptive export``: a saved model for programs without Python."""

import argparse

from .._io.atomic import replace_atomically
from .._packages import require
from .._saving.model_files import load_model
from ..export import to_onnx
from .arguments import Subcommands
from .outputs import check_formats, check_outputs, print_note, print_written


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser(
        "export", help="write a saved model for programs without Python"
    )
    parser.set_defaults(run=_run)
    parser.add_argument("model", metavar="MODEL", help="file of compare --save")
    parser.add_argument(
        "--onnx",
        metavar="FILE.onnx",
        required=True,
        help="write an ONNX graph, from the columns to the probabilities",
    )


def _run(options: argparse.Namespace) -> int:
    check_outputs([options.model], options.onnx)
    check_formats(options)
    require("onnx", purpose="--onnx", extra="onnx")
    saved = load_model(options.model)
    model = to_onnx(saved.model)
    with replace_atomically(options.onnx) as temporary:
        temporary.write_bytes(model.SerializeToString())
    properties = {entry.key: entry.value for entry in model.metadata_props}
    print_note(
        f"The graph has {len(model.graph.input)} inputs, one for each column, and one "
        f"output, the probabilities of the classes {properties['classes']}. A row is "
        f"{properties['rare_class']} if the probability of this class is above "
        f"{properties['threshold']}."
    )
    print_written({"ONNX model": options.onnx})
    return 0
