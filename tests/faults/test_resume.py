"""The short form of the resume drill; `make drills` is the long one."""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load_drill() -> ModuleType:
    spec = importlib.util.spec_from_file_location("drill_resume", Path(__file__).with_name("drill_resume.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.usefixtures("prefect_server")
def test_a_killed_run_continues_to_the_same_bits(sample: Path, tmp_path: Path) -> None:
    from prefect.settings import get_current_settings

    environment = {**os.environ, "PREFECT_API_URL": str(get_current_settings().api.url)}
    told = _load_drill().drill(sample, tmp_path, rounds=2, seed=7, environment=environment)
    assert len(told) == 2
