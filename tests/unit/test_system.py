"""Calls that only Linux has: their replacements work, and no other module uses the calls."""

import ast
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
from running import wait_until

from matinee.store.locks import lock
from matinee.store.system import (
    adopt_orphans,
    available_cores,
    end_orphans,
    is_open_for_writing,
    sync_data,
)

CODE = Path(__file__).parents[2] / "src/matinee"
LINUX_ONLY = {"sched_getaffinity", "fdatasync", "prctl", "F_SETLEASE", "F_SETSIG", "flock"}
GUARDS = {"store/system.py", "store/locks.py"}


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulates a system without the calls of Linux."""
    monkeypatch.setattr("sys.platform", "darwin")
    for module, names in ((os, ("sched_getaffinity", "fdatasync")), (fcntl, ("F_SETLEASE", "F_SETSIG"))):
        for name in names:
            monkeypatch.delattr(module, name, raising=False)


@pytest.mark.usefixtures("elsewhere")
def test_everything_works_without_the_calls_of_linux(tmp_path: Path) -> None:
    assert available_cores() == os.cpu_count()
    with (tmp_path / "file").open("wb") as file:
        file.write(b"x")
        sync_data(file.fileno())
        assert not is_open_for_writing(tmp_path / "file")  # unknown
    adopt_orphans()


def test_orphans_are_not_ended_if_children_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matinee.store.system.Path.read_text", _absent)
    end_orphans()


@pytest.mark.parametrize("platform", [sys.platform, "darwin"])
def test_a_process_ends_with_its_parent(platform: str, tmp_path: Path) -> None:
    child = (
        "import os, sys, time\n"
        "from matinee.store.system import end_with_parent\n"
        f"sys.platform = {platform!r}; end_with_parent(int(sys.argv[1]))\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys, time; from pathlib import Path\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid())])\n"
        f"while not Path({str(tmp_path / 'pid')!r}).exists(): time.sleep(.05)"
    )
    subprocess.run([sys.executable, "-c", parent], check=True, timeout=30)
    process = int((tmp_path / "pid").read_text() or 0)
    wait_until(lambda: not _is_running(process), 10)


def test_a_lock_has_one_holder_or_several_that_share_it(tmp_path: Path) -> None:
    one, other = (os.open(tmp_path, os.O_RDONLY) for _ in range(2))
    try:
        assert lock(one, shared=True)
        assert lock(other, shared=True, wait=False)
        assert not lock(other, wait=False)
    finally:
        os.close(one)
        os.close(other)


def test_only_the_system_module_uses_calls_of_linux() -> None:
    used = {
        f"{path.relative_to(CODE)}: {node.attr}"
        for path in CODE.rglob("*.py")
        if str(path.relative_to(CODE)) not in GUARDS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in LINUX_ONLY
    }
    assert not used


def _absent(*_: object, **__: object) -> str:
    raise FileNotFoundError


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
