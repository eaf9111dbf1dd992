"""A backup in an object store is kept like one in a folder, and is restored to a folder or to another prefix."""

import contextlib
import logging
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from backed_up import files, two_nights
from drill_registry import digest, publish_night
from object_store import Address, remote_at

from matinee.cli.main import main
from matinee.errors import ConfigError, StoreError
from matinee.maintenance import remote_backup
from matinee.maintenance.backup import back_up, restore
from matinee.maintenance.forget import forget
from matinee.maintenance.prune import prune
from matinee.registry import Registry
from matinee.release import verify
from matinee.store import Store
from matinee.store.documents import LOG
from matinee.store.remote import Remote, local_store, remote_of
from matinee.store.remote.address import parse_address
from matinee.store.remote.files import RemoteFiles
from matinee.store.remote.objects import Objects

pytestmark = pytest.mark.usefixtures("objects_in_memory")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two nights, with lists, titles, a search, and a run that was killed."""
    store = two_nights(tmp_path / "store")
    study = store.root / "tunings" / digest("search")
    study.mkdir(parents=True)
    with contextlib.closing(sqlite3.connect(study / "study.db")) as database:
        database.execute("create table trials (number integer)")
        database.commit()
    return store


def _is_restored(source: str | Path, store: Store, folder: Path) -> None:
    """Check that a copy, restored to a new folder, is the store, with the same entries in its log."""
    restore(Path(source), folder)
    ours, theirs = files(store.root), files(folder)
    for each in (
        ours,
        theirs,
    ):  # numbers of an object store are not in a pointer, and lines may be spaced otherwise
        each.pop(LOG)
        each.pop("champion.json")
    assert theirs == ours
    for ask in (Registry.champion, Registry.log, Registry.predecessor):
        assert ask(Registry(folder)) == ask(Registry(store.root))
    for version in Registry(folder).versions():
        verify(folder / "releases" / version)


def test_a_backup_in_a_bucket_follows_the_store_and_is_restored_anywhere(
    store: Store, remote: Address, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["backup", "--store", str(store.root), "--out", remote("first")]
    assert main(words) == 0
    assert f"copy      {remote('first')}" in capsys.readouterr().out
    assert main(["releases", "--store", remote("other"), "--verify"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["verified"] * 2
    again = back_up(store.root, Path(remote("first")))
    assert (again.folders, again.bytes, again.removed, again.champion) == (0, 0, 0, "v0002")
    _is_restored(remote("second"), store, tmp_path / "first")

    publish_night(store, "3", partition="new")
    shutil.rmtree(Registry(store.root).folder("v0001"))  # as prune does
    (store.root / "titles/movie_titles.csv").write_text("1,2003,Other\n")
    (store.root / "recommendations/v0002.parquet").unlink()
    manifest = Registry(store.root).folder("v0002") / "manifest.json"
    manifest.write_text(manifest.read_text().replace("{", '{"forgotten": 1, ', 1))  # as `forget` does
    third = back_up(store.root, Path(remote("third")))  # from a host that has not seen it
    assert (third.releases, third.champion, third.removed, third.damaged) == (
        ["v0002", "v0003"],
        "v0003",
        2,
        [],
    )
    _is_restored(remote("second"), store, tmp_path / "second")

    other = f"{remote('first')}-moved"
    assert main(["restore", "--from", remote("first"), "--store", other]) == 0  # from bucket to bucket
    assert main(["backup", "--store", other, "--out", f"{remote('first')}-kept"]) == 0
    _is_restored(f"{remote('fourth')}-kept", store, tmp_path / "third")


def test_what_is_damaged_in_the_store_or_in_the_bucket_is_found(
    store: Store, remote: Address, caplog: pytest.LogCaptureFixture
) -> None:
    back_up(store.root, Path(remote("first")))
    there = remote_at(remote("first"))
    weights = [
        each.key for each in there.objects.list("releases/v0001/") if each.key.endswith("weights.safetensors")
    ]
    there.objects.delete(weights)
    assert back_up(store.root, Path(remote("first"))).folders == 1
    assert verify(Registry.open(Path(remote("second"))).folder("v0001")).version == "v0001"

    publish_night(store, "3", partition="old")
    (Registry(store.root).folder("v0003") / "weights.safetensors").write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        done = back_up(store.root, Path(remote("first")))
    assert (done.champion, done.damaged) == ("v0002", ["v0003", LOG])
    assert "v0003 is damaged and was not copied" in caplog.text


def test_a_backup_with_a_damaged_object_is_restored_without_that_folder(
    store: Store,
    remote: Address,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    back_up(store.root, Path(remote("first")))
    there = remote_at(remote("first")).objects
    [key] = [each.key for each in there.list("releases/v0001/") if each.key.endswith("weights.safetensors")]
    found = there.get(key)
    assert found is not None
    there.put(key, found.data[:-1] + bytes([found.data[-1] ^ 255]))
    with caplog.at_level(logging.WARNING):
        done = restore(Path(remote("second")), tmp_path / "folder")
    assert (done.releases, done.champion, done.damaged) == (["v0002"], "v0002", ["v0001"])
    assert "releases/v0001 is missing or was changed" in caplog.text
    ours, theirs = files(store.root), files(tmp_path / "folder")
    assert {name for name in ours if "v0001/" not in name} == theirs.keys()
    moved = restore(Path(remote("second")), Path(f"{remote('second')}-moved"))
    assert (moved.releases, moved.champion, moved.damaged) == (["v0002"], "v0002", ["v0001"])

    download = Objects.download

    def failing(self: Objects, key: str, path: Path) -> bool:
        if key.startswith("releases/"):
            raise StoreError("no network")
        return download(self, key, path)

    monkeypatch.setattr(Objects, "download", failing)
    with pytest.raises(StoreError, match="no network"):
        restore(Path(remote("third")), tmp_path / "other")


@pytest.mark.parametrize("replaces", [False, True])
def test_a_folder_that_arrives_differently_is_an_error_and_is_uploaded_again(
    store: Store, remote: Address, monkeypatch: pytest.MonkeyPatch, *, replaces: bool
) -> None:
    upload = Objects.upload
    if replaces:
        back_up(store.root, Path(remote("first")))
        manifest = Registry(store.root).folder("v0002") / "manifest.json"
        manifest.write_text(manifest.read_text().replace("{", '{"forgotten": 1, ', 1))  # as `forget` does

    def torn(self: Objects, key: str, path: Path) -> str | None:
        if key.startswith("releases/v0002/") and key.endswith("weights.safetensors"):
            data = path.read_bytes()
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 255]))
        return upload(self, key, path)

    with monkeypatch.context() as patch:
        patch.setattr(Objects, "upload", torn)
        with pytest.raises(StoreError, match=r"releases/v0002 differs from what was written. Run the same"):
            back_up(store.root, Path(remote("first")))
    there = remote_of(local_store(remote("first")))
    assert there is not None
    assert there.folders.has("releases", "v0002") == replaces, "the earlier copy stays"
    assert back_up(store.root, Path(remote("first"))).folders == 1
    assert verify(Registry.open(Path(remote("second"))).folder("v0002")).version == "v0002"


def test_an_interrupted_backup_leaves_the_last_one_and_is_continued(
    store: Store, remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(store.root, Path(remote("first")))
    publish_night(store, "3", partition="new")
    with monkeypatch.context() as patch:
        patch.setattr(remote_backup, "add_entries", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            back_up(store.root, Path(remote("first")))
    assert Registry.open(Path(remote("second"))).champion() == "v0002"
    done = back_up(store.root, Path(remote("first")))
    assert (done.folders, done.champion) == (0, "v0003")


def test_a_file_whose_upload_failed_is_uploaded_by_the_next_backup(
    store: Store, remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget(store.root, 777)
    back_up(store.root, Path(remote("first")))
    forget(store.root, 778)
    (store.root / "titles/movie_titles.csv").write_text("1,2003,Changed\n")
    push = RemoteFiles.push
    for name in ("forgotten.json", "titles/movie_titles.csv"):

        def failing(self: RemoteFiles, pushed: str, *, name: str = name, reads_back: bool) -> bool:
            if pushed == name:
                raise StoreError("no network")
            return push(self, pushed, reads_back=reads_back)

        with monkeypatch.context() as patch, pytest.raises(StoreError, match="no network"):
            patch.setattr(RemoteFiles, "push", failing)
            back_up(store.root, Path(remote("first")))
    back_up(store.root, Path(remote("first")))
    for name in ("forgotten.json", "titles/movie_titles.csv"):
        found = remote_at(remote("first")).objects.get(f"files/{name}")
        assert found is not None
        assert found.data == (store.root / name).read_bytes()


def test_only_a_backup_of_the_same_store_is_written_to(store: Store, remote: Address, tmp_path: Path) -> None:
    inner = Path(f"{remote('first')}/inner")
    with pytest.raises(ConfigError, match="must not contain each other"):
        back_up(Store.open(Path(remote("first"))).root, inner)
    publish_night(Store.open(Path(remote("first"))), "1", partition="old")
    before = remote_at(remote("first")).objects.list("")
    with pytest.raises(ConfigError, match="is a store and not a backup"):
        back_up(store.root, Path(remote("first")))
    kept = Path(f"{remote('first')}-kept")
    back_up(store.root, kept)
    time.sleep(1)  # of the same second, both would have the same log
    with pytest.raises(ConfigError, match="the store is another one or an older copy"):
        back_up(two_nights(tmp_path / "other").root, kept)
    with Store.open(kept).in_use(), pytest.raises(StoreError, match="A run is using"):
        back_up(store.root, kept)
    assert {each.key for each in before} <= {each.key for each in remote_at(remote("first")).objects.list("")}


def test_a_backup_in_a_bucket_can_be_pruned_and_keeps_its_searches(store: Store, remote: Address) -> None:
    back_up(store.root, Path(remote("first")))
    publish_night(store, "3", partition="new")
    back_up(store.root, Path(remote("first")))
    prune(Path(remote("second")), keep=1)
    assert f"tunings/{digest('search')}/study.db" in remote_at(remote("second")).files.names()


@pytest.mark.parametrize(
    "upkeep",
    [lambda place: prune(place, keep=1), lambda place: forget(place, 12345)],
    ids=["prune", "forget"],
)
def test_a_backup_in_which_was_pruned_or_forgotten_goes_on(
    store: Store, remote: Address, tmp_path: Path, upkeep: Callable[[Path], object]
) -> None:
    publish_night(store, "3", partition="new")
    back_up(store.root, Path(remote("first")))
    time.sleep(1)  # a log counts seconds, and prune keeps what was the champion in this one
    upkeep(Path(remote("first")))
    there = Registry.open(Path(remote("first")))
    added = [entry for entry in there.log() if entry.action in ("prune", "forget")]
    assert added
    if added[0].action == "forget":
        with pytest.raises(ConfigError, match=r"has erased users who are not on .* remove forgotten.json"):
            back_up(store.root, Path(remote("first")))
        forget(store.root, 12345)
        remote_at(remote("first")).files.remove("forgotten.json")
    publish_night(store, "4", partition="new")
    for host, folders in (("first", None), ("second", 0)):
        done = back_up(store.root, Path(remote(host)))
        assert (done.champion, done.releases) == ("v0004", Registry(store.root).versions())
        assert folders in (None, done.folders)
    ours, theirs = Registry(store.root).log(), there.log()
    assert [entry for entry in theirs if entry not in added] == ours
    assert len(theirs) == len(ours) + len(added)
    with pytest.raises(ConfigError, match="the store is another one or an older copy"):
        back_up(two_nights(tmp_path / "other").root, Path(remote("first")))


def test_a_first_backup_that_was_interrupted_is_not_restored(
    store: Store, remote: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> set[str]:
        raise KeyboardInterrupt

    with pytest.raises(ConfigError, match="There is no backup of a store at s3:"):
        restore(Path(remote("first")), tmp_path / "early")
    for moment, said in (("log_of", "is empty: nothing was"), ("upload_files", "has not finished")):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(remote_backup, moment, fails)
            back_up(store.root, Path(remote("first")))
        with pytest.raises(StoreError, match=said):
            restore(Path(remote("first")), tmp_path / "early")
    cache = local_store(remote("first"))
    with pytest.raises(StoreError, match=r"The first backup to .* has not finished"):
        Remote(cache, Objects(parse_address(remote("first")))).open(create=False)  # as another process does
    with pytest.raises(ConfigError, match="has a backup that has not finished"):
        restore(store.root, Path(remote("first")))
    back_up(store.root, Path(remote("first")))
    _is_restored(remote("first"), store, tmp_path / "late")
