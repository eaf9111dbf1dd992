"""Damage in a store or in its backup never replaces what is right in the other, and a full disk leaves nothing."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from backed_up import files, two_nights
from drill_registry import digest, publish_night

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, ReleaseError, StoreError
from matinee.maintenance import copies, forget
from matinee.maintenance.backup import back_up, restore
from matinee.publish.bundle import Bundle
from matinee.registry import Registry
from matinee.store import Store
from matinee.store import files as files_module
from matinee.store.erased_users import Forgotten
from matinee.store.files import write_json

TUNED = {"at": "2026-01-01", "base": "0" * 20, "settings": {}, "study": "0" * 20}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two nights."""
    return two_nights(tmp_path / "store")


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


def test_a_copy_that_was_damaged_is_copied_again(store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    back_up(store.root, copy)
    for name in (
        "releases/v0001/users.parquet",
        f"partitions/{digest('old')}/data",
        "titles/movie_titles.csv",
    ):
        path = copy / name
        times = path.stat()
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    (copy / "releases/v0002/users.parquet").unlink()
    (copy / "releases/v0002/more.txt").write_text("not listed")
    assert back_up(store.root, copy).folders == 3
    assert files(copy) == files(store.root)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("log.jsonl", lambda data: data.replace(b'"action"', b'"action', 1)),
        ("log.jsonl", lambda data: data[: len(data) * 3 // 4]),
        ("nightly.json", lambda data: data[:-3]),
        ("tuned.json", lambda data: b"{}"),
    ],
)
def test_a_damaged_file_at_the_root_is_named_and_its_earlier_copy_stays(
    name: str, spoil: Callable[[bytes], bytes], store: Store, tmp_path: Path
) -> None:
    Forgotten.read(store.root).plus(5).write(store.root)
    write_json(store.root / "nightly.json", {"mark": "night"})
    write_json(store.root / "tuned.json", TUNED)
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    path = store.root / name
    path.write_bytes(spoil(path.read_bytes()))
    assert back_up(store.root, tmp_path / "copy").damaged == [name]
    assert files(tmp_path / "copy") == before


def test_a_store_whose_log_has_lost_lines_is_not_copied_over_its_backup(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    (store.root / "log.jsonl").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"log.jsonl of the backup .* has lines that"):
        back_up(store.root, tmp_path / "copy")
    assert files(tmp_path / "copy") == before


@pytest.mark.parametrize("broken", [b"", b"{broken\n"], ids=["whole log", "damaged line in both"])
def test_an_older_copy_of_a_store_does_not_replace_a_newer_backup(
    broken: bytes, store: Store, tmp_path: Path
) -> None:
    log = store.root / "log.jsonl"
    log.write_bytes(log.read_bytes() + broken)
    restore(store.root, tmp_path / "older")
    publish_night(store, "3", partition="old")
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    publish_night(Store.open(tmp_path / "older"), "4", partition="old")  # it goes on, under the same version
    with pytest.raises(ConfigError, match=r"lacks \(1 in all\): the store is an older copy"):
        back_up(tmp_path / "older", tmp_path / "copy")
    assert files(tmp_path / "copy") == before


def test_an_older_store_whose_last_line_is_damaged_does_not_replace_a_newer_backup(
    store: Store, tmp_path: Path
) -> None:
    restore(store.root, tmp_path / "older")
    publish_night(store, "3", partition="old")
    back_up(store.root, tmp_path / "copy")
    with (tmp_path / "older/log.jsonl").open("ab") as file:
        file.write(b"{broken\n")  # in the place of the line that the older store lacks
    before = files(tmp_path / "copy")
    with pytest.raises(ConfigError, match=r"lacks \(1 in all\): the store is an older copy"):
        back_up(tmp_path / "older", tmp_path / "copy")
    assert files(tmp_path / "copy") == before


@pytest.mark.parametrize("first", [True, False], ids=["one list", "separate lists"])
def test_users_that_were_erased_from_a_backup_do_not_come_back(
    first: bool, store: Store, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    if first:
        Forgotten.read(store.root).plus(5).write(store.root)
    back_up(store.root, copy)
    Forgotten.read(copy).plus(6).write(copy)
    Forgotten.read(store.root).plus(7).write(store.root)
    before = files(copy)
    with pytest.raises(ConfigError, match="has erased users who are not on the list"):
        back_up(store.root, copy)
    assert files(copy) == before
    Forgotten.read(store.root).plus(6).write(store.root)
    if not first:  # the lists have other keys, so nothing shows that user 6 is on both
        (copy / "forgotten.json").unlink()
    back_up(store.root, copy)
    assert files(copy) == files(store.root)


@pytest.mark.parametrize("place", ["store", "copy"])
def test_a_damaged_list_of_erased_users_is_not_copied_over(place: str, store: Store, tmp_path: Path) -> None:
    Forgotten.read(store.root).plus(5).write(store.root)
    back_up(store.root, tmp_path / "copy")
    path = tmp_path / place / "forgotten.json"
    path.write_bytes(path.read_bytes().replace(b"0", b"1"))
    before = files(tmp_path / "copy")
    with pytest.raises(
        StoreError, match="is damaged, so users" if place == "copy" else f"{path} was changed"
    ):
        back_up(store.root, tmp_path / "copy")
    assert files(tmp_path / "copy") == before


def test_settings_that_a_search_has_found_are_copied_and_leave_the_copy_with_the_store(
    store: Store, tmp_path: Path
) -> None:
    write_json(store.root / "tuned.json", TUNED)
    back_up(store.root, tmp_path / "copy")
    assert files(tmp_path / "copy") == files(store.root)
    (store.root / "tuned.json").unlink()
    back_up(store.root, tmp_path / "copy")
    assert files(tmp_path / "copy") == files(store.root)


def test_a_log_that_a_kill_has_left_half_a_line_in_is_copied(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    with (store.root / "log.jsonl").open("ab") as file:
        file.write(b'{"at": "2026')
    assert back_up(store.root, tmp_path / "copy").damaged == []
    publish_night(store, "3", partition="old")
    assert back_up(store.root, tmp_path / "copy").damaged == []
    assert files(tmp_path / "copy") == files(store.root)


def test_a_pointer_to_a_release_that_is_left_out_is_left_out(store: Store, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    back_up(store.root, copy)
    (copy / "releases/v0002/users.parquet").write_bytes(b"PAR1")
    done = restore(copy, tmp_path / "new")
    assert (done.champion, done.releases, done.damaged) == (None, ["v0001"], ["v0002", "champion.json"])
    with pytest.raises(ReleaseError, match=r"champion.json is missing.*it was v0002.*Listed: v0001"):
        Registry(tmp_path / "new").champion()
    Registry(tmp_path / "new").promote("v0001")
    assert Registry(tmp_path / "new").champion_folder().name == "v0001"


def test_a_store_whose_pointer_is_gone_is_not_copied_over_its_backup(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    (store.root / "champion.json").unlink()
    for target in ("copy", "new"):
        with pytest.raises(ReleaseError, match=r"it was v0002. `matinee promote"):
            back_up(store.root, tmp_path / target)
    assert files(tmp_path / "copy") == before
    assert not (tmp_path / "new").exists()


def test_a_copy_onto_a_full_disk_leaves_nothing_unfinished(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EFBIG, "File too large")

    with monkeypatch.context() as patch:
        patch.setattr(copies.shutil, "copyfile", full)
        patch.setattr(files_module.shutil, "copyfile", full)
        with pytest.raises(StoreError, match="File too large"):
            back_up(store.root, tmp_path / "copy")
    assert not list((tmp_path / "copy").rglob("*.partial"))


def test_a_folder_without_a_manifest_keeps_its_earlier_copy(store: Store, tmp_path: Path) -> None:
    back_up(store.root, tmp_path / "copy")
    before = files(tmp_path / "copy")
    (Registry(store.root).folder("v0001") / "manifest.json").unlink()
    assert back_up(store.root, tmp_path / "copy").damaged == ["v0001"]
    assert files(tmp_path / "copy") == before


def test_a_release_is_not_left_unfinished_if_it_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(_: Bundle, partial: Path, **__: object) -> None:
        partial.mkdir()
        (partial / "weights.safetensors").touch()
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(Bundle, "_fill", fill)
    with pytest.raises(OSError, match="File too large"):
        Bundle.write(
            object.__new__(Bundle), tmp_path / "v0001", version="v0001", evaluation=Mock(), decision=Mock()
        )
    assert list(tmp_path.iterdir()) == []


def test_no_copy_of_a_release_is_left_if_forget_cannot_write_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(source: Path, target: Path, code: int) -> None:
        (target / "weights.safetensors").touch()
        raise OSError(errno.EFBIG, "File too large", str(target))

    known = int(matinee.load(store.root).users.ids[0])
    with monkeypatch.context() as patch:
        patch.setattr(forget, "erase_from_release", copy)
        with pytest.raises(StoreError, match="File too large"):
            forget.forget(store.root, known)
    assert not list(store.root.rglob("*.erased"))
    assert forget.forget(store.root, known).releases == ["v0001", "v0002"]
