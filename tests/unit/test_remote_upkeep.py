"""prune, forget and backup on a store in an object store, and a process that is killed while it uploads."""

import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from object_store import Address, remote_at

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, StoreError
from matinee.formats.base import Manifest
from matinee.maintenance import remote_prune
from matinee.maintenance.backup import back_up, restore
from matinee.maintenance.forget import forget
from matinee.maintenance.prune import prune
from matinee.maintenance.remote_prune import prune_remote
from matinee.registry import Registry
from matinee.release import verify
from matinee.serve.loaded_releases import LoadedReleases
from matinee.store import Plan, Store
from matinee.store.digests import digest_of
from matinee.store.erased_users import Forgotten
from matinee.store.remote import Remote, address_of
from matinee.store.remote.folders import RemoteFolders
from matinee.store.remote.leases import Lease, RunLeases
from matinee.store.remote.stored import StoredFolder

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from drill_registry import digest, plan_folder, publish_night

STORES = Path(__file__).parents[1] / "stores"


@pytest.mark.usefixtures("objects_in_memory")
def test_prune_keeps_what_the_kept_releases_and_the_runs_of_any_host_use(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(Path(remote("first")))
    for night in range(4):
        publish_night(store, f"night{night}", partition=f"partition{night}")
    store.ensure(plan_folder("datasets", "unused"))
    other = Store.open(Path(remote("other")))
    there = remote_at(remote("other"))
    there.objects.put(f"datasets/{digest('dead')}/{'a' * 12}/data", b"of an upload that died")
    monkeypatch.setattr(remote_prune, "_ABANDONED", timedelta(0))
    time.sleep(1.1)  # times in the log are whole seconds
    third = Registry.open(Path(remote("third")))
    assert third.folder("v0001").is_dir()
    left = store.root.with_name(f".pruning-{store.root.name}")
    left.mkdir()  # by a prune that was killed
    with other.in_use():
        assert other.take(plan_folder("datasets", "unused"))
        done = prune(Path(remote("first")), keep=1)
        assert done.releases == ["v0001", "v0002"]
        assert list(done.why) == ["v0003", "v0004"]
        assert there.folders.has("datasets", digest("unused"))
    time.sleep(1.1)
    assert prune(store.root, keep=1).folders == 1  # after the run
    assert not there.folders.has("datasets", digest("unused"))
    assert not there.objects.list(f"datasets/{digest('dead')}/")
    assert not left.exists()
    registry = Registry.open(Path(remote("third")))
    assert registry.versions() == ["v0003", "v0004"]
    assert not (third.root / "releases" / "v0001").exists(), "the caches of other hosts shrink too"
    assert [verify(registry.folder(version)).version for version in registry.versions()] == ["v0003", "v0004"]
    assert sorted(there.folders.names("partitions")) == sorted(map(digest, ["partition2", "partition3"]))
    assert [entry.version for entry in registry.log() if entry.action == "prune"] == ["v0001", "v0002"]


@pytest.mark.usefixtures("objects_in_memory")
def test_a_folder_that_a_run_takes_while_it_is_pruned_is_put_back(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Store.open(Path(remote("other")))
    other.ensure(plan_folder("datasets", "late"))
    withdraw = RemoteFolders.withdraw

    again = Store.open(Path(remote("third")))
    shutil.rmtree(again.root / "datasets")  # it brings the last one
    with other.in_use(), again.in_use(), ThreadPoolExecutor(1) as pool:
        reading: list[Future[str]] = []

        def read() -> str:
            return (again.path(again.reference("datasets", digest("late"))) / "data").read_text()

        def late(self: RemoteFolders, folder: StoredFolder) -> None:
            assert other.take(plan_folder("datasets", "late"))  # between the decision and the removal
            withdraw(self, folder)
            reading.append(pool.submit(read))
            time.sleep(0.5)

        monkeypatch.setattr(RemoteFolders, "withdraw", late)
        done = prune_remote(
            remote_at(remote("first")),
            lambda outline: replace(prune(outline, keep=1), held_removed=[digest("late")]),
        )
        assert (done.folders, done.held_removed) == (0, [])
        assert reading[0].result() == "late", "a run does not miss a folder that is put back"


@pytest.mark.usefixtures("objects_in_memory")
def test_a_server_whose_clock_is_ahead_does_not_stop_a_prune(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, live = Store.open(Path(remote("first"))), RunLeases.live
    for night in "123":
        publish_night(store, night, partition=night)
    time.sleep(1)  # a log counts seconds, and prune keeps what was the champion in this one

    def ahead(self: RunLeases) -> list[Lease]:
        return [replace(lease, started=lease.started + timedelta(seconds=30)) for lease in live(self)]

    monkeypatch.setattr(RunLeases, "live", ahead)
    assert prune(store.root, keep=1).releases == ["v0001"]


def test_a_backup_in_a_bucket_is_restored_to_a_bucket_forgets_a_user_there_and_is_backed_up(
    remote: Address, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with tarfile.open(STORES / "ratings.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    here, before = tmp_path / "ratings" / "store", matinee.load(tmp_path / "ratings" / "store")
    backup = f"{remote('first')}-backup"
    assert main(["backup", "--store", str(here), "--out", backup]) == 0
    assert main(["restore", "--from", backup, "--store", remote("first")]) == 0
    assert matinee.load(remote("second")).manifest.files == before.manifest.files
    assert [each.reason for each in Registry.open(Path(remote("second"))).log()] == [
        each.reason for each in Registry(here).log()
    ]
    assert main(["restore", "--from", backup, "--store", remote("first")]) == 2  # only to an empty prefix
    assert main(["show", "--store", remote("third"), "champion"]) == 0
    assert "v0001" in capsys.readouterr().out
    (dataset,) = Store.open(Path(remote("third"))).names("datasets")
    assert main(["show", "--store", remote("third"), dataset[:8]]) == 0
    names = ["v0001", str(before.manifest.candidate)[:8]]
    assert main(["compare", *names, "--store", remote("fourth")]) == 0
    assert main(["compare", "v0001", "v0009", "--store", remote("fourth")]) == 2
    assert f"There is no release 'v0009' in {remote('fourth')}." in capsys.readouterr().err
    assert main(["doctor", "--store", remote("first")]) == 0
    assert "answers; 0 active runs on all hosts" in capsys.readouterr().out

    user = int(before.users.ids[5])
    with Store.open(Path(remote("second"))).in_use(), pytest.raises(StoreError, match="A run is using s3://"):
        forget(Path(remote("first")), user)
    assert main(["forget", "--store", remote("first"), "--user", str(user)]) == 0
    assert "was erased from v0001" in capsys.readouterr().out
    there = remote_at(remote("first"))
    tables = [each.key for each in there.objects.list("") if each.key.endswith(".parquet")]
    assert tables
    for key in tables:
        found = there.objects.get(key)
        assert found is not None
        table = pq.read_table(io.BytesIO(found.data))
        assert "user_id" not in table.column_names or user not in table["user_id"].to_pylist(), key
    assert user not in matinee.load(remote("second")).users.ids.tolist()  # a cache from before
    assert Forgotten.read(Store.open(Path(remote("second"))).root).holds(user)
    assert not (remote_at(remote("second")).root / "partitions").exists() or not list(
        (remote_at(remote("second")).root / "partitions").iterdir()
    )

    copied = back_up(Path(remote("third")), tmp_path / "copy")
    assert (copied.champion, copied.damaged) == ("v0001", [])
    assert matinee.load(tmp_path / "copy").manifest.files == matinee.load(remote("first")).manifest.files


def test_a_move_to_a_bucket_is_consistent_and_continues_after_a_kill(
    remote: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Store.open(tmp_path / "here")
    for night in "123":
        publish_night(here, night, partition="old")
    source = Registry(here.root)
    with here.alone(), pytest.raises(StoreError, match="Another process is using"):
        restore(here.root, Path(remote("first")))
    record, push = Remote.record, RemoteFolders.push

    def killed(self: Remote, line: bytes, *, moves: bool) -> None:
        record(self, line, moves=moves)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "record", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(here.root, Path(remote("first")))
    before = source.log()

    def while_it_changes(self: RemoteFolders, kind: str, name: str, *, reads_back: bool) -> bool:
        source.rollback("v0001")  # after the log was read
        return push(self, kind, name, reads_back=reads_back)

    monkeypatch.setattr(RemoteFolders, "push", while_it_changes)
    (here.root / "titles").mkdir()
    here.ensure(plan_folder("datasets", "more"))
    assert restore(here.root, Path(remote("second"))).champion == "v0003"
    assert source.champion() == "v0001"
    there = Registry.open(Path(remote("third")))
    assert [entry.model_dump() for entry in there.log()] == [entry.model_dump() for entry in before]
    assert there.champion() == "v0003"
    with pytest.raises(ConfigError, match="has releases or a log already"):
        restore(here.root, Path(remote("third")))


def test_a_server_answers_for_the_champion_that_another_host_has_chosen(remote: Address) -> None:
    store = Store.open(Path(remote("first")))
    for night in "12":
        publish_night(store, night, partition="old")
    loaded = LoadedReleases(Store.open(Path(remote("second"))).root)
    assert (loaded.champion.release.version, loaded.refresh()) == ("v0002", False)
    Registry.open(Path(remote("third"))).rollback()
    assert (loaded.refresh(), loaded.champion.release.version) == (True, "v0001")


def test_a_store_has_one_name_on_all_hosts(remote: Address, tmp_path: Path) -> None:
    cache = Store.open(Path(remote("first"))).root
    assert address_of(cache) == address_of(remote("second")) == remote("first")
    assert address_of(tmp_path / "store") == str(tmp_path / "store")


def test_a_process_that_is_killed_while_it_uploads_leaves_nothing_visible(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = remote_at(remote("first"))
    code = (
        "import sys\n"
        f"sys.path[:0] = {[str(folder) for folder in Path(__file__).parents[:2]]!r}\n"
        "from test_remote_upkeep import make_large\n"
        f"make_large({remote('killed')!r})"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        while len(there.objects.list("datasets/")) < 5:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    name = digest_of(name="large")
    assert not there.folders.has("datasets", name)
    there.objects.delete([each.key for each in there.objects.list("running/")])  # counts for ten minutes
    make_large(remote("killed"))  # uploads what it has made before
    monkeypatch.setattr(remote_prune, "_ABANDONED", timedelta(0))
    other = Store.open(Path(remote("other")))
    with other.in_use():
        assert other.take(_large())
        assert len(list(other.path(other.reference("datasets", name)).iterdir())) == 201
        time.sleep(1.1)
        assert prune(Path(remote("other")), keep=1).folders == 0
    assert len(there.objects.list("datasets/")) == 202, "the files of the killed upload are gone"


def make_large(address: str) -> None:
    """Make a folder of many files."""
    Store.open(Path(address)).ensure(_large())


def _large() -> Plan:
    def make(folder: Path) -> Manifest:
        for number in range(200):
            (folder / f"{number:03d}").write_bytes(bytes(1 << 16))
        return Manifest.model_validate({"rows": 200})

    return Plan("datasets", digest_of(name="large"), make)
