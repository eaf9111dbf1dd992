"""An empty database of Prefect, made once for all test processes: Prefect's migrations take ten seconds."""

import asyncio
import fcntl
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def prefect_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Copies the database to a path. tests/flows/test_temporary.py starts a server that has none."""
    base = tmp_path_factory.getbasetemp()
    made = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "prefect.db"

    def copy(to: Path) -> Path:
        with made.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                with ThreadPoolExecutor() as pool:  # playwright runs a loop in this thread
                    pool.submit(_migrate, made.with_suffix(".new")).result().rename(made)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(made, to)
        return to

    return copy


def _migrate(path: Path) -> Path:
    from prefect.server.database.dependencies import provide_database_interface, temporary_database_interface
    from prefect.settings import PREFECT_SERVER_DATABASE_CONNECTION_URL, temporary_settings

    async def create() -> None:
        await provide_database_interface().create_db()

    address = f"sqlite+aiosqlite:///{path}"
    with (
        temporary_settings({PREFECT_SERVER_DATABASE_CONNECTION_URL: address}),
        temporary_database_interface(),
    ):
        asyncio.run(create())
    assert not path.with_name(f"{path.name}-wal").exists()  # all of it is in the file
    return path
