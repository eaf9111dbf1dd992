"""Runs the server until it is stopped: its address, its token, and its process."""

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import re
import signal
import socket
import stat
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from threadpoolctl import threadpool_limits

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.ops.guard import App, Guard
from matinee.serve import pages
from matinee.serve.admission import Admission
from matinee.serve.app import create_app
from matinee.serve.loaded_releases import LoadedReleases
from matinee.serve.prometheus import RequestMetrics
from matinee.store.files import open_plain

TOKEN_VARIABLE: Final = "MATINEE_SERVE_TOKEN"  # nosec B105 # a name, not a token
_TOKEN: Final = re.compile(r"[!-~]{16,400}")  # printable, as it is written in a header
_LONGEST: Final = 1_000  # maximum bytes of a token file
_CONNECTIONS: Final = 500
_IDLE_SECONDS: Final = 30
_STOP_SECONDS: Final = 10


@dataclass(frozen=True)
class Served:
    """What a server did until it was stopped."""

    release: str
    url: str


def serve(
    loaded: LoadedReleases, *, host: str, port: int, token: str | None, ready: Callable[[str], None]
) -> Served:
    """Serve until SIGINT or SIGTERM. Requests under way are answered first.

    Args:
        loaded: The releases.
        host: The address to listen on.
        port: The port; 0 for any free one.
        token: The token that requests must name; None on a loopback address for none.
        ready: Called with the address once the server answers.

    Returns:
        The release in use at the end, and the address.

    Raises:
        ConfigError: The address can't be used, or others can reach it and there is no token.
    """
    check_token(host, token)
    with _bound(host, port) as listening:
        port = listening.getsockname()[1]
        app = protected(loaded, host=host, port=port, token=token)
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        # Threads of BLAS wait for each other in a loop, which costs ten times what they save on a single list.
        with threadpool_limits(1, user_api="blas"):
            asyncio.run(_run(app, listening, lambda: ready(url)))
    return Served(loaded.champion.release.version, url)


def protected(loaded: LoadedReleases, *, host: str, port: int, token: str | None) -> App:
    """The whole application: host names and origins are checked first, then the token and the limits."""
    metrics = RequestMetrics(loaded)
    app = create_app(loaded, metrics)
    paths = {route.path for route in app.routes if hasattr(route, "path")}
    door = Admission(app, metrics, token=token, free={"/healthz", *pages.PAGE}, routes=paths)
    return Guard(door, address=host, port=port)


def check_token(host: str, token: str | None) -> None:
    """Raise ConfigError if other machines can reach an address, and there is no token."""
    if token is None and not _is_loopback(host):
        raise ConfigError(
            f"--host {shown(host)} can be reached from other machines, and no token was given. Name a file with "
            f"--token-file, or put the token into {TOKEN_VARIABLE}. Without --host, only this machine is served."
        )


def read_token(path: Path | None) -> str | None:
    """The token of a file, or of the environment; None without one.

    Raises ConfigError if it can't be read, is too short, or if others may read the file. The message does not quote it.
    """
    if path is None:
        text, source = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
        if not text:
            return None
    else:
        text, source = _read_private(path), shown(path)
    if not _TOKEN.fullmatch(text.strip()):
        raise ConfigError(
            f"{source} has no token; expected one line of 16 to 400 characters from `!` to `~`. "
            "`openssl rand -hex 32` makes one."
        )
    return text.strip()


def _read_private(path: Path) -> str:
    try:
        with open_plain(path) as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise ConfigError(
                    f"Other users may read or write {shown(path)}. Run `chmod 600` on it, and use a new token if the "
                    "file was readable for long."
                )
            return file.read(_LONGEST).decode("ascii", errors="replace")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not the name of a file"
        raise ConfigError(
            f"The token can't be read from {shown(path)}: {why}. Correct --token-file."
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens. Raises ConfigError if the address can't be used."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(host, port, error) from None
    with listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except OSError as error:
            raise _unusable(host, port, error) from None
        yield listening


def _unusable(host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError(
        f"The server can't listen on {shown(host)}, port {port}: {error.strerror or error}. Choose another address "
        "with --host and --port; port 0 takes any free one."
    )


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to us and reports when it answers."""

    ready: Callable[[], None]

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, and do not raise them again afterwards: the command then ends with status 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
                loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            gc.collect()
            gc.freeze()  # what was loaded stays, and the collector need not look at it during a request
            self.ready()


async def _run(app: App, listening: socket.socket, ready: Callable[[], None]) -> None:
    # A guest whose movies are all unknown is a warning for a program; here the answer lists them.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"matinee\.serve")
    logging.getLogger("uvicorn").parent = logging.getLogger("matinee")
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    server = _Server(config)
    server.ready = ready
    await server.serve([listening])
