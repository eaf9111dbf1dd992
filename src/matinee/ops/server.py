"""Prefect's server, closed to strangers, with three things mended that would end healthy runs or repeat alerts.

`matinee server` takes the options of `prefect server start`, except `--background`. It answers to its own names
and pages alone (`matinee.ops.guard`). It asks for the password in PREFECT_SERVER_API_AUTH_STRING, or in the file that
MATINEE_AUTH_FILE names; without either it listens on this machine alone.

Seen with Prefect 3.8 and Python 3.11:

Garbage that holds a statement of SQLite has to wait, when it is collected, for what its connection does at that moment.
On the thread of the event loop, the whole server stood still until SQLite gave up its own waiting, after a minute;
heartbeats went unheard. So garbage is collected by a thread of its own.

Automations read an event's bucket and then write it in one deferred transaction, which SQLite refuses at once when
another writer came in between. The event was then tried again, and told a second time by alerts that had heard it, or
lost. So these transactions wait for their turn before they read.

After an outage the time that a heartbeat was due is over, while the runs that live are still about to send what they
have kept. So they are given time to do it.
"""

import argparse
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
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

from matinee.errors import ConfigError, MatineeError
from matinee.ops.environment import HEARTBEAT_SECONDS
from matinee.ops.garbage import collect_apart
from matinee.ops.guard import App, Guard, origins_of
from matinee.ops.prefect_password import VARIABLE, password_file, read_password
from matinee.ops.prefect_server import is_here

# A run sends what it has kept with its next heartbeat.
_REPRIEVE = timedelta(seconds=2 * HEARTBEAT_SECONDS)
_ADDRESS, _PORT, _ORIGINS = (
    "PREFECT_SERVER_API_HOST",
    "PREFECT_SERVER_API_PORT",
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS",
)


def main(arguments: Sequence[str]) -> int:
    """Start the server and stay; returns the exit status where it does not start."""
    from prefect.cli import app  # noqa: PLC0415 - a second that a temporary server has no use for

    try:
        prepare(list(arguments))
    except MatineeError as error:
        print(f"matinee server: {error}", file=sys.stderr)
        return error.exit_status
    os.umask(0o077)  # its database holds the addresses of webhooks, and the key that they are encrypted with
    mend()
    serve = uvicorn.run
    # Prefect calls it by the module, which is the same one wherever it is imported.
    setattr(uvicorn, "run", lambda **call: serve(**_guarded(call)))  # noqa: B010 - a patch, of whatever type
    sys.argv[:] = ["prefect", "server", "start", *arguments]
    app()
    return 0


def prepare(arguments: list[str]) -> None:
    """Set where to listen, whose pages to answer and which password to ask for.

    Raises ConfigError where the server would be open to others.
    """
    settings = get_current_settings().server
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--host", default=settings.api.host)
    parser.add_argument("--port", default=str(settings.api.port))
    parser.add_argument("--background", "-b", action="store_true")
    call = parser.parse_known_args(arguments)[0]
    if call.background:
        raise ConfigError(
            "`--background` would start a server that is not guarded. Leave it out; systemd can do that."
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
    """Read the password from its file, if one is named.

    Raises ConfigError where it can't be read, or where there is none and others could ask the server.
    """
    if get_current_settings().server.api.auth_string:
        return
    if os.environ.get(VARIABLE):
        os.environ["PREFECT_SERVER_API_AUTH_STRING"] = read_password(password_file())
    elif not is_here(f"http://{f'[{address}]' if ':' in address else address}"):
        raise ConfigError(
            "A server that others can reach must ask for a password: who can ask it can run any command here. Name a "
            f"file with one line NAME:PASSWORD in {VARIABLE}, or listen on 127.0.0.1."
        )


def set_pages() -> None:
    """Keep the pages of the UI, which are written once, in Prefect's home where its package can't be written."""
    settings = get_current_settings()
    if not settings.server.ui.static_directory:
        built = [Path(prefect.__ui_static_subpath__), Path(prefect.__ui_v2_static_subpath__)]
        if not all(os.access(path if path.exists() else path.parent, os.W_OK) for path in built):
            os.environ["PREFECT_UI_STATIC_DIRECTORY"] = str(settings.home / "ui")


def _guarded(call: dict[str, Any]) -> dict[str, Any]:
    """What uvicorn is called with, the guard around it; each of several processes makes its own."""
    if isinstance(call["app"], str):
        return {**call, "app": "matinee.ops.server:make_guarded", "factory": True}
    return {**call, "app": guard(call["app"])}


def make_guarded() -> App:
    """The server of one of several processes."""
    from prefect.server.api.server import create_app  # noqa: PLC0415

    mend()
    return guard(create_app())


def guard(app: App) -> App:
    """The server behind its guard, whose names and pages the settings tell."""
    api = get_current_settings().server.api
    return Guard(app, address=api.host, port=api.port, origins=api.cors_allowed_origins.split(","))


def mend() -> None:
    """Put the three things right in this process, before it makes the server."""
    collect_apart()
    setattr(triggers, "automations_session", _session)  # noqa: B010 - a name that is not exported
    triggers.evaluate_proactive_triggers = _Evaluation(triggers.evaluate_proactive_triggers)


@asynccontextmanager
async def _session(begin_transaction: bool = False) -> AsyncGenerator[Any, None]:
    database = provide_database_interface()
    async with database.session_context(begin_transaction=begin_transaction, with_for_update=True) as session:
        yield session


class _Evaluation:
    """Prefect's look at what is overdue; before the first one, what became so before the server started is put off."""

    def __init__(self, evaluate: Callable[[], Awaitable[None]]) -> None:
        self._evaluate = evaluate
        self._started = datetime.now(UTC)
        self._is_first = True

    async def __call__(self) -> None:
        if self._is_first and triggers.triggers:  # filled a moment after the start
            await _reprieve(self._started)
            self._is_first = False
        if not self._is_first:
            await self._evaluate()


async def _reprieve(started: datetime) -> None:
    """Put off what was being waited for before the server started, and nothing that it has heard of since."""
    proactive = [each.id for each in triggers.triggers.values() if each.posture == Posture.Proactive]
    until = datetime.now(UTC) + _REPRIEVE
    bucket = provide_database_interface().AutomationBucket
    waiting = bucket.trigger_id.in_(proactive), bucket.updated < started, bucket.end < until
    async with _session(begin_transaction=True) as session:
        await session.execute(sa.update(bucket).where(*waiting).values(end=until))
