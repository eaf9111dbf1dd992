"""A store of a group: in a setgid folder with umask 002, every member can publish, promote and prune."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ONE, OTHER, GROUP = 60001, 60002, 60100
MEMBER = """
import os, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from drill_registry import make_folder, publish_night
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.store import Store

def work(root, *steps):
    store = Store.open(root)
    registry = Registry.open(root)
    for step in steps:
        if step == "publish":
            publish_night(store, f"{os.getuid()}-{len(registry.log())}", partition="all")
        elif step == "rollback":
            registry.rollback()
        elif step == "promote":
            registry.promote(registry.versions()[-1])
        elif step == "prune":
            prune(root, keep=1)

# As root first, so that all is imported: Python itself may lie where only root can read it.
with tempfile.TemporaryDirectory() as scratch:
    work(Path(scratch) / "store", "publish", "publish", "rollback", "promote", "prune")
member, group = map(int, sys.argv[3:5])
os.setgroups([group])
os.setgid(member)
os.setuid(member)
os.umask(0o002)
work(Path(sys.argv[2]), *sys.argv[5:])
"""


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that the members of a group can reach. The folders of pytest are private."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "store").mkdir()
        os.chown(root / "store", -1, GROUP)
        (root / "store").chmod(0o2770)
        yield root / "store"


def _run(member: int, store: Path, *what: str) -> None:
    told = [str(Path(__file__).parents[1] / "faults"), str(store), str(member), str(GROUP), *what]
    done = subprocess.run([sys.executable, "-c", MEMBER, *told], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be two users")
def test_two_members_of_a_group_work_on_one_store(shared: Path) -> None:
    _run(ONE, shared, "publish", "publish", "publish")
    _run(OTHER, shared, "publish", "rollback", "promote", "prune")
    assert [(shared / name).stat().st_uid for name in ("log.jsonl", "champion.json")] == [ONE, OTHER]
    _run(ONE, shared, "rollback", "publish", "prune")
    for path in shared.rglob("*"):
        mode = path.stat().st_mode
        assert path.stat().st_gid == GROUP, path
        assert stat.S_IMODE(mode) == (0o2775 if stat.S_ISDIR(mode) else 0o664), path
