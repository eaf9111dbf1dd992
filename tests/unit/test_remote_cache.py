"""What the cache of a host has is compared with the object store, and the objects themselves are checked on request."""

import argparse
import logging
from pathlib import Path

import pytest
from backed_up import digest, files, two_nights
from object_store import Address

from matinee.cli.main import main
from matinee.cli.release_verbs import releases
from matinee.errors import StoreError
from matinee.maintenance import remote_restore
from matinee.maintenance.backup import back_up, restore
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.documents import LOG, POINTER
from matinee.store.progress import Work, watched
from matinee.store.remote import remote as remotes
from matinee.store.remote import remote_of

pytestmark = pytest.mark.usefixtures("objects_in_memory")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two nights, with lists and titles."""
    return two_nights(tmp_path / "store")


def test_a_cached_folder_that_differs_is_fetched_again(
    store: Store,
    remote: Address,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    back_up(store.root, Path(remote("first")))
    restore(Path(remote("second")), tmp_path / "one")
    cache = Registry.open(Path(remote("second"))).root
    (cache / "releases/v0001/weights.safetensors").unlink()
    (cache / "partitions" / digest("old") / "data").write_text("OLD")
    _as_another_process(monkeypatch)
    with caplog.at_level(logging.WARNING):
        done = restore(Path(remote("second")), tmp_path / "two")
    assert (done.damaged, done.champion) == ([], "v0002")
    assert ["is fetched again" in line for line in caplog.messages] == [True] * 2
    ours, theirs = files(store.root), files(tmp_path / "two")
    assert {name for name in ours if ours[name] != theirs.get(name)} <= {LOG, POINTER}


def test_verify_reads_the_objects_although_the_cache_is_sound(
    store: Store, remote: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(store.root, Path(remote("first")))
    words = ["releases", "--store", remote("second"), "--verify"]
    assert main(words) == 0
    assert capsys.readouterr().out.count("  verified") == 2
    there = remote_of(Registry.open(Path(remote("second"))).root)
    assert there is not None
    release = there.root / "releases/v0002"
    before = release.stat().st_ino
    with watched(Work()) as work:
        releases(argparse.Namespace(store=there.root, verify=True, public_key=None))
    assert (work.now().what, work.now().done) == ("fetching releases", work.now().total)
    assert release.stat().st_ino == before  # what is sound stays, so a reader of this host always finds it
    [key] = [each.key for each in there.objects.list("releases/v0001/") if each.key.endswith("prior.json")]
    there.objects.put(key, b"{}")
    assert main(words) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(
        f"v0001  DAMAGED: The file prior.json of {there.name}/releases/v0001 is missing or"
    )
    assert second.endswith("champion  verified")


def _as_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remotes, "_remotes", {})


def test_a_half_restored_bucket_is_no_store_until_the_restoration_is_continued(
    store: Store, tmp_path: Path, remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(remote_restore, "upload_files", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        restore(store.root, Path(remote("first")))
    _as_another_process(monkeypatch)
    for use in (Registry.open, Store.open, lambda place: back_up(place, tmp_path / "copy")):
        with pytest.raises(StoreError, match=r"The restoration of .* has not finished"):
            use(Path(remote("first")))
    _as_another_process(monkeypatch)
    assert restore(store.root, Path(remote("first"))).champion == "v0002"
    _as_another_process(monkeypatch)
    assert Registry.open(Path(remote("first"))).versions() == ["v0001", "v0002"]
