"""Promote, roll back, list. Each change of the pointer has a line in the log."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from calls import Answer
from small_release import publish_releases

import matinee
from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.maintenance.doctor import examine
from matinee.registry import Registry
from matinee.release import read_manifest, verify
from matinee.store import Store
from matinee.store.files import write_json


def test_two_rollbacks_go_two_steps_back_and_the_next_is_refused(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 3)
    assert (registry.rollback(), registry.rollback(), registry.champion()) == ("v0002", "v0001", "v0001")
    with pytest.raises(ConfigError, match=r"no release before v0001.*v0002"):
        registry.rollback()
    assert [entry.action for entry in registry.log()] == ["publish"] * 3 + ["rollback"] * 2
    assert [entry.before for entry in registry.log()] == [None, "v0001", "v0002", "v0003", "v0002"]


def test_a_rollback_to_a_later_release_can_be_rolled_back(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 3)
    assert (registry.rollback("v0002"), registry.rollback("v0003")) == ("v0002", "v0003")
    assert (registry.rollback(), registry.rollback()) == ("v0002", "v0001")


def test_a_rollback_after_a_lost_line_of_the_log_goes_to_the_champion_before(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 3)
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    registry.promote("v0001")
    assert (registry.predecessor(), registry.rollback()) == ("v0003", "v0003")


def test_a_champion_that_does_not_exist_is_listed_as_damaged(tmp_path: Path, answer_of: Answer) -> None:
    publish_releases(tmp_path, 2).folder("v0002").rename(tmp_path / "releases" / "v0002.partial")
    told = answer_of("releases", "--store", str(tmp_path), status=1)
    assert [(entry["version"], entry["champion"]) for entry in told] == [("v0001", False), ("v0002", True)]
    assert "names v0002, which does not exist" in told[1]["error"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_log_that_is_not_a_file_changes_nothing(tmp_path: Path, make: Callable[[Path], None]) -> None:
    registry = publish_releases(tmp_path, 2)
    (tmp_path / "log.jsonl").unlink()
    make(tmp_path / "log.jsonl")
    with pytest.raises(StoreError, match="not a plain file"):
        registry.promote("v0001")
    assert registry.champion() == "v0002"


def test_a_damaged_manifest_does_not_hide_other_releases(tmp_path: Path, answer_of: Answer) -> None:
    registry = publish_releases(tmp_path, 3)
    for version in ("v0001", "v0003"):
        manifest = registry.folder(version) / "manifest.json"
        whole = read_manifest(registry.folder(version))
        write_json(manifest, whole.model_copy(update={"created": "2026-01-01", "metrics": {"rmse": 0.9}}))
    (registry.folder("v0002") / "manifest.json").write_text("{")
    assert [manifest.version for manifest in registry.manifests()] == ["v0001", "v0003"]
    told = answer_of("releases", "--store", str(tmp_path), status=1)
    assert [entry.get("verified") for entry in told] == [None, False, None]
    assert "v0002" in next(check.said for check in examine(tmp_path) if check.name == "release")


def test_the_release_that_a_person_chose_is_the_anchor(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 2)
    registry.point_to("v0002", action="publish", reason="test", anchor="v0001")
    assert (registry.champion(), registry.anchor()) == ("v0002", "v0001")
    registry.promote("v0002")  # already the champion, and now also the anchor
    assert (registry.anchor(), registry.log()[-1].anchor) == ("v0002", "v0002")
    registry.rollback("v0001")
    assert registry.anchor() == "v0001"


def test_a_release_is_promoted_by_name_and_rolled_back(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 3)
    assert registry.promote("v0001") == "v0003"
    assert registry.rollback() == "v0003"
    assert registry.promote("v0003") == "v0003"
    assert len(registry.log()) == 5  # the last call changed nothing, so it logged nothing


def test_an_unknown_version_is_refused_by_name(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 2)
    with pytest.raises(ConfigError, match=r"'v0009'.*v0001, v0002"):
        registry.promote("v0009")
    with pytest.raises(ConfigError, match="no release ''"):
        registry.rollback("")


def test_a_damaged_release_is_not_promoted(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 2)
    (registry.folder("v0001") / "weights.safetensors").write_bytes(b"x")
    with pytest.raises(ReleaseError, match="was changed"):
        registry.rollback()
    assert registry.champion() == "v0002"


def test_a_missing_file_or_a_later_schema_is_a_release_error(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 1)
    folder = registry.folder("v0001")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ReleaseError, match=r"weights\.safetensors can't be read"):
        verify(folder)
    manifest = registry.manifests()[0]
    write_json(folder / "manifest.json", manifest.model_copy(update={"schema_version": 99}))
    with pytest.raises(ReleaseError, match="later Matinee"):
        verify(folder)


def test_a_version_is_never_used_twice(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 2)
    (registry.folder("v0002") / "manifest.json").unlink()
    assert registry.versions() == ["v0001"]
    assert registry.next_version() == "v0003"


def test_without_a_champion_the_error_names_the_next_command(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="matinee retrain"):
        Registry.open(tmp_path).champion_folder()
    with pytest.raises(ConfigError, match="no store"):
        Registry.open(tmp_path / "nowhere")


def test_the_error_of_a_damaged_pointer_names_its_release_and_promote_repairs_it(tmp_path: Path) -> None:
    registry = publish_releases(tmp_path, 2)
    for damage in ("", '{"version', "[]", "{}"):
        (tmp_path / "champion.json").write_text(damage)
        with pytest.raises(
            ReleaseError, match=r"champion\.json is damaged.*matinee promote --store .* v0002"
        ):
            registry.champion_folder()
    with pytest.raises(ConfigError, match="v0009"):
        registry.promote("v0009")
    with pytest.raises(ReleaseError, match="is damaged"):  # it is still reported, not treated as absent
        registry.champion()
    registry.promote("v0002")
    assert (registry.champion(), registry.predecessor()) == ("v0002", "v0001")


def test_releases_that_are_published_while_the_champion_is_looked_up_are_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, read_log = Registry.open(Store.open(tmp_path / "store").root), Registry.log

    def publish_before(registry: Registry) -> object:
        monkeypatch.undo()
        publish_releases(tmp_path / "store", 2)
        return read_log(registry)

    monkeypatch.setattr(Registry, "log", publish_before)
    assert registry.champion() == "v0002"


@pytest.mark.parametrize("closed", ["", "releases"])
def test_a_store_without_read_permission_is_not_reported_as_empty(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Store.open(tmp_path / "store").root
    (root / "releases" / "v0001").mkdir(parents=True)
    look = os.lstat

    def refuse(path: Path) -> os.stat_result:
        if Path(path).parent == root / closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return look(path)

    monkeypatch.setattr(os, "lstat", refuse)  # root, as in a container, can read every folder
    with pytest.raises(StoreError, match="can't be read: Permission denied"):
        Registry(root).versions()
    if not closed:
        for ask in (Registry(root).champion, lambda: Registry.open(root)):
            with pytest.raises(StoreError, match="can't be read: Permission denied"):
                ask()


def test_a_release_without_read_permission_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Store.open(tmp_path / "store").root
    (root / "releases" / "v0001").mkdir(parents=True)
    assert Registry(root).versions() == []

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "exists", refuse)
    assert Registry(root).versions() == ["v0001"]


def test_a_store_is_loaded_by_its_champion(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(ReleaseError, match="no champion yet"):
        matinee.load(store.root)
    publish_releases(tmp_path, 2).rollback()
    assert matinee.load(str(tmp_path)).version == "v0001"
