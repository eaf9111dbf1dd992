"""A store in an object store: whole folders, one champion, caches of several hosts, and errors in one paragraph."""

import json
import subprocess
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from calls import Answer
from object_store import Address, ObjectStore, remote_at

import matinee
from matinee.cli.main import main
from matinee.errors import StoreError
from matinee.formats.base import Manifest
from matinee.registry import Registry
from matinee.sample import write_sample
from matinee.settings.parse import read_settings
from matinee.store import Plan, Store, progress
from matinee.store.digests import digest_of
from matinee.store.documents import KINDS, POINTER
from matinee.store.entries import entries_of
from matinee.store.progress import Work, watched
from matinee.store.remote import Remote, leases, turns
from matinee.store.remote.transfers import transfer_all
from matinee.store.remote.turns import turn

FAST = read_settings(assignments=["train.epochs=3"])


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The smallest ratings and titles that make a release."""
    out = tmp_path_factory.mktemp("few")
    write_sample(out, ratings=8_000, users=120, movies=100, seed=1)
    return out / "ratings.csv", out / "movie_titles.csv"


def _plan(text: str, *, name: str = "one", kind: str = "partitions") -> Plan:
    def make(folder: Path) -> Manifest:
        (folder / "data").write_text(text)
        return Manifest.model_validate({"rows": 1})

    return Plan(kind, digest_of(name=name), make)


def _keys(remote: Remote, prefix: str = "") -> list[str]:
    return [each.key for each in remote.objects.list(prefix)]


def test_a_run_of_one_host_is_there_for_another_one_with_an_empty_cache(
    remote: Address,
    few: tuple[Path, Path],
    tmp_path: Path,
    answer_of: Answer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = matinee.retrain(*few, remote("first"), settings=FAST)
    assert first.publication.promoted
    local = matinee.retrain(*few, tmp_path / "local", settings=FAST)
    for kind in KINDS:  # the names of folders and the bits of their files do not depend on the place
        here = {path.name for path in entries_of(first.store.root, kind)}
        assert here == {path.name for path in entries_of(local.store.root, kind)}
    assert first.release is not None
    assert local.release is not None
    weights = "weights.safetensors"
    assert (first.release / weights).read_bytes() == (local.release / weights).read_bytes()

    said = answer_of("migrate", "--store", remote("other"))
    assert said["releases"] == [{"version": "v0001", "schema_version": 1}]
    assert (said["unmarked"], said["computed_again"], said["unknown"]) == (False, [], "")

    second = matinee.retrain(*few, remote("second"), settings=FAST)
    assert second.publication.release == "v0001"
    assert not entries_of(second.store.root, "partitions")  # rows that nobody reads are not fetched
    assert len(_keys(remote_at(remote("second")), "log/")) == 1

    assert main(["releases", "--store", remote("third"), "--verify"]) == 0
    assert "champion, verified" in capsys.readouterr().out.replace("  ", ", ")
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    release = matinee.load(local.release)
    user, movie = int(release.users.ids[0]), int(release.movies.ids[0])
    pairs.write_text(f"user_id,movie_id\n{user},{movie}\n")
    assert main(["predict", "--store", remote("fourth"), "--pairs", str(pairs), "--out", str(out)]) == 0
    assert float(out.read_text().split(",")[-1]) == pytest.approx(release.predict(user, movie), abs=1e-4)
    assert matinee.load(remote("fifth")).version == "v0001"
    assert matinee.load(f"{remote('fifth')}/releases/v0001").predict(user, movie) == release.predict(
        user, movie
    )
    _no_secret(tmp_path, remote_at(remote("fifth")))


def _no_secret(folder: Path, remote: Remote) -> None:
    """No file of any cache and no object has the credentials."""
    contents = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for key in _keys(remote):
        found = remote.objects.get(key)
        assert found is not None
        contents.append(found.data)
    assert not [each for each in contents if b"key-of-tests" in each]


def test_of_two_hosts_that_make_a_folder_one_is_first_and_both_have_its_folder(remote: Address) -> None:
    slow, fast = Store.open(Path(remote("slow"))), Store.open(Path(remote("fast")))

    def make(folder: Path) -> Manifest:
        fast.ensure(_plan("by the fast one"))
        (folder / "data").write_text("by the slow one")
        return Manifest.model_validate({"rows": 1})

    made = slow.ensure(Plan("partitions", digest_of(name="one"), make))
    assert [(store.path(made) / "data").read_text() for store in (slow, fast)] == ["by the fast one"] * 2
    keys = _keys(remote_at(remote("slow")), "partitions/")
    assert len({key.split("/")[2] for key in keys}) == 2, "one attempt and the manifest that names it"


def test_a_folder_that_was_not_uploaded_is_uploaded_by_the_next_run(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(Path(remote("first")))
    with monkeypatch.context() as patch:
        patch.setattr(Remote, "store", lambda self, kind, name: None)  # as if the process were killed before
        store.ensure(_plan("bits"))
    assert not store.has(_plan("bits"))
    store.ensure(_plan("other bits"))
    other = Store.open(Path(remote("second")))
    assert (other.path(other.reference("partitions", digest_of(name="one"))) / "data").read_text() == "bits"


def test_transfers_show_their_bytes_stop_at_the_first_failure_and_need_little_memory(
    remote: Address, tmp_path: Path
) -> None:
    there = remote_at(remote("first"))
    content = bytes(range(256)) * (100 << 10)  # 25 MB, of which a few chunks are in memory at a time
    (there.root / "titles").mkdir()
    (there.root / "titles" / "large").write_bytes(content)
    with watched(Work()) as work:
        progress.begin("uploading", total=len(content), unit="bytes")
        there.files.push("titles/large")
        assert work.now().done == len(content)
        progress.begin("downloading", total=2 * len(content), unit="bytes")
        transfer_all(
            partial(there.objects.download, "files/titles/large", tmp_path / name) for name in ("one", "two")
        )
        assert work.now().done == 2 * len(content)
    assert (tmp_path / "two").read_bytes() == content
    assert there.files.pull("titles/large"), "the ETag is that of the upload: nothing is fetched"
    assert (there.root / "titles" / "large").stat().st_mtime < (tmp_path / "one").stat().st_mtime

    begun: list[int] = []

    def fail(number: int) -> None:
        begun.append(number)
        time.sleep(0.002)  # or all have begun before the first error is seen
        raise StoreError("the server is away")

    with pytest.raises(StoreError, match="away"):
        transfer_all(partial(fail, number) for number in range(1_000))
    assert len(begun) < 1_000


def test_a_damaged_entry_of_the_log_is_named(remote: Address) -> None:
    there = remote_at(remote("first"))
    there.objects.put("log/00000001.json", b'{"action": "publish", "version": "../v0001"}')
    with pytest.raises(StoreError, match=r"stores/one/log/00000001.json is damaged \(version"):
        Registry.open(Path(remote("second")))


def test_an_object_that_was_changed_is_named_and_never_used(remote: Address) -> None:
    made = Store.open(Path(remote("first"))).ensure(_plan("bits"))
    there = remote_at(remote("first"))
    (key,) = [key for key in _keys(there, "partitions/") if key.endswith("data")]
    there.objects.put(key, b"bots")
    other = Store.open(Path(remote("second")))
    with pytest.raises(StoreError, match=r"The file data of s3://.* is missing or was changed"):
        other.path(made)
    assert not (other.root / "partitions" / made.digest).exists()


def test_a_log_entry_is_never_overwritten_and_the_champion_follows_it(remote: Address) -> None:
    first, second = Registry(Store.open(Path(remote("a"))).root), Registry(Store.open(Path(remote("b"))).root)
    for number in (1, 2, 3):
        for registry in (first, second):
            with registry.lock():
                registry.point_to(
                    f"v{number:04d}", action="publish", reason=f"by {registry.root.parent.name}"
                )
    there = remote_at(remote("c"))
    assert [entry.reason for entry in Registry(there.root).log()] == ["by a", "by b"] * 3
    assert Registry(there.root).champion() == "v0003"
    assert [int(key[4:12]) for key in _keys(there, "log/")] == [1, 2, 3, 4, 5, 6]
    pointer = there.objects.get(POINTER)
    assert pointer is not None
    assert json.loads(pointer.data)["number"] == 6


def test_a_champion_that_lags_behind_the_log_is_made_again(remote: Address) -> None:
    there = remote_at(remote("a"))
    registry = Registry(there.root)
    with registry.lock():
        registry.point_to("v0001", action="publish", reason="first")
    old = there.objects.get(POINTER)
    with registry.lock():
        registry.point_to("v0002", action="publish", reason="second")
    assert old is not None
    there.objects.put(POINTER, old.data)  # as if the process were killed after the entry
    assert Registry(remote_at(remote("b")).root).champion() == "v0002"
    with Registry(remote_at(remote("b")).root).lock():
        pass
    new = there.objects.get(POINTER)
    assert new is not None
    assert json.loads(new.data)["version"] == "v0002"


def test_a_publisher_that_lost_its_turn_changes_nothing(remote: Address) -> None:
    slow, fast = remote_at(remote("slow")), remote_at(remote("fast"))
    with Registry(slow.root).lock():
        slow.objects.delete(["registry.json"])  # as if it had been stopped for more than a minute
        with Registry(fast.root).lock():
            Registry(fast.root).point_to("v0001", action="publish", reason="fast")
        with pytest.raises(StoreError, match="Another process has changed the champion"):
            Registry(slow.root).point_to("v0001", action="publish", reason="slow")
    assert [entry.reason for entry in Registry(fast.root).log()] == ["fast"]


def test_a_turn_of_a_dead_process_is_taken_over(remote: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    there = remote_at(remote("first"))
    there.objects.put("registry.json", json.dumps({"holder": "dead", "token": "1"}).encode())
    monkeypatch.setattr(turns, "TURN_SECONDS", 0.5)
    with turn(there.objects):
        pass


def test_the_store_is_used_alone_only_if_no_run_of_any_host_is_active(
    remote: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Store.open(Path(remote("one"))), Store.open(Path(remote("other")))
    with one.in_use():
        with pytest.raises(StoreError, match="A run is using s3://"), other.alone():
            pass
        monkeypatch.setattr(leases, "DEAD_AFTER", timedelta(0))  # nobody has renewed the lease
        with other.alone():
            pass
    assert not _keys(remote_at(remote("one")), "running/")


def test_a_run_waits_while_the_store_is_used_alone(remote: Address) -> None:
    one, other = Store.open(Path(remote("one"))), Store.open(Path(remote("other")))
    began = threading.Event()

    def run() -> None:
        with other.in_use():
            began.set()

    with one.alone():
        thread = threading.Thread(target=run)
        thread.start()
        assert not began.wait(1.0)
    thread.join(10)
    assert began.is_set()


def test_a_store_on_this_host_imports_nothing_of_object_stores(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from matinee.store import Store; from matinee.registry import Registry\n"
        f"store = Store.open(pathlib.Path({str(tmp_path)!r}) / 'store')\n"
        "with store.in_use(): Registry.open(store.root).champion()\n"
        "print([name for name in sys.modules if name.startswith(('obstore', 'boto'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_server_that_is_away_for_some_seconds_delays_a_run_and_ends_none(
    remote: Address, object_store: ObjectStore
) -> None:
    store = Store.open(Path(remote("first")))
    object_store.stop()
    back = threading.Timer(2.0, object_store.start)
    back.start()
    started = time.monotonic()
    store.ensure(_plan("bits", name="late"))
    back.join()
    assert time.monotonic() - started > 1.5
    other = Store.open(Path(remote("second")))
    assert other.has(_plan("bits", name="late"))
