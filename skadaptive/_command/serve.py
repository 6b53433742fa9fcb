"""``skadaptive serve``: answer over HTTP with a saved model."""

import argparse
import os
from pathlib import Path

from .._packages import require
from .arguments import Subcommands, add_decision, count
from .outputs import print_note

# Environment variable with the token of the server.
_TOKEN = "SKADAPTIVE_TOKEN"


def add_to(commands: Subcommands) -> None:
    """Add the subcommand, with its options."""
    parser = commands.add_parser("serve", help="answer over HTTP with a saved model")
    parser.set_defaults(run=_run)
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
        type=count,
        default=1,
        metavar="N",
        help="number of processes that answer; default: %(default)s",
    )
    add_decision(parser)
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
        type=count,
        default=10_000,
        metavar="N",
        help="most rows of a request; default: %(default)s",
    )
    parser.add_argument(
        "--max-megabytes",
        type=count,
        default=10,
        metavar="N",
        help="greatest body of a request; default: %(default)s",
    )


def _run(options: argparse.Namespace) -> int:
    packages = ("fastapi", "prometheus_client", "uvicorn")
    require(*packages, purpose="serve", extra="serve")
    from .._serving.model import ServerSettings
    from .._serving.server import Address, serve

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
    serve(settings, address, options.workers, note=print_note)
    return 0


def _token(path: str | None) -> str | None:
    """The token of the server, which does not stand on the command line.

    Every user of a machine sees the arguments of its processes.
    """
    if path is None:
        token, source = os.environ.get(_TOKEN), f"the environment variable {_TOKEN}"
    elif not Path(path).is_file():
        raise ValueError(f"--token-file: there is no file {path}.")
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
