"""The short form of the registry's drill; `make drills` is the long one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import drill_registry

from matinee.store import Store


def test_two_publishers_a_pruner_and_a_reader_at_once(tmp_path: Path) -> None:
    drill_registry.run_round(tmp_path / "store", nights=15)


def test_after_thirty_nights_the_store_is_as_large_as_after_ten(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    sizes = drill_registry.run_nights(
        store.root,
        lambda night: drill_registry.publish_night(store, f"{night:03d}", partition="all"),
        nights=30,
        keep=7,
    )
    assert sizes[0] + 1000 < sizes[6]
    assert max(sizes[7:]) - min(sizes[7:]) < 100  # manifests tell seconds, in more digits or in fewer
    assert len(list((store.root / "releases").glob("v*"))) == 7
