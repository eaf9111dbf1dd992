"""The Prefect server of one command, where no other is configured: it starts while the command still imports.

Prefect would start one too, but only when the flow is called, one thing after the other: a run that finds everything
done took 16 s instead of 8. And its server would outlive a command that is killed.
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


def start_server(*, quiet: bool) -> Callable[[], None]:
    """Start a server unless Prefect's settings name one; returns what waits until it answers.

    Call it before a flow is imported. The server ends when this process does, however that ends, and asks
    for a password that nobody else knows. Raises ConfigError when a server that is named can't be worked with.
    """
    if connect(quiet=quiet):
        return lambda: None
    from prefect.settings import get_current_settings  # noqa: PLC0415 - reads the environment

    if not get_current_settings().server.ephemeral.enabled:
        return lambda: None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A session of its own: Ctrl-C is for the command, which then tells the server how the run ended.
    command = [sys.executable, "-m", "matinee.ops.temporary", str(port), str(os.getpid())]
    password = draw_password()  # in its environment: a command line is there for all to read
    secret = {"PREFECT_SERVER_API_AUTH_STRING": password}
    server = subprocess.Popen(  # nosec B603 # our interpreter, a list of words
        command,
        env={**os.environ, **secret},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )
    atexit.register(end_process, server)  # before Prefect registers what it still has to send
    api = f"http://127.0.0.1:{port}/api"
    use(api, password)
    return lambda: wait_until_healthy(api, server)


def _serve(port: int, parent: int) -> None:
    """Be the server, without a UI, until the process that wants it ends."""
    end_with_parent(parent)
    import uvicorn  # noqa: PLC0415 - the command has no use for it
    from prefect.server.api.server import create_app  # noqa: PLC0415

    from matinee.ops.server import guard, mend, prepare  # noqa: PLC0415

    os.umask(0o077)
    prepare(["--host", "127.0.0.1", "--port", str(port)])
    mend()
    uvicorn.run(guard(create_app(ephemeral=True, final=True)), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:]))
