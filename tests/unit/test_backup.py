"""A backup is a store like the original, whatever happens while it is made."""

import contextlib
import errno
import shutil
import sqlite3
from pathlib import Path
from typing import Any, NoReturn

import pytest
from backed_up import files, two_nights
from drill_registry import digest, publish_night

from matinee.errors import ConfigError, StoreError
from matinee.maintenance import backup
from matinee.maintenance.backup import back_up, restore
from matinee.registry import Registry
from matinee.store import Store, identity, run_locks
from matinee.store.identity import check_usable, require_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two nights, with lists, a title file and a run that was killed."""
    return two_nights(tmp_path / "store")


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


def test_a_store_on_a_read_only_file_system_is_copied(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> NoReturn:
        raise StoreError("could not be written") from OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(run_locks, "in_use", refuse)
    back_up(store.root, tmp_path / "copy")
    assert files(tmp_path / "copy") == files(store.root)


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


def test_an_interrupted_backup_is_whole_and_the_next_one_goes_on(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(store.root, tmp_path / "copy")
    publish_night(store, "3", partition="new")
    with monkeypatch.context() as patch:
        patch.setattr(backup, "copy_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            back_up(store.root, tmp_path / "copy")
    assert Registry(tmp_path / "copy").champion() == "v0002"
    assert back_up(store.root, tmp_path / "copy").folders == 0
    assert files(tmp_path / "copy") == files(store.root)


@pytest.mark.parametrize("killed_at", ["copy_folders", "copy_files", "_remove_gone"])
def test_a_killed_restoration_is_no_store_until_the_next_one_has_finished_it(
    killed_at: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(store.root, tmp_path / "copy")
    restored = tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr(backup, killed_at, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path / "copy", restored)
    for use in (Registry.open, Store.open, check_usable, require_store):
        with pytest.raises(StoreError, match="has not finished"):
            use(restored)
    assert restore(tmp_path / "copy", restored).champion == "v0002"
    assert files(restored) == files(store.root)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(tmp_path / "copy", restored)


@pytest.mark.parametrize("killed_at", ["back", "restore"])
def test_a_copy_that_is_killed_before_its_first_file_is_continued(
    killed_at: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = {"back": back_up, "restore": restore}[killed_at]
    with monkeypatch.context() as patch:
        patch.setattr(identity, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            copy(store.root, tmp_path / "new")
    assert copy(store.root, tmp_path / "new").champion == "v0002"


def test_a_search_that_goes_on_is_copied_whole(store: Store, tmp_path: Path) -> None:
    path = store.root / "tunings" / digest("search") / "study.db"
    path.parent.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("create table trials (number integer)")
        database.executemany("insert into trials values (?)", [(number,) for number in range(5000)])
        database.commit()
        database.execute("update trials set number = -1")  # in a journal, which is not copied
        path.with_name("study.db-journal").touch()
        database.rollback()
        back_up(store.root, tmp_path / "copy")
    copy = tmp_path / "copy" / path.relative_to(store.root)
    assert [each.name for each in copy.parent.iterdir()] == ["study.db"]
    with contextlib.closing(sqlite3.connect(copy)) as database:
        assert database.execute("select count(*), min(number) from trials").fetchone() == (5000, 0)


@pytest.mark.parametrize("place", ["store/releases", "store/titles", "copy/splits", "copy/recommendations"])
def test_a_linked_folder_is_refused_on_either_side(place: str, store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("mine")
    shutil.rmtree(tmp_path / place, ignore_errors=True)
    (tmp_path / place).symlink_to(tmp_path / "mine")
    with pytest.raises(ConfigError, match=f"{place} is a symbolic link"):
        back_up(store.root, tmp_path / "copy")
    assert files(tmp_path / "mine") == {"thesis.txt": b"mine"}


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
    for copy in (back_up, restore):
        for target in (Path("/dev/null"), tmp_path / "mine/letter.txt", tmp_path / "mine/letter.txt/new"):
            with pytest.raises(ConfigError, match="is a file or a device"):
                copy(store.root, target)
    with pytest.raises(ConfigError, match="Choose an empty or new folder, or an earlier backup"):
        back_up(store.root, tmp_path / "mine")
    with pytest.raises(ConfigError, match="is not empty"):
        restore(store.root, Store.open(tmp_path / "used").root)
    assert not (tmp_path / "new").exists()
    assert files(tmp_path / "mine") == {"letter.txt": b"dear"}


def test_two_backups_to_one_folder_do_not_mix(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    with Store(tmp_path / "copy").in_use(), pytest.raises(StoreError, match="A run is using"):
        back_up(store.root, tmp_path / "copy")


def test_another_store_is_no_backup_and_stays(store: Store, tmp_path: Path) -> None:
    other = Store.open(tmp_path / "other")
    publish_night(other, "1", partition="old")
    before = files(other.root)
    with pytest.raises(ConfigError, match="is a store and not a backup"):
        back_up(store.root, other.root)
    assert files(other.root) == before


def test_a_backup_of_another_store_is_refused_and_stays(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    empty, other = Store.open(tmp_path / "empty"), two_nights(tmp_path / "other")
    for path in (other.root / "log.jsonl", *other.root.glob("releases/*/manifest.json")):
        path.write_text(path.read_text().replace("20", "19"))  # of another day
    for each in (empty, other):
        with pytest.raises(ConfigError, match="is the backup of another store"):
            back_up(each.root, tmp_path / "copy")
    assert files(tmp_path / "copy") == before


def test_an_interrupted_first_backup_is_not_restored(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(backup, "copy_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            back_up(store.root, tmp_path / "copy")
    for use in (Registry.open, Store.open, check_usable, lambda copy: restore(copy, tmp_path / "again")):
        with pytest.raises(StoreError, match=r"The first backup to .* has not finished"):
            use(tmp_path / "copy")
    assert not (tmp_path / "again").exists()
    back_up(store.root, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "again")
    assert files(tmp_path / "again") == files(store.root)


def test_a_copy_that_another_process_filled_first_stays(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two backups to one new folder, and two restorations: the second waits for the first, and then refuses."""
    other, ours = two_nights(tmp_path / "other"), tmp_path / "copy"
    publish_night(other, "3", partition="old")
    take, lock = backup.make_copy, backup.lock_folder

    def make_after_the_other(root: Path, mark: str) -> None:
        monkeypatch.setattr(backup, "make_copy", take)
        back_up(other.root, ours)
        take(root, mark)

    monkeypatch.setattr(backup, "make_copy", make_after_the_other)
    with pytest.raises(ConfigError, match=r"log.jsonl of the backup .* has lines that"):
        back_up(store.root, ours)
    assert files(ours).items() >= files(other.root).items()

    def lock_after_the_other(folder: Path) -> Any:
        monkeypatch.setattr(backup, "lock_folder", lock)
        restore(other.root, tmp_path / "new")
        return lock(folder)

    monkeypatch.setattr(backup, "lock_folder", lock_after_the_other)
    with pytest.raises(ConfigError, match="is not empty"):
        restore(store.root, tmp_path / "new")
    assert files(tmp_path / "new") == files(other.root)
