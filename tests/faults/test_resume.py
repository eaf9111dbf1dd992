"""The short form of the resume drill; `make drills` is the long one."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from drill_resume import drill


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_killed_run_continues_to_the_same_bits(sample: Path, tmp_path: Path) -> None:
    from prefect.settings import get_current_settings

    environment = {**os.environ, "PREFECT_API_URL": str(get_current_settings().api.url)}
    told = drill(sample, tmp_path, rounds=2, seed=7, environment=environment)
    assert len(told) == 2
