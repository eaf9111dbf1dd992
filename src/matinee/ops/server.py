"""The Prefect server, protected against other users, with three patches for failures that were measured.

`matinee server` takes the options of `prefect server start`, except `--background`. It answers only to its own names
and pages (`matinee.ops.guard`). Its password is in PREFECT_SERVER_API_AUTH_STRING, or in the file that
MATINEE_AUTH_FILE names. Without a password it listens only on this machine.

The failures of Prefect 3.8 with Python 3.11, each with a test that shows it:

- Garbage may hold a statement of SQLite. Collecting it waits for the connection of the statement. On the thread of the
  event loop, this stopped the whole server for a minute, and heartbeats were lost. So a separate thread collects
  garbage.
- Automations read the bucket of an event and then write it in one deferred transaction. SQLite refuses the write if
  another process has written in between. The event was then lost, or an alert was sent twice. So these transactions
  take the write lock before they read.
- After an outage of the server, heartbeats are overdue, although runs are about to send them. The server ended these
  healthy runs. So runs get additional time after a start.
"""

import argparse
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import prefect
import sqlalchemy as sa
import uvicorn
from prefect.context import refresh_global_settings_context
from prefect.server.database import provide_database_interface
from prefect.server.events import triggers
from prefect.server.events.schemas.automations import Posture
from prefect.settings import get_current_settings

from matinee.errors import ConfigError
from matinee.ops.environment import HEARTBEAT_SECONDS
from matinee.ops.garbage import collect_apart
from matinee.ops.guard import App, Guard, origins_of
from matinee.ops.prefect_password import VARIABLE, password_file, read_password
from matinee.ops.prefect_server import is_here

# A run sends its stored events with its next heartbeat.
_REPRIEVE = timedelta(seconds=2 * HEARTBEAT_SECONDS)
_ADDRESS, _PORT, _ORIGINS = (
    "PREFECT_SERVER_API_HOST",
    "PREFECT_SERVER_API_PORT",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
)


def main(arguments: Sequence[str]) -> int:
    """Run the server until it is stopped; returns the exit status."""
    from prefect.cli import app  # noqa: PLC0415 - takes a second, and a temporary server does not need it

    prepare(list(arguments))
    os.umask(0o077)  # the database has the addresses of webhooks, and the key of their encryption
    patch_prefect()
    serve = uvicorn.run
    # Prefect calls `uvicorn.run` by the module, so that this replacement is called.
    setattr(uvicorn, "run", partial(_serve, serve))  # noqa: B010 - its type does not matter
    # On a terminal, Prefect would ask for the name of a profile before it starts.
    sys.argv[:] = ["prefect", "--no-prompt", "server", "start", *arguments]
    app()
    return 0


def prepare(arguments: list[str]) -> None:
    """Set the address, the allowed pages and the password of the server in the environment.

    Args:
        arguments: Options of `prefect server start`.

    Raises:
        ConfigError: An option is wrong, or the server would be open to others.
    """
    settings = get_current_settings().server
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default=settings.api.host)
    parser.add_argument("--port", default=str(settings.api.port))
    parser.add_argument("--background", "-b", action="store_true")
    call = parser.parse_known_args(arguments)[0]
    if call.background:
        raise ConfigError(
            "`--background` would start the server without its protection. Leave it out, and use systemd instead."
        )
    if not call.port.isdecimal() or not 0 < int(call.port) < 1 << 16:
        raise ConfigError("--port is not a port; expected a number from 1 to 65535.")
    os.environ[_ADDRESS], os.environ[_PORT] = call.host, call.port
    if settings.api.cors_allowed_origins == "*":
        os.environ[_ORIGINS] = ",".join(origins_of(call.host, int(call.port)))
    set_password(call.host)
    set_pages()
    refresh_global_settings_context()


def set_password(address: str) -> None:
    """Read the password from the file that MATINEE_AUTH_FILE names, if it is set.

    Raises ConfigError if the file can't be read, or if a server without a password is open to others.
    """
    if get_current_settings().server.api.auth_string:
        return
    if os.environ.get(VARIABLE):
        os.environ["PREFECT_SERVER_API_AUTH_STRING"] = read_password(password_file())
    elif not is_here(f"http://{f'[{address}]' if ':' in address else address}"):
        raise ConfigError(
            "A server that others can reach must ask for a password, because its users can run any command here. Set "
            f"{VARIABLE} to a file with one line NAME:PASSWORD, or listen on 127.0.0.1."
        )


def set_pages() -> None:
    """Write the pages of the UI to Prefect's home if the folder of its package is not writable."""
    settings = get_current_settings()
    if not settings.server.ui.static_directory:
        built = [Path(prefect.__ui_static_subpath__), Path(prefect.__ui_v2_static_subpath__)]
        if not all(os.access(path if path.exists() else path.parent, os.W_OK) for path in built):
            os.environ["PREFECT_UI_STATIC_DIRECTORY"] = str(settings.home / "ui")


def _serve(run: Callable[..., None], app: App | str, **options: Any) -> None:
    """Run uvicorn with the guard around the server; each of several processes creates its own guard."""
    if isinstance(app, str):
        run("matinee.ops.server:make_guarded", **{**options, "factory": True})
    else:
        run(guard(app), **options)


def make_guarded() -> App:
    """The server of one process, if there are several."""
    from prefect.server.api.server import create_app  # noqa: PLC0415

    patch_prefect()
    return guard(create_app())


def guard(app: App) -> App:
    """The server behind its guard, with the names and pages of Prefect's settings."""
    api = get_current_settings().server.api
    return Guard(app, address=api.host, port=api.port, origins=api.cors_allowed_origins.split(","))


def patch_prefect() -> None:
    """Apply the three patches in this process. Call it before the server is created."""
    collect_apart()
    setattr(triggers, "automations_session", _session)  # noqa: B010 - a name that is not exported
    triggers.evaluate_proactive_triggers = _Evaluation(triggers.evaluate_proactive_triggers)


@asynccontextmanager
async def _session(begin_transaction: bool = False) -> AsyncGenerator[Any, None]:
    database = provide_database_interface()
    async with database.session_context(begin_transaction=begin_transaction, with_for_update=True) as session:
        yield session


class _Evaluation:
    """Prefect's search for overdue events; before the first search, events from before the start get more time."""

    def __init__(self, evaluate: Callable[[], Awaitable[None]]) -> None:
        self._evaluate = evaluate
        self._started = datetime.now(UTC)
        self._is_first = True

    async def __call__(self) -> None:
        if self._is_first and triggers.triggers:  # they are loaded shortly after the start
            await _reprieve(self._started)
            self._is_first = False
        if not self._is_first:
            await self._evaluate()


async def _reprieve(started: datetime) -> None:
    """Extend the time of events that were expected before the server started, unless they have arrived since."""
    proactive = [each.id for each in triggers.triggers.values() if each.posture == Posture.Proactive]
    until = datetime.now(UTC) + _REPRIEVE
    bucket = provide_database_interface().AutomationBucket
    waiting = bucket.trigger_id.in_(proactive), bucket.updated < started, bucket.end < until
    async with _session(begin_transaction=True) as session:
        await session.execute(sa.update(bucket).where(*waiting).values(end=until))
