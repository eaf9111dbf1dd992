"""Damage that a copy meets: in the store after its backup, in the champion, and between an upload and its check."""

import logging
from pathlib import Path

import pytest
from backed_up import two_nights
from calls import Answer
from object_store import Address, remote_at

from matinee.errors import ConfigError, StoreError
from matinee.maintenance.backup import back_up, restore
from matinee.registry import Registry
from matinee.release import verify
from matinee.store import Store
from matinee.store.remote import local_store, remote_of
from matinee.store.remote.files import RemoteFiles
from matinee.store.remote.folders import RemoteFolders

pytestmark = pytest.mark.usefixtures("objects_in_memory")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two nights, with lists and titles."""
    return two_nights(tmp_path / "store")


def _damage(store: Store, version: str) -> None:
    weights = store.root / "releases" / version / "weights.safetensors"
    data = weights.read_bytes()
    weights.write_bytes(data[:-1] + bytes([data[-1] ^ 255]))


@pytest.mark.parametrize("is_remote", [True, False])
def test_what_was_damaged_after_its_backup_is_reported_and_its_copy_stays(
    store: Store, remote: Address, tmp_path: Path, caplog: pytest.LogCaptureFixture, *, is_remote: bool
) -> None:
    copy = Path(remote("first")) if is_remote else tmp_path / "copy"
    back_up(store.root, copy)
    _damage(store, "v0001")
    with caplog.at_level(logging.WARNING):
        assert back_up(store.root, copy).damaged == ["v0001"]
    assert "v0001 is damaged, and its earlier copy stays: weights.safetensors" in caplog.text
    remote("second")
    assert verify(Registry.open(copy).folder("v0001")).version == "v0001"


@pytest.mark.parametrize("is_remote", [True, False])
@pytest.mark.parametrize("version", ["v0001", "v0002"])
def test_a_release_that_a_bucket_has_lost_keeps_its_copy_and_the_rest_is_backed_up(
    store: Store, remote: Address, tmp_path: Path, version: str, *, is_remote: bool
) -> None:
    source, copy = Path(remote("first")), Path(f"{remote('first')}-copy") if is_remote else tmp_path / "copy"
    restore(store.root, source)
    back_up(source, copy)
    objects = remote_at(remote("first")).objects
    objects.delete([each.key for each in objects.list(f"releases/{version}/") if "weights" in each.key])
    remote("second")
    done = back_up(source, copy)
    assert (done.damaged, done.releases, done.champion) == ([version], ["v0001", "v0002"], "v0002")
    assert verify(Registry.open(copy).folder(version)).version == version


def test_a_store_whose_champion_is_damaged_is_not_moved_to_a_bucket(store: Store, remote: Address) -> None:
    _damage(store, "v0002")
    with pytest.raises(StoreError, match=r"The champion v0002 was removed .* or is damaged there"):
        restore(store.root, Path(remote("first")))
    with pytest.raises(StoreError, match=r"The restoration of .* has not finished"):
        Registry.open(Path(remote("second")))


@pytest.mark.parametrize("part", [RemoteFolders, RemoteFiles])
def test_what_was_not_read_back_does_not_count(
    store: Store, remote: Address, monkeypatch: pytest.MonkeyPatch, part: type
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    check = "_read_back" if part is RemoteFolders else "_is_there"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(part, check, killed)
        back_up(store.root, Path(remote("first")))
    there = remote_of(local_store(remote("first")))
    assert there is not None
    if part is RemoteFolders:
        assert not there.folders.names("partitions")
        return
    there.objects.put("files/recommendations/v0002.parquet", b"bits that were changed on their way")
    back_up(store.root, Path(remote("first")))
    found = there.objects.get("files/recommendations/v0002.parquet")
    assert found is not None
    assert found.data == b"recommendations/v0002.parquet"


def test_a_prefix_within_a_store_is_refused(store: Store, remote: Address) -> None:
    back_up(store.root, Path(remote("first")))
    for inner in ("inner", "files/inner"):
        with pytest.raises(ConfigError, match=f"is inside the store {remote('first')}, which is only"):
            back_up(store.root, Path(f"{remote('first')}/{inner}"))


def test_migrate_reports_a_release_that_a_bucket_has_lost_and_goes_on(
    store: Store, remote: Address, answer_of: Answer
) -> None:
    restore(store.root, Path(remote("first")))
    objects = remote_at(remote("first")).objects
    objects.delete([each.key for each in objects.list("releases/v0002/") if "weights" in each.key])
    said = answer_of("migrate", "--dry-run", "--store", remote("second"), status=1)
    assert [each["version"] for each in said["releases"]] == ["v0001", "v0002"]
    assert "missing or was changed" in said["releases"][1]["error"]
    assert "missing or was changed" in said["unknown"], "v0002 is the champion"
