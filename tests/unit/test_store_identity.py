"""A marker identifies a store. A store of an earlier version is recognised by its files, not by folder names."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from matinee.errors import ConfigError
from matinee.formats.base import Manifest
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.store import Plan, Store
from matinee.store.identity import MARKER, is_store, require_store

DIGEST = "0123456789abcdef0123"
POINTER = {"version": "v0001", "since": "2026-01-01T00:00:00+00:00", "reason": "test"}
LINE = {"at": "2026-01-01T00:00:00+00:00", "action": "hold", "by": "me"}
Put = Callable[[Path, object], None]


def _put(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.mark.parametrize("there", ["absent", "empty", "lost+found"])
def test_an_empty_or_new_folder_becomes_a_store(tmp_path: Path, there: str) -> None:
    root = tmp_path / "store"
    if there != "absent":
        root.mkdir()
    if there == "lost+found":
        (root / there).mkdir()
    assert not is_store(root)
    Store.open(root)
    assert is_store(root)
    assert (root / MARKER).is_file()


_RECOGNISED = {
    "pointer": ("champion.json", POINTER),
    "log": ("log.jsonl", f"no JSON\n{json.dumps(LINE)}\n"),
    "folder": (f"splits/{DIGEST}/manifest.json", {"kind": "splits", "digest": DIGEST, "schema_version": 1}),
    "release": ("releases/v0001/manifest.json", {"version": "v0001", "schema_version": 1}),
}


@pytest.mark.parametrize("name", _RECOGNISED)
def test_a_store_of_an_earlier_version_is_recognised_and_marked(tmp_path: Path, name: str) -> None:
    file, value = _RECOGNISED[name]
    _put(tmp_path / file, value)
    _put(tmp_path / "notes.txt", "of the team")
    require_store(tmp_path)
    assert (tmp_path / MARKER).is_file()
    assert Store.open(tmp_path).root == tmp_path


_FOREIGN = {
    "folder names": ("work/mine/thesis.txt", "mine"),
    "digest name": (f"work/{DIGEST}/thesis.txt", "mine"),
    "manifest of another kind": (f"splits/{DIGEST}/manifest.json", {"kind": "datasets", "digest": DIGEST}),
    "manifest of another digest": (f"splits/{DIGEST}/manifest.json", {"kind": "splits", "digest": "0" * 20}),
    "manifest of a web page": ("releases/v0001/manifest.json", {"version": "2"}),
    "other champion": ("champion.json", {"version": "1.2", "team": "Ajax"}),
    "other log": ("log.jsonl", '{"level": "info"}\n[]\n'),
    "other marker": (MARKER, {"kind": "shop"}),
    "deep JSON": ("champion.json", "[" * 100_000),
}


@pytest.mark.parametrize("name", _FOREIGN)
def test_any_other_folder_is_refused_and_unchanged(tmp_path: Path, name: str) -> None:
    file, value = _FOREIGN[name]
    _put(tmp_path / file, value)
    before = sorted(tmp_path.rglob("*"))
    calls = [
        lambda: Store.open(tmp_path),
        lambda: prune(tmp_path, keep=1),
        lambda: Registry.open(tmp_path).rollback("v0001"),
        lambda: Store(tmp_path).ensure(
            Plan("datasets", DIGEST, lambda _: Manifest.model_validate({"rows": 1}))
        ),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match="not a Matinee store"):
            call()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_error_of_a_missing_store_does_not_suggest_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a Matinee store") as caught:
        prune(tmp_path, keep=1)
    assert "empty or new" not in str(caught.value)


def test_a_marker_that_is_a_link_is_ignored(tmp_path: Path) -> None:
    marker = Store.open(tmp_path / "store").root / MARKER
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / MARKER).symlink_to(marker)
    with pytest.raises(ConfigError, match="not a Matinee store"):
        Store.open(foreign)


def test_the_root_can_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    Store.open(tmp_path / "store")
    assert is_store(tmp_path / "disk")
