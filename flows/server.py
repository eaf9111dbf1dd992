"""Prefect's server, with three things mended that would end healthy runs or tell of trouble twice.

`python -m flows.server` takes the options of `prefect server start`. Seen with Prefect 3.8 and Python 3.11:

Garbage that holds a statement of SQLite has to wait, when it is collected, for what its connection does at that moment.
On the thread of the event loop, the whole server stood still until SQLite gave up its own waiting, after a minute;
heartbeats went unheard. So garbage is collected by a thread of its own.

Automations read an event's bucket and then write it in one deferred transaction, which SQLite refuses at once when
another writer came in between. The event was then tried again, and told a second time by alerts that had heard it, or
lost. So these transactions wait for their turn before they read.

After an outage the time that a heartbeat was due is over, while the runs that live are still about to send what they
have kept. So they are given time to do it.
"""

import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from prefect.server.database import provide_database_interface
from prefect.server.events import triggers
from prefect.server.events.schemas.automations import Posture

from flows.environment import HEARTBEAT_SECONDS
from flows.garbage import collect_apart

# A run sends what it has kept with its next heartbeat.
_REPRIEVE = timedelta(seconds=2 * HEARTBEAT_SECONDS)


def main() -> None:
    """Start the server and stay."""
    from prefect.cli import app  # noqa: PLC0415 - a second that a temporary server has no use for

    mend()
    sys.argv[:] = ["prefect", "server", "start", *sys.argv[1:]]
    app()


def mend() -> None:
    """Put the three things right in this process, before it makes the server."""
    collect_apart()
    triggers.automations_session = _session
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


if __name__ == "__main__":
    main()
