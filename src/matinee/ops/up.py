"""Everything that scheduled runs need, on one workstation: a Prefect server, the deployments and a worker.

`matinee up` starts them and stays; Ctrl-C takes all of it down. A server that the Prefect profile or
PREFECT_API_URL names and that answers is used as it is. One that is started here asks for a password; it is kept in a
file of Prefect's home and handed on in the environment of what is started.
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

from matinee.errors import ConfigError, MatineeError
from matinee.ops.connection import answering, connect, find_address, use
from matinee.ops.environment import POOL, WEBHOOK
from matinee.ops.folders import check_folders, path
from matinee.ops.prefect_password import (
    authorization_for,
    keep_password,
    owners_of,
    password_file,
    password_for,
    read_password,
)
from matinee.ops.prefect_server import find_fault, is_healthy, is_here, parse_address, setting
from matinee.store.system import adopt_orphans, end_orphans

if TYPE_CHECKING:
    from matinee.ops.inbox_watcher import InboxWatcher

ROOT = Path(__file__).resolve().parents[3]
_START_SECONDS = 120.0  # the first start ever makes the database
_STOP_SECONDS = 20.0  # longer than a worker needs to end its runs and to say so to the server


def build_parser() -> argparse.ArgumentParser:
    """The options of this verb."""
    parser = argparse.ArgumentParser(prog="matinee up", description=__doc__)
    parser.add_argument("--port", type=int, default=4200, help="of the server that is started here (4200)")
    parser.add_argument(
        "--drop", type=path, default=ROOT / "drop", help="the folder that ratings are put into (drop)"
    )
    parser.add_argument(
        "--store", type=path, default=ROOT / "store", help="where the nightly runs keep everything (store)"
    )
    parser.add_argument(
        "--deploy", action="store_true", help="register all with a server that is there, and end"
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
                print(f"\nThe UI asks for a password once: it is the line in {password_file()}")
            print(f"\nThe UI is at {url}, Ctrl-C stops it all.", flush=True)
            while all(process.poll() is None for process in processes):
                watcher.look()
                time.sleep(0.5)
            raise ConfigError("The server or the worker has ended by itself; what it said is above.")
    except MatineeError as error:
        print(f"matinee up: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # nobody may be left to read it
            print("All stopped.", flush=True)
        return 0


@contextlib.contextmanager
def running(port: int) -> Iterator[tuple[str, list["subprocess.Popen[bytes]"]]]:
    """The UI's address and the processes that keep it alive, for as long as the block runs.

    Raises ConfigError when the server does not start or the deployments are refused.
    """
    api = _find_api(port)
    with contextlib.ExitStack() as stack:
        processes = []
        adopt_orphans()
        stack.callback(end_orphans)
        if is_healthy(api):
            _check_owner(api)
            connect(quiet=False)
        else:
            server = stack.enter_context(_start_server(api))
            processes.append(server)
            _end_runs()
            stack.callback(_end_runs)
        _deploy()
        _apply_alerts()
        worker = ["--pool", POOL, "--type", "process", "--name", f"{POOL}-{os.getpid()}"]
        processes.append(
            stack.enter_context(_process([sys.executable, "-m", "matinee.cli", "worker", *worker]))
        )
        yield api.removesuffix("/api"), processes


def _register(port: int, *, drop: Path, store: Path) -> None:
    """Wait for a server that somebody else starts, and tell it the deployments and alerts.

    Raises ConfigError when it does not answer.
    """
    api = _find_api(port)
    deadline = time.monotonic() + _START_SECONDS
    while fault := find_fault(api, authorization=authorization_for(api)):
        if time.monotonic() > deadline:
            raise ConfigError(fault)
        time.sleep(0.5)
    use(api, password_for(api))
    _deploy()
    _apply_alerts()
    _start_inbox_watcher(drop, store)


def _find_api(port: int) -> str:
    """The API's address: what the environment or Prefect's settings name, or that of a server on the port."""
    if webhook := os.environ.get(WEBHOOK):
        parse_address(webhook, name=WEBHOOK)
    api = find_address(quiet=False) or f"http://127.0.0.1:{port}/api"
    use(api, None)
    return api


@contextlib.contextmanager
def _start_server(api: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A server that asks for a password, and this process knows it."""
    password = _given_password() or keep_password(password_file())
    secret = {"PREFECT_SERVER_API_AUTH_STRING": password}
    with _process([sys.executable, "-m", "matinee.cli", "server", *_address(api)], secret) as server:
        wait_until_healthy(api, server)
        _check_owner(api)
        use(api, password)
        yield server


def _given_password() -> str:
    """The password that the environment or the profile sets, or nothing; Prefect takes it by itself."""
    return setting("PREFECT_SERVER_API_AUTH_STRING") or setting("PREFECT_API_AUTH_STRING")


def _is_kept(password: str) -> bool:
    """Whether a password is what the file holds."""
    return bool(password) and password_file().exists() and password == read_password(password_file())


def _check_owner(api: str) -> None:
    """A worker runs what its server says: it is given to no server of another user who merely has the port.

    Raises ConfigError.
    """
    if is_here(api) and not owners_of(urlsplit(api).port or 80) <= {os.geteuid(), 0}:
        raise ConfigError(
            f"Another user's program answers at {api}, and a worker of yours would run what it says. Take another "
            "port (--port, or PREFECT_API_URL), or start the worker as that user."
        )


def _start_inbox_watcher(drop: Path, store: Path) -> "InboxWatcher":
    """What starts a nightly run when a file has come into the folder, which is made."""
    from matinee.ops.inbox_watcher import InboxWatcher, set_folders  # noqa: PLC0415 - imports Prefect, which reads the environment

    drop.mkdir(parents=True, exist_ok=True)
    set_folders(drop=drop.absolute(), store=store.absolute())
    return InboxWatcher(ROOT)


def _address(api: str) -> list[str]:
    """Where the server has to listen: only this machine may ask it."""
    parts = urlsplit(api)
    if parts.hostname not in ("127.0.0.1", "localhost") or parts.path != "/api" or parts.scheme != "http":
        raise ConfigError(
            f"The Prefect server at {api} does not answer. Check PREFECT_API_URL and the Prefect profile, or unset "
            "both to start a server here."
        )
    return ["--host", "127.0.0.1", "--port", str(parts.port or 4200)]


def wait_until_healthy(api: str, server: "subprocess.Popen[bytes]") -> None:
    """Wait until a server that was just started answers.

    Raises ConfigError when it ends, or takes longer than its first start may.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not is_healthy(api):
        if server.poll() is not None or time.monotonic() > deadline:
            raise ConfigError(
                f"The Prefect server did not come up at {api}. Another program on that port is the usual cause (set "
                "PREFECT_API_URL to http://127.0.0.1:PORT/api with a free one), or a database that it can't reach "
                "(PREFECT_SERVER_DATABASE_CONNECTION_URL). `matinee server` tells the cause."
            )
        time.sleep(0.25)


def _deploy() -> None:
    """Make or close the work pool, and register what prefect.yaml says."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415

    from matinee.ops.pool import settle_pool  # noqa: PLC0415

    with get_client(sync_client=True) as client:
        settle_pool(client)
    done = subprocess.run(  # nosec B603 # our interpreter, a list of words
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        raise ConfigError(f"`prefect deploy --all` failed: {done.stdout.decode(errors='replace')}")


def _apply_alerts() -> None:
    """End runs that fall silent; with a webhook in the environment, tell it of trouble."""
    from matinee.ops.alerts import apply  # noqa: PLC0415

    apply(webhook=os.environ.get(WEBHOOK))


def _end_runs() -> None:
    """Tell the server that runs whose worker is gone have ended: else they count as running, and hold their slot."""
    from prefect.client.orchestration import get_client  # noqa: PLC0415
    from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter  # noqa: PLC0415
    from prefect.client.schemas.objects import State  # noqa: PLC0415
    from prefect.states import Crashed  # noqa: PLC0415

    alive = FlowRunFilter.model_validate({"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}})
    pool = WorkPoolFilter.model_validate({"name": {"any_": [POOL]}})
    stopped: State[Any] = Crashed(message="Its worker was stopped. Retry it: what was finished is kept.")
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=alive, work_pool_filter=pool):
            client.set_flow_run_state(run.id, stopped, force=True)


@contextlib.contextmanager
def _process(command: list[str], secret: dict[str, str] | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A Prefect process in a group of its own: Ctrl-C reaches it through us, in order, with all that it has started."""
    process = subprocess.Popen(  # nosec B603 # words of ours
        command, cwd=ROOT, env={**os.environ, **(secret or {})}, start_new_session=True
    )
    try:
        yield process
    finally:
        end_process(process)


def end_process(process: "subprocess.Popen[bytes]") -> None:
    """End a process that has a session of its own, with all that it has started; killed when it takes too long."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _stop(number: int, frame: FrameType | None) -> None:
    """Turn the first signal into an orderly end; later ones must not interrupt it."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt
