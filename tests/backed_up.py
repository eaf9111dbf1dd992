"""A store to copy, and what a copy of it has."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "faults"))
from drill_registry import digest, publish_night

from matinee.store import Store


def two_nights(root: Path) -> Store:
    """A store of two nights, with lists, a title file and a run that was killed."""
    store = Store.open(root)
    for night in "12":
        publish_night(store, night, partition="old")
    for name in ("recommendations/v0002.parquet", "titles/movie_titles.csv"):
        (store.root / name).parent.mkdir()
        (store.root / name).write_text(name)
    (store.root / "splits" / f"{digest('killed')}.partial").mkdir(parents=True)
    return store


def files(root: Path) -> dict[str, bytes]:
    """All files of a store that a copy has."""
    found = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    return {name: data for name, data in found.items() if ".partial" not in name and name != "matinee-backup"}
