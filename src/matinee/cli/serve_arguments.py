"""The verb `serve` with its options."""

from matinee.cli.shared_options import Verb
from matinee.cli.values import whole
from matinee.ops.folders import path, store_path

_PORT = 8000


def add_serve_verb(verb: Verb) -> None:
    """Add the verb to a command line."""
    added = verb(
        "serve",
        "serve_verb.serve",
        "Serve the champion over HTTP, with a web page, until Ctrl-C.",
    )
    source = added.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--store",
        type=store_path,
        metavar="DIR",
        help="store whose champion is served; a new champion replaces the served one",
    )
    source.add_argument(
        "--release", type=path, metavar="DIR", help="folder of a release to serve, instead of a champion"
    )
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
        help="file of mode 0600 with the token that requests must send (default: the token in the variable "
        "MATINEE_SERVE_TOKEN, if it is set)",
    )
    added.add_argument(
        "--open-page",
        action="store_true",
        help="open the page in the browser of this desktop once the server answers",
    )
