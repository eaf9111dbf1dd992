"""The short form of the registry's drill; `make drills` is the long one."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import drill_object_store
import drill_registry
from object_store import ObjectStore

from matinee.registry import Registry
from matinee.store import Store


def test_two_publishers_a_pruner_and_a_reader_run_at_once(tmp_path: Path) -> None:
    drill_registry.run_round(tmp_path / "store", nights=15)


def test_twenty_pruned_nights_leave_as_much_as_ten(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")

    def live(night: int) -> None:
        drill_registry.publish_night(store, f"{night:03d}", partition="all")
        drill_registry.hold_night(store, f"held-{night:03d}", partition="all")

    sizes = drill_registry.run_nights(store.root, live, nights=20, keep=7)
    assert sizes[0] + 1000 < sizes[6]
    assert max(sizes[7:]) - min(sizes[7:]) < 100  # manifests have seconds, with more digits or fewer
    assert len(list((store.root / "releases").glob("v*"))) == 7
    # Of the last seven decisions four were holds.
    assert [hold.reason for hold in Registry(store.root).held()] == [f"held-{n:03d}" for n in range(16, 20)]


def test_publishers_on_two_hosts_a_pruner_and_a_reader_share_a_bucket(
    object_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**object_store.environment, "MATINEE_CACHE": str(tmp_path / "check")}.items():
        monkeypatch.setenv(name, value)
    drill_object_store.run_round(object_store, tmp_path, nights=2, publishers=2, kills=0)
