"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.environment import PREFECT_DEFAULTS


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ratings, which can't be part of the project; the test is skipped without it."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATINEE_REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set MATINEE_REAL_DATA to a folder that has it")
    return folder


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of sample data that trains in a second."""
    from matinee.sample import write_sample

    out = tmp_path_factory.mktemp("sample")
    write_sample(out, ratings=40_000, users=400, movies=150, seed=1)
    return out


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One Prefect server with a database of its own for the whole session."""
    os.environ.update(PREFECT_DEFAULTS)
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=120):
        yield
