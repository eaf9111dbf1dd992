"""The short form of the gate drill; `make gate-drill` is the long one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from drill_gate import Size, drill


def test_the_gate_keeps_its_promises() -> None:
    size = Size(ratings=40_000, users=300, movies=150)
    checks = drill(size, sets=150, sequences=10, worse_list_noise=2.0)
    assert [check for check in checks if not check.kept] == []
