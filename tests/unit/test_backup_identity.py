"""A backup is only written by its own store: other stores and older copies are refused, or remove nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from backed_up import two_nights
from drill_registry import digest, publish_night

from matinee.errors import ConfigError
from matinee.maintenance.backup import back_up, restore
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.store import Store

Address = Callable[[str], str]
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
