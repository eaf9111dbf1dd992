"""The short form of the fault drills, without a worker and without root. `make drills` runs all of them."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import drill_faults


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_after_a_fault_the_next_run_ends_like_an_undisturbed_run(sample: Path, tmp_path: Path) -> None:
    from prefect.settings import get_current_settings

    environment = {**os.environ, "PREFECT_API_URL": str(get_current_settings().api.url)}
    stage = drill_faults.Stage.build(sample, tmp_path, environment, settings=("train.epochs=5",))
    faults = [drill_faults.corrupted_parquet, drill_faults.corrupted_pointer, drill_faults.at_once]
    assert len(list(drill_faults.drill(stage, faults))) == len(faults)
