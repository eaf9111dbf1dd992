"""The verb `serve`."""

import argparse
import os
import sys
import threading
import webbrowser
from urllib.parse import urlsplit

from matinee.cli import terminal
from matinee.cli.outcome import Outcome
from matinee.errors import ConfigError
from matinee.ops.guard import is_any

_DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_EXTRA = {"fastapi", "starlette", "uvicorn", "prometheus_client", "anyio", "threadpoolctl"}


def serve(call: argparse.Namespace) -> Outcome:
    """Serve until the process is stopped."""
    if not 0 <= call.port < 1 << 16:
        raise ConfigError(f"--port {call.port} is not a port; expected a number from 0 to 65535.")
    try:
        from matinee.serve.loaded_releases import LoadedReleases
        from matinee.serve.server import check_token, read_token
        from matinee.serve.server import serve as library
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise ConfigError(
            f"`matinee serve` needs {error.name}, which is not installed. Install 'matinee[serve]'."
        ) from None
    if call.release and not call.release.is_dir():
        raise ConfigError(f"There is no folder {call.release}. Use the folder of a release, or --store.")
    token = read_token(call.token_file)
    check_token(call.host, token)
    loaded = LoadedReleases(call.store, folder=call.release)

    def ready(url: str) -> None:
        if not call.quiet:
            terminal.complain(
                f"{loaded.champion.release.version} answers at {url}  (Ctrl-C stops the server)"
            )
        if call.open_page:
            _open_page(url)

    done = library(loaded, host=call.host, port=call.port, token=token, ready=ready)
    facts = {"release": done.release, "url": done.url}
    return Outcome(facts, f"stopped; {done.release} was served at {done.url}", notable=())


def _open_page(url: str) -> None:
    """Open a page in the browser of this desktop; without one, say so: a browser in the terminal would take it over."""
    address = urlsplit(url)
    if is_any(address.hostname or ""):  # a browser needs one of them
        url = f"http://localhost:{address.port}/"
    if not (sys.platform == "darwin" or any(map(os.environ.get, _DESKTOPS))):
        terminal.complain(f"No browser was opened, because there is no desktop here. Open {url} in one.")
        return
    # The server must not wait for a browser that starts slowly.
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
