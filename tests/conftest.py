"""Fixtures that every test may use."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ratings, which can't be part of the project; the test is skipped without it."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MATINEE_REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; set MATINEE_REAL_DATA to a folder that has it")
    return folder
