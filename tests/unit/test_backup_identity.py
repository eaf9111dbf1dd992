"""A backup is only written by its own store: other stores and older copies are refused, or remove nothing."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from backed_up import two_nights
from drill_registry import digest, publish_night
from object_store import Address

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.backup import back_up, restore
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.files import write_json

pytestmark = pytest.mark.usefixtures("objects_in_memory")
Place = Callable[[str], Path]


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a backup goes."""
    if request.param == "folder":
        return tmp_path.joinpath
    remote: Address = request.getfixturevalue("remote")
    return lambda name: Path(f"{remote('first')}/{name}")


def _search(store: Store, name: str) -> None:
    folder = store.root / "tunings" / digest(name)
    folder.mkdir(parents=True)
    (folder / "study.json").write_text(name)


def _searches(backup: Path, into: Path) -> set[str]:
    """The searches of a backup, by its restoration."""
    restore(backup, into)
    return {path.name for path in (into / "tunings").iterdir()}


def test_a_backup_without_a_log_is_not_replaced_by_another_store(place: Place, tmp_path: Path) -> None:
    one, other = Store.open(tmp_path / "one"), Store.open(tmp_path / "other")
    _search(one, "first")
    _search(other, "second")
    back_up(one.root, place("copy"))
    for store in (other, two_nights(tmp_path / "third")):
        with pytest.raises(ConfigError, match=r"backup of another store|is another one or an older copy"):
            back_up(store.root, place("copy"))
    publish_night(one, "1", partition="old")
    assert back_up(one.root, place("copy")).champion == "v0001"
    assert _searches(place("copy"), tmp_path / "restored") == {digest("first")}


def test_a_lost_log_is_not_taken_for_another_store(place: Place, tmp_path: Path) -> None:
    one, other = two_nights(tmp_path / "one"), Store.open(tmp_path / "other")
    publish_night(other, "9", partition="elsewhere")  # a v0001 too
    for path in (one.root / "log.jsonl", one.root / "champion.json"):
        path.unlink()
    back_up(one.root, place("copy"))
    with pytest.raises(ConfigError, match="backup of another store"):
        back_up(other.root, place("copy"))
    assert back_up(one.root, place("copy")).unchanged > 0


def test_a_log_of_prunes_does_not_make_a_backup_anybodys(place: Place, tmp_path: Path) -> None:
    one = Store.open(tmp_path / "one")
    for name in ("first", "second"):
        _search(one, name)
    prune(one.root, keep=1)
    back_up(one.root, place("copy"))
    with pytest.raises(ConfigError, match="backup of another store"):
        back_up(two_nights(tmp_path / "other").root, place("copy"))


def test_a_restored_store_prunes_the_same_searches(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    for age, name in enumerate("dacb"):
        _search(store, name)
        os.utime(store.root / "tunings" / digest(name) / "study.json", (1000 - age, 1000 - age))
    back_up(store.root, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "restored")
    for root in (store.root, tmp_path / "restored"):
        prune(root, keep=2)
        assert {path.name for path in (root / "tunings").iterdir()} == {digest("d"), digest("a")}
    back_up(store.root, tmp_path / "copy")
    assert {path.name for path in (tmp_path / "copy/tunings").iterdir()} == {digest("d"), digest("a")}


def test_a_store_of_a_later_version_is_neither_read_nor_restored(tmp_path: Path) -> None:
    store = two_nights(tmp_path / "store")
    write_json(store.root / "matinee-store.json", {"kind": "matinee-store", "version": 9})
    for call in (lambda: restore(store.root, tmp_path / "new"), lambda: Registry.open(store.root)):
        with pytest.raises(StoreError, match="has format 9"):
            call()
    assert not (tmp_path / "new").exists()


def test_an_older_copy_removes_no_search_and_prune_does(place: Place, tmp_path: Path) -> None:
    store = two_nights(tmp_path / "store")
    _search(store, "first")
    shutil.copytree(store.root, tmp_path / "older")
    _search(store, "second")
    back_up(store.root, place("copy"))
    back_up(tmp_path / "older", place("copy"))
    assert _searches(place("copy"), tmp_path / "both") == {digest("first"), digest("second")}
    assert prune(store.root, keep=1).searches == 1
    (kept,) = (path.name for path in (store.root / "tunings").iterdir())
    back_up(store.root, place("copy"))
    assert _searches(place("copy"), tmp_path / "one") == {kept}


def test_a_log_is_the_same_in_another_form(tmp_path: Path) -> None:
    store = two_nights(tmp_path / "store")
    back_up(store.root, tmp_path / "copy")
    log = store.root / "log.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    log.write_text(
        "".join(json.dumps(dict(reversed(line.items())), separators=(",", ":")) + "\n" for line in lines)
    )
    assert back_up(store.root, tmp_path / "copy").damaged == []


def test_a_log_that_was_repaired_is_backed_up(place: Place, tmp_path: Path) -> None:
    store = two_nights(tmp_path / "store")
    publish_night(store, "3", partition="old")
    log = store.root / "log.jsonl"
    whole = log.read_text()
    first, second, third = whole.splitlines()
    log.write_text(f"{first}\n{second[:40]}\n{third}\n")
    back_up(store.root, place("copy"))
    log.write_text(whole)
    assert back_up(store.root, place("copy")).champion == "v0003"
    publish_night(store, "4", partition="old")
    assert back_up(store.root, place("copy")).champion == "v0004"
    restore(place("copy"), tmp_path / "restored")
    assert Registry(tmp_path / "restored").champion() == "v0004"
