"""Prefect's server, with two things mended that make it stand still, or forget, while its database is SQLite.

`python -m flows.server` takes the options of `prefect server start`. Seen with Prefect 3.8 and Python 3.11:

Garbage that holds a statement of SQLite has to wait, when it is collected, for what its connection does at that moment.
On the thread of the event loop, the whole server stood still until SQLite gave up its own waiting, after a minute;
heartbeats went unheard. So garbage is collected by a thread of its own.

Automations read an event's bucket and then write it in one deferred transaction, which SQLite refuses at once when
another writer came in between. The event was then tried again, and told a second time by alerts that had heard it, or
lost. So these transactions wait for their turn before they read.
"""

import gc
import sys
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from prefect.cli import app
from prefect.server.database import provide_database_interface
from prefect.server.events import triggers

_COLLECT_SECONDS = 1.0
_ALL = 60  # every so many rounds, the old objects as well


def main() -> None:
    """Start the server and stay."""
    collect_apart()
    triggers.automations_session = _session
    sys.argv[:] = ["prefect", "server", "start", *sys.argv[1:]]
    app()


def collect_apart() -> None:
    """Take the garbage collector off all threads but one that does nothing else."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    rounds = 0
    while True:
        time.sleep(_COLLECT_SECONDS)
        rounds += 1
        gc.collect(1 if rounds % _ALL else 2)


@asynccontextmanager
async def _session(begin_transaction: bool = False) -> AsyncGenerator[Any, None]:
    database = provide_database_interface()
    async with database.session_context(begin_transaction=begin_transaction, with_for_update=True) as session:
        yield session


if __name__ == "__main__":
    main()
