"""Register the deployments, and run what they need on one machine: a Prefect server, a worker and the inbox watcher.

`matinee up` runs until Ctrl-C, which stops all of it. It uses the server that PREFECT_API_URL or the Prefect
profile names, if that server is running. Otherwise it starts a server with a password, and writes the password to a
file in Prefect's home.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from matinee.errors import ConfigError
from matinee.ops.connection import answering, connect, fault_of_database, find_address, use
from matinee.ops.environment import POOL, PORT, WEBHOOK
from matinee.ops.folders import add_folders, check_folders, place_text
from matinee.ops.prefect_password import (
    authorization_for,
    keep_password,
    owners_of,
    password_file,
    password_for,
    read_password,
)
from matinee.ops.prefect_server import find_fault, is_healthy, is_here, parse_address, setting
from matinee.ops.registration import ROOT, import_prefect, register
from matinee.store.remote import names_remote
from matinee.store.system import adopt_orphans, end_orphans

if TYPE_CHECKING:
    from matinee.ops.inbox_watcher import InboxWatcher

_START_SECONDS = 120.0  # the very first start creates the database
_PORT_OR_DATABASE = (
    "The usual cause is another program on that port (set PREFECT_API_URL to http://127.0.0.1:PORT/api with a free "
    "port), or a database that is not reachable (PREFECT_SERVER_DATABASE_CONNECTION_URL). `matinee server` prints "
    "the cause."
)
_STOP_SECONDS = 20.0  # a worker needs less to end its runs and report it to the server


def build_parser() -> argparse.ArgumentParser:
    """The options of this verb."""
    parser = argparse.ArgumentParser(prog="matinee up", description=__doc__)
    parser.add_argument(
        "--port",
        type=int,
        default=PORT,
        help=f"port of the server that is started (default {PORT}); if PREFECT_API_URL or the Prefect "
        "profile gives an address, the server is started there instead",
    )
    add_folders(parser, project=ROOT)
    parser.add_argument(
        "--deploy",
        action="store_true",
        help="start nothing, and only register the deployments and alerts with a server that another program starts, "
        "and create the drop folder",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Start, wait for Ctrl-C or SIGTERM, stop; returns the exit status."""
    call = build_parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        check_folders(drop=call.drop, store=call.store)
        if call.deploy:
            with answering():
                _register(call.port, drop=call.drop, store=call.store)
            return 0
        with answering(), running(call.port) as (url, processes):
            watcher = _start_inbox_watcher(call.drop, call.store)
            if _is_kept(setting("PREFECT_API_AUTH_STRING")):
                print(f"\nThe UI asks for a password once. Paste the line in {password_file()}")
            print(f"\nThe UI is at {url}. Ctrl-C stops everything.", flush=True)
            while all(process.poll() is None for process in processes):
                watcher.look()
                time.sleep(0.5)
            raise ConfigError("The server or the worker has ended unexpectedly. Its output is above.")
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # the terminal may be closed
            print("All stopped.", flush=True)
        return 0


@contextlib.contextmanager
def running(port: int) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """Run a server and a worker during the block; yields the address of the UI and the processes.

    Raises ConfigError if the server does not start or refuses the deployments.
    """
    api, is_configured = _find_api(port)
    with contextlib.ExitStack() as stack:
        processes = []
        adopt_orphans()
        stack.callback(end_orphans)
        if is_healthy(api):
            _check_owner(api)
            if not is_configured:  # its deployments would get the folders of this call
                raise ConfigError(
                    f"A Prefect server is already running at {api.removesuffix('/api')}, probably that of another "
                    "`matinee up`. Stop it, or choose another port with --port. To use that server, with the folders "
                    f"of this call, set PREFECT_API_URL={api}."
                )
            connect(quiet=False)
        else:
            server = stack.enter_context(_start_server(api))
            processes.append(server)
            _end_runs()
            stack.callback(_end_runs)
        register()
        worker = ["--pool", POOL, "--type", "process", "--name", f"{POOL}-{os.getpid()}"]
        processes.append(
            stack.enter_context(_process([sys.executable, "-m", "matinee.cli", "worker", *worker]))
        )
        yield api.removesuffix("/api"), processes


def _register(port: int, *, drop: Path, store: Path) -> None:
    """Wait for a server that another program starts, and register the deployments and alerts.

    Raises ConfigError if it does not answer.
    """
    api, _ = _find_api(port)
    deadline = time.monotonic() + _START_SECONDS
    while fault := find_fault(api, authorization=authorization_for(api)):
        if time.monotonic() > deadline:
            raise ConfigError(fault)
        time.sleep(0.5)
    use(api, password_for(api))
    register()
    _start_inbox_watcher(drop, store)


def _find_api(port: int) -> tuple[str, bool]:
    """The address of the API, and whether the environment or Prefect's settings have it; else it is on the port."""
    if webhook := os.environ.get(WEBHOOK):
        parse_address(webhook, name=WEBHOOK)
    configured = find_address(quiet=False)
    api = configured or f"http://127.0.0.1:{port}/api"
    use(api, None)
    return api, configured is not None


@contextlib.contextmanager
def _start_server(api: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a server with a password, and set the password in this process."""
    password = _given_password() or keep_password(password_file())
    secret = {"PREFECT_SERVER_API_AUTH_STRING": password}
    with _process([sys.executable, "-m", "matinee.cli", "server", *_address(api)], secret) as server:
        import_prefect()  # takes seconds, as the start of the server does
        wait_until_healthy(api, server)
        _check_owner(api)
        use(api, password)
        yield server


def _given_password() -> str:
    """The password that the environment or the profile sets; empty if none. Prefect reads it itself."""
    return setting("PREFECT_SERVER_API_AUTH_STRING") or setting("PREFECT_API_AUTH_STRING")


def _is_kept(password: str) -> bool:
    """Whether the file holds this password."""
    return bool(password) and password_file().exists() and password == read_password(password_file())


def _check_owner(api: str) -> None:
    """Raise ConfigError if another user's program has the port, because a worker runs what its server says."""
    if is_here(api) and not owners_of(urlsplit(api).port or 80) <= {os.geteuid(), 0}:
        raise ConfigError(
            f"A program of another user answers at {api}, and your worker would run its commands. Choose another port "
            "(--port or PREFECT_API_URL), or start the worker as that user."
        )


def _start_inbox_watcher(drop: Path, store: Path) -> "InboxWatcher":
    """Create the drop folder of this machine, and the watcher that starts a nightly run when a file arrives."""
    from matinee.ops.inbox_watcher import InboxWatcher, set_folders  # noqa: PLC0415 - imports Prefect, which reads the environment

    if not names_remote(drop):
        drop.mkdir(parents=True, exist_ok=True)
    set_folders(drop=place_text(drop), store=place_text(store))
    return InboxWatcher(ROOT)


def _address(api: str) -> list[str]:
    """The options of the server's address, which only this machine can reach."""
    parts = urlsplit(api)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.path != "/api" or parts.scheme != "http":
        raise ConfigError(
            f"The Prefect server at {api} does not answer. Check PREFECT_API_URL and the Prefect profile, or unset "
            "both to start a server here."
        )
    return ["--host", "127.0.0.1", "--port", str(parts.port or PORT)]


def wait_until_healthy(
    api: str, server: "subprocess.Popen[bytes]", *, advice: str = _PORT_OR_DATABASE
) -> None:
    """Wait until a new server answers.

    Args:
        api: The address of its API.
        server: Its process.
        advice: What to do if it does not start.

    Raises:
        ConfigError: The server ended, or takes longer than a first start.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not is_healthy(api):
        if server.poll() is not None or time.monotonic() > deadline:
            raise ConfigError(f"The Prefect server did not start at {api}. {fault_of_database() or advice}")
        time.sleep(0.05)


def _end_runs() -> None:
    """Report runs as crashed whose worker has ended; otherwise they count as running and keep their slot."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter  # noqa: PLC0415
    from prefect.client.schemas.objects import State  # noqa: PLC0415
    from prefect.states import Crashed  # noqa: PLC0415

    alive = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}})
    pool = WorkPoolFilter.model_validate({"name": {"any_": [POOL]}})
    stopped: State[Any] = Crashed(message="The worker was stopped. Retry the run; finished steps are kept.")
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=alive, work_pool_filter=pool):
            client.set_flow_run_state(run.id, stopped, force=True)


@contextlib.contextmanager
def _process(command: list[str], secret: dict[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process in its own session, so that Ctrl-C does not reach it; at the end of the block it is stopped."""
    process = subprocess.Popen(  # nosec B603 # words of ours
        command, cwd=ROOT, env={**os.environ, **(secret or {})}, start_new_session=True
    )
    try:
        yield process
    finally:
        end_process(process)


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """Stop a process that has its own session, and its children; after a timeout they are killed."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stop(number: int, frame: FrameType | None) -> None:
    """Stop in order on the first signal; later signals are ignored."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
