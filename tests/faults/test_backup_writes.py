"""Changes of files by a backup and by a restoration fail: the last backup stays, and the next one continues."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backed_up import files, two_nights
from drill_registry import publish_night
from failing import FAULTS, Disk, Killed, failing

from matinee.errors import MatineeError, StoreError
from matinee.maintenance.backup import back_up, restore
from matinee.registry import Registry
from matinee.release import verify
from matinee.store import Store

Copy = Callable[[Path, Path], object]
EVERY = 37  # changes; at 1, all 3 x 2 rounds take minutes


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, a backup of it, and another night since then."""
    root = tmp_path_factory.mktemp("ground")
    store = two_nights(root / "store")
    back_up(store.root, root / "copy")
    publish_night(store, "3", partition="new")
    shutil.rmtree(Registry(store.root).folder("v0001"))
    return root


def _faults(target: Path, fault: str) -> Iterator[Disk]:
    """A disk for each place where a change fails, until a copy ends before that place. The target is removed."""
    at, whole = 0, False
    while not whole:
        at += EVERY
        shutil.rmtree(target, ignore_errors=True)
        disk = Disk(target, fault, at)
        yield disk
        whole = len(disk.changes) < at
    assert at > 2 * EVERY


def _fail(copy: Copy, ground: Path, target: Path, disk: Disk) -> bool:
    """Copy while a change fails; returns whether the copy has ended with an error of ours, or well."""
    try:
        with failing(disk):
            copy(ground / "store", target)
    except Killed:
        return False
    except MatineeError:
        pass
    return True


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backup_that_fails_anywhere_leaves_the_last_one_and_the_next_one_goes_on(
    fault: str, ground: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    for disk in _faults(target, fault):
        shutil.copytree(ground / "copy", target)
        ended = _fail(back_up, ground, target, disk)
        champion = Registry(target).champion_folder()
        assert champion.name in {"v0002", "v0003"}, disk.changes[-1]
        verify(champion)
        assert not (ended and list(target.rglob("*.partial"))), disk.changes[-1]
        back_up(ground / "store", target)
        assert files(target) == files(ground / "store"), disk.changes[-1]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_restoration_that_fails_anywhere_is_no_store_until_it_is_complete(
    fault: str, ground: Path, tmp_path: Path
) -> None:
    target = tmp_path / "new"
    for disk in _faults(target, fault):
        _fail(restore, ground, target, disk)
        if (target / "matinee-restore").exists():
            with pytest.raises(StoreError, match="has not finished"):
                Store.open(target)
        if not (target / "champion.json").exists() or (target / "matinee-restore").exists():
            restore(ground / "store", target)
        assert files(target) == files(ground / "store"), disk.changes[-1]
