"""The Prefect server of one command, if no other is configured. It starts while the command is still importing.

Prefect's own temporary server starts later, when the flow is called. A run with nothing to compute then took 16 s and
not 8 s. Prefect's server also outlives a killed command.
"""

import atexit
import os
import socket
import subprocess
import sys
from collections.abc import Callable

from matinee.ops.connection import connect, use
from matinee.ops.prefect_password import draw_password
from matinee.ops.up import end_process, wait_until_healthy
from matinee.store.system import end_with_parent

_ADVICE = "Repeat the command with --verbose: the server then prints the cause."
_SHOWN = "The lines above have the cause."


def start_server(*, quiet: bool) -> Callable[[], None]:
    """Start a server unless Prefect's settings name one. Call it before a flow is imported.

    The server ends with this process, however the process ends. Only this process knows its password.

    Args:
        quiet: Whether to keep the lines of the server off the terminal.

    Returns:
        A function that waits until the server answers.

    Raises:
        ConfigError: The server that Prefect's settings name can't be used.
    """
    if connect(quiet=quiet):
        return lambda: None
    from prefect.settings import get_current_settings  # noqa: PLC0415 - reads the environment

    if not get_current_settings().server.ephemeral.enabled:
        return lambda: None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # The server has its own session: Ctrl-C must not reach it, as the command still reports the end of the run to it.
    # -P: a folder `matinee` where the command was called, such as a checkout, must not be imported.
    command = [sys.executable, "-P", "-m", "matinee.ops.temporary", str(port), str(os.getpid())]
    password = draw_password()  # passed in the environment: every user can read a command line
    secret = {"PREFECT_SERVER_API_AUTH_STRING": password}
    server = subprocess.Popen(  # nosec B603 # our own interpreter, no shell
        command,
        env={**os.environ, **secret},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )
    atexit.register(end_process, server)  # before Prefect registers its own functions, which run first
    api = f"http://127.0.0.1:{port}/api"
    use(api, password)
    return lambda: wait_until_healthy(api, server, advice=_ADVICE if quiet else _SHOWN)


def _serve(port: int, parent: int) -> None:
    """Run the server, without a UI, until the parent process ends."""
    end_with_parent(parent)
    import uvicorn  # noqa: PLC0415 - the command does not need it
    from prefect.server.api.server import create_app  # noqa: PLC0415

    from matinee.ops.server import guard, patch_prefect, prepare  # noqa: PLC0415

    os.umask(0o077)
    prepare(["--host", "127.0.0.1", "--port", str(port)])
    patch_prefect()
    uvicorn.run(guard(create_app(ephemeral=True, final=True)), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:]))
