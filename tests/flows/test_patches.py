"""The patches of Prefect: each test shows the failure without the patch, and that the patch prevents it."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from prefect.server.database import provide_database_interface
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.database.dependencies import temporary_database_config
from prefect.server.events.models.automations import automations_session

from matinee.ops import server

GARBAGE = """
import gc, sys, threading, time
from matinee.ops.garbage import collect_apart

class Cycle:
    threads = set()
    def __init__(self):
        self.me = self
    def __del__(self):
        Cycle.threads.add(threading.current_thread().name)

if "patched" in sys.argv:
    collect_apart()
deadline = time.monotonic() + 10
while not Cycle.threads and time.monotonic() < deadline:
    kept = [Cycle() for _ in range(1000)]
    time.sleep(.001)
print(*sorted(Cycle.threads))
"""


@pytest.mark.parametrize(("words", "thread"), [((), "MainThread"), (("patched",), "garbage")])
def test_garbage_is_collected_on_a_separate_thread(words: tuple[str, ...], thread: str) -> None:
    done = subprocess.run([sys.executable, "-c", GARBAGE, *words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [thread]


@pytest.fixture(autouse=True)
def database(tmp_path: Path) -> Iterator[None]:
    with temporary_database_config(AioSqliteConfiguration(f"sqlite+aiosqlite:///{tmp_path}/test.db")):
        yield


async def _read_and_write_while_another_writes(session_of: Any) -> None:
    """The database calls of an automation while another process writes."""
    interface = provide_database_interface()
    async with interface.session_context(begin_transaction=True) as session:
        await session.execute(sa.text("create table bucket (seen int)"))

    async def write() -> None:
        async with interface.session_context(begin_transaction=True, with_for_update=True) as other:
            await other.execute(sa.text("insert into bucket values (2)"))

    async with session_of(begin_transaction=True) as session:
        await session.execute(sa.text("select * from bucket"))
        writing = asyncio.create_task(write())
        await asyncio.wait([writing], timeout=0.5)
        await session.execute(sa.text("insert into bucket values (1)"))
    await writing


def test_an_automation_can_write_after_it_has_read() -> None:
    asyncio.run(_read_and_write_while_another_writes(server._session))


def test_without_the_patch_an_automation_cannot_write() -> None:
    with pytest.raises(sa.exc.OperationalError, match="locked"):
        asyncio.run(_read_and_write_while_another_writes(automations_session))
