"""A backup is a store like the original, whatever happens while it is made."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from drill_registry import digest, publish_night

from matinee.cli.main import main
from matinee.errors import ConfigError, StoreError
from matinee.maintenance import backup
from matinee.maintenance.backup import back_up, restore
from matinee.registry import Registry
from matinee.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two nights, with lists, a title file and a run that was killed."""
    store = Store.open(tmp_path / "store")
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


def test_a_restored_backup_is_the_store(store: Store, tmp_path: Path) -> None:
    done = back_up(store.root, tmp_path / "copy")
    assert (done.champion, done.releases, done.damaged) == ("v0002", ["v0001", "v0002"], [])
    assert files(tmp_path / "copy") == files(store.root)
    shutil.rmtree(store.root)
    restore(tmp_path / "copy", store.root)
    assert files(store.root) == files(tmp_path / "copy")
    assert Registry(store.root).rollback() == "v0001"
    publish_night(store, "3", partition="old")
    assert Registry(store.root).champion() == "v0003"


def test_a_repeated_backup_copies_what_is_new_and_removes_what_is_gone(store: Store, tmp_path: Path) -> None:
    first = back_up(store.root, tmp_path / "copy")
    again = back_up(store.root, tmp_path / "copy")
    assert (again.folders, again.unchanged, again.bytes) == (0, first.folders, 0)
    publish_night(store, "3", partition="new")
    shutil.rmtree(Registry(store.root).folder("v0001"))  # as prune does
    (store.root / "titles/movie_titles.csv").unlink()
    third = back_up(store.root, tmp_path / "copy")
    assert third.releases == ["v0002", "v0003"]
    assert third.folders > 0
    assert third.removed == 2
    assert files(tmp_path / "copy") == files(store.root)


def test_a_rewritten_release_is_copied_again(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    manifest = Registry(store.root).folder("v0001") / "manifest.json"
    manifest.write_text(manifest.read_text().replace("{", '{"forgotten": 1, ', 1))  # as `forget` does
    assert back_up(store.root, tmp_path / "copy").folders == 1
    assert files(tmp_path / "copy") == files(store.root)


def test_a_damaged_folder_is_named_and_the_earlier_copy_stays(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    weights = Registry(store.root).folder("v0001") / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    manifest = weights.with_name("manifest.json")
    manifest.write_text(manifest.read_text() + " ")  # so that it is copied again
    assert main(["backup", "--store", str(store.root), "--out", str(tmp_path / "copy")]) == 1
    assert "DAMAGED   v0001" in capsys.readouterr().out
    assert files(tmp_path / "copy") == before


def test_an_interrupted_backup_is_whole_and_the_next_one_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(store.root, tmp_path / "copy")
    publish_night(store, "3", partition="new")
    with monkeypatch.context() as patch:
        patch.setattr(backup, "_copy_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            back_up(store.root, tmp_path / "copy")
    assert Registry(tmp_path / "copy").champion() == "v0002"
    assert back_up(store.root, tmp_path / "copy").folders == 0
    assert files(tmp_path / "copy") == files(store.root)


def test_a_champion_that_is_pruned_meanwhile_is_no_champion_of_the_copy(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, calls = backup._copy, []

    def during_prune(*arguments: object) -> backup.Copied:
        if not calls:
            publish_night(store, "3", partition="new")
            shutil.rmtree(Registry(store.root).folder("v0002"))
        calls.append(arguments)
        return copy(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backup, "_copy", during_prune)
    assert back_up(store.root, tmp_path / "copy").champion == "v0003"
    assert Registry(tmp_path / "copy").champion_folder().name == "v0003"
    assert len(calls) == 2


def test_other_folders_are_refused_and_stay_as_they_are(store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    for source, target in (
        (store.root, tmp_path / "mine"),
        (store.root, store.root / "copy"),
        (store.root, tmp_path),
        (tmp_path / "mine", tmp_path / "new"),
        (tmp_path / "absent", tmp_path / "new"),
    ):
        with pytest.raises(ConfigError):
            back_up(source, target)
    for source, target in ((store.root, tmp_path / "mine"), (tmp_path / "mine", tmp_path / "new")):
        with pytest.raises(ConfigError):
            restore(source, target)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(store.root, Store.open(tmp_path / "used").root)
    assert not (tmp_path / "new").exists()
    assert files(tmp_path / "mine") == {"letter.txt": b"dear"}


def test_two_backups_to_one_folder_do_not_mix(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    with Store(tmp_path / "copy").in_use(), pytest.raises(StoreError, match="A run is using"):
        back_up(store.root, tmp_path / "copy")


def test_a_folder_without_a_manifest_keeps_its_earlier_copy(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    (Registry(store.root).folder("v0001") / "manifest.json").unlink()
    assert back_up(store.root, tmp_path / "copy").damaged == ["v0001"]
    assert files(tmp_path / "copy") == before


def test_another_store_is_no_backup_and_stays(store: Store, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "other")
    publish_night(other, "1", partition="old")
    before = files(other.root)
    with pytest.raises(ConfigError, match="is a store and not a backup"):
        back_up(store.root, other.root)
    assert files(other.root) == before
