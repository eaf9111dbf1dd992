"""The short form of the gate drill; `make gate-drill` is the long one."""

import importlib.util
import sys
from pathlib import Path


def test_the_gate_keeps_its_promises() -> None:
    spec = importlib.util.spec_from_file_location("drill_gate", Path(__file__).with_name("drill_gate.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    size = module.Size(ratings=60_000, users=300, movies=200)
    checks = module.drill(size, sets=150, sequences=10, worse_list_noise=2.0)
    assert [check for check in checks if not check.kept] == []
