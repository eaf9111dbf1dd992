"""The Prefect server of one command, if no other is configured. It starts while the command is still importing.

Prefect's own temporary server starts later, when the flow is called. A run with nothing to compute then took 16 s and
not 8 s. Prefect's server also outlives a killed command.

Most of a start is imports. A command may begin them before it knows that it needs a server (`warm_up`): the process
opens no port and no database until it is asked to serve.
"""

import atexit
import contextlib
import gc
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module

from matinee.ops.connection import connect, leave_out_proxies, prepare, use
from matinee.ops.environment import child_environment
from matinee.ops.prefect_password import draw_password
from matinee.ops.prefect_server import may_name_server
from matinee.ops.up import end_process, wait_until_healthy
from matinee.store.system import end_with_parent

_ADVICE = "Repeat the command with --verbose: the server then prints the cause."
_SHOWN = "The lines above have the cause."
_ENGINES = (
    "fastapi.encoders",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.utilities.visualization",
)


@dataclass
class TemporaryServer:
    """A server that imports, is starting or answers, and ends with this process."""

    process: "subprocess.Popen[bytes]"
    password: str
    quiet: bool
    port: int = 0  # drawn when it begins, so that it stays free until it is used

    def begin(self) -> None:
        """Let the process serve, as soon as it has imported what it needs."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        assert self.process.stdin is not None  # nosec B101 # for mypy: it is a pipe
        with (
            contextlib.suppress(BrokenPipeError),
            self.process.stdin as told,
        ):  # if it has ended, `wait` reports it
            told.write(f"{self.port}\n".encode())

    @property
    def api(self) -> str:
        """The address of its API."""
        return f"http://127.0.0.1:{self.port}/api"

    def end(self) -> None:
        """Stop the process, unless it was stopped before: its number may be that of another process by then."""
        if self.process.returncode is None:
            end_process(self.process)

    def wait(self) -> None:
        """Wait until the server answers. Raises ConfigError if it does not start."""
        wait_until_healthy(self.api, self.process, advice=_ADVICE if self.quiet else _SHOWN)


def warm_up(*, quiet: bool) -> TemporaryServer | None:
    """Let a process import what a server needs, unless Prefect's settings may name a server.

    Args:
        quiet: Whether to keep the lines of the server off the terminal.

    Returns:
        The process, for `start_server` to use. It ends with this process if it is not used.
    """
    return None if may_name_server() else _start(quiet=quiet)


def start_server(warm: TemporaryServer | None = None, *, quiet: bool) -> TemporaryServer | None:
    """Start a server unless Prefect's settings name one. Call it before a flow is imported.

    The server ends with this process, however the process ends. Only this process knows its password.

    Args:
        warm: What `warm_up` returned, if it was called.
        quiet: Whether to keep the lines of the server off the terminal.

    Returns:
        The server, to be waited for; None if the configured one is used.

    Raises:
        ConfigError: The server that Prefect's settings name can't be used.
    """
    server = warm or warm_up(quiet=quiet)
    if server:  # it starts while this process imports Prefect to read the settings
        prepare(quiet=quiet)
        leave_out_proxies(None)
        server.begin()
    if connect(quiet=quiet) or not _is_wanted():
        if server:
            server.end()
        return None
    if server is None:
        server = _start(quiet=quiet)
        server.begin()
    use(server.api, server.password)
    return server


def import_engines() -> None:
    """Import what Prefect imports when a flow and its first task run, while the server is starting."""
    for name in _ENGINES:
        import_module(name)


def _is_wanted() -> bool:
    from prefect.settings import get_current_settings  # noqa: PLC0415 - reads the environment

    return get_current_settings().server.ephemeral.enabled


def _start(*, quiet: bool) -> TemporaryServer:
    # The server has its own session: Ctrl-C must not reach it, as the command still reports the end of the run to it.
    # -P: a folder `matinee` where the command was called, such as a checkout, must not be imported.
    command = [sys.executable, "-P", "-m", "matinee.ops.temporary_server", str(os.getpid())]
    password = draw_password()  # passed in the environment: every user can read a command line
    secret = {"PREFECT_SERVER_API_AUTH_STRING": password}
    process = subprocess.Popen(  # nosec B603 # our own interpreter, no shell
        command,
        env={**child_environment(quiet=quiet), **secret},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
        start_new_session=True,
    )
    server = TemporaryServer(process, password, quiet)
    atexit.register(server.end)  # before Prefect registers its own functions, which run first
    return server


def _serve(parent: int) -> None:
    """Import what the server needs; run it, without a UI, once told to, until the parent process ends."""
    end_with_parent(parent)
    gc.disable()  # until `patch_prefect`: imports leave no garbage, and collecting takes a tenth of their time
    import uvicorn  # noqa: PLC0415 - the command does not need it
    from prefect.server.api.server import create_app  # noqa: PLC0415

    from matinee.ops import server  # noqa: PLC0415

    port = sys.stdin.readline().strip()
    if not port:  # the command needs no server, or has ended
        return
    os.umask(0o077)
    server.prepare(["--host", "127.0.0.1", "--port", port])
    server.patch_prefect()
    uvicorn.run(
        server.guard(create_app(ephemeral=True, final=True)),
        host="127.0.0.1",
        port=int(port),
        log_level="error",
    )


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
