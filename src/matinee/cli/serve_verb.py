"""The verb `serve` with its options."""

import argparse

from matinee.cli import terminal
from matinee.cli.shared_options import Verb
from matinee.cli.values import whole
from matinee.cli.verbs import Outcome
from matinee.errors import ConfigError
from matinee.ops.folders import path

_PORT = 8000
_EXTRA = {"fastapi", "starlette", "uvicorn", "prometheus_client", "anyio", "threadpoolctl"}


def add_serve_verb(verb: Verb) -> None:
    """Add the verb to a command line."""
    added = verb(
        "serve", serve, "Answer questions about the champion over HTTP, and show a page, until Ctrl-C."
    )
    source = added.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--store", type=path, metavar="DIR", help="store whose champion answers, also when it changes"
    )
    source.add_argument("--release", type=path, metavar="DIR", help="folder of one release, without a store")
    added.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on (default 127.0.0.1; any other needs a token)",
    )
    added.add_argument(
        "--port",
        type=whole,
        default=_PORT,
        metavar="P",
        help=f"port to listen on; 0 for any free one (default {_PORT})",
    )
    added.add_argument(
        "--token-file",
        type=path,
        metavar="FILE",
        help="file of mode 0600 with the token that requests must send (default: MATINEE_SERVE_TOKEN, if it is set)",
    )


def serve(call: argparse.Namespace) -> Outcome:
    """Serve until the process is stopped."""
    if not 0 <= call.port < 1 << 16:
        raise ConfigError(f"--port {call.port} is not a port; expected a number from 0 to 65535.")
    try:
        from matinee.serve.server import check_token, read_token
        from matinee.serve.server import serve as library
        from matinee.serve.shelf import Shelf
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise ConfigError(
            f"`matinee serve` needs {error.name}, which is not installed. Install 'matinee[serve]'."
        ) from None
    token = read_token(call.token_file)
    check_token(call.host, token)
    shelf = Shelf(call.store, folder=call.release)

    def ready(url: str) -> None:
        terminal.complain(f"{shelf.champion.release.version} answers at {url}  (Ctrl-C stops the server)")

    done = library(shelf, host=call.host, port=call.port, token=token, ready=ready)
    return Outcome(
        {"release": done.release, "url": done.url}, f"stopped; {done.release} was served at {done.url}"
    )
