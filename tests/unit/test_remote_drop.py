"""A drop folder in an object store: read like a folder, and refused objects are moved under `refused/`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from dropped import GOOD, HEADER, night
from object_store import ObjectStore

from matinee.errors import ConfigError
from matinee.ingest.inbox.intake import Intake, remember
from matinee.ingest.inbox.remote_drop import RemoteDrop, opened_drop
from matinee.ingest.reading.object_sources import local_sources
from matinee.store import Store
from matinee.store.remote.address import check_separate, parse_address
from matinee.store.remote.objects import Objects

TITLES = b"1,2003,A\n2,NULL,B\n"
BAD = b"\x00\x01\x02 no ratings at all"


@pytest.fixture
def drop(object_store: ObjectStore, remote: Callable[[str], str]) -> Objects:
    """A drop folder with titles and a good file."""
    remote("first")
    objects = Objects(parse_address(f"s3://{object_store.new_bucket()}/in/drop"))
    objects.put("movie_titles.csv", TITLES)
    objects.put("good.csv", GOOD.encode())
    return objects


def _night(drop: Objects, store: Path, during: Callable[[Path], None] = lambda _: None) -> Intake:
    with opened_drop(drop.address.text, store=str(store)) as opened:
        assert opened.has_copies
        found = night(Store.open(store), opened.folder)
        during(opened.folder)
    return found.model_copy(update={"ratings": [opened.lasting(path) for path in found.ratings]})


def _keys(drop: Objects) -> list[str]:
    return [each.key for each in drop.list("")]


def test_the_objects_are_read_like_the_files_of_a_folder(drop: Objects, tmp_path: Path) -> None:
    left = (".hidden.csv", "2026/half.csv.part", "refused/old.csv", "other/matinee-store.json", "other/a.csv")
    for name in left:
        drop.put(name, BAD)
    drop.put("2026/more.csv", f"{HEADER}7,1,5\n".encode())
    drop.put("2026/", b"")  # stands for a folder
    before = _keys(drop)
    found = _night(drop, tmp_path / "store")
    assert [Path(path).name for path in found.ratings] == ["more.csv", "good.csv"]
    assert (Path(found.titles).name, found.new, found.refused) == ("movie_titles.csv", True, {})
    assert _keys(drop) == before


def test_objects_that_cannot_be_files_do_not_stop_a_night(
    drop: Objects, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("n" * 300 + ".csv", "both.csv", "both.csv/inner.csv"):
        drop.put(name, GOOD.encode())
    drop.put("2026", b"")  # stands for a folder
    drop.put("2026/.hidden", b"x")
    found = _night(drop, tmp_path / "store")
    assert sorted(Path(path).name for path in found.ratings) == ["good.csv", "inner.csv"]
    said = [message for message in caplog.messages if "was not read" in message]
    assert [message.split("/")[5][:8] for message in said] == ["both.csv", "nnnnnnnn"]


def test_a_refused_object_is_moved_with_a_report_that_names_addresses(drop: Objects, tmp_path: Path) -> None:
    drop.put("2026/bad.csv", BAD)
    found = _night(drop, tmp_path / "store")
    assert [Path(path).name for path in found.ratings] == ["good.csv"]
    place = f"{drop.address.text}/refused/2026/bad.csv"
    assert [*found.refused] == [f"{place}.report.txt"]
    assert str(tmp_path) not in str(found.refused)
    moved = ["refused/2026/bad.csv", "refused/2026/bad.csv.report.txt"]
    assert _keys(drop) == ["good.csv", "movie_titles.csv", *moved]
    contents = [found.data for key in moved if (found := drop.get(key))]
    assert contents[0] == BAD
    assert f"Put a corrected file into {drop.address.text}/2026." in contents[1].decode()
    assert str(tmp_path) not in contents[1].decode()
    assert _night(drop, tmp_path / "store").refused == {}


def test_an_object_that_was_replaced_or_is_missing_here_stays(drop: Objects, tmp_path: Path) -> None:
    drop.put("bad.csv", BAD)

    def replace(folder: Path) -> None:
        drop.put("bad.csv", GOOD.encode())
        (folder / "good.csv").unlink()  # as another command that empties the cache

    _night(drop, tmp_path / "store", replace)
    assert _keys(drop) == [
        "bad.csv",
        "good.csv",
        "movie_titles.csv",
        "refused/bad.csv",
        "refused/bad.csv.report.txt",
    ]
    again = _night(drop, tmp_path / "store")
    assert [Path(path).name for path in again.ratings] == ["bad.csv", "good.csv"]


def test_refused_objects_of_other_hosts_are_left_alone(drop: Objects, tmp_path: Path) -> None:
    drop.put("refused/bad.csv", b"v1")
    local_sources([f"{drop.address.text}/"])  # the cache has it
    drop.put("refused/bad.csv", b"v2")
    drop.put("bad.csv", BAD)
    with opened_drop(drop.address.text, store=str(tmp_path / "store")):
        pass
    assert drop.get("refused/bad.csv").data == b"v2"  # type: ignore[union-attr]


def test_two_nights_of_a_host_at_once_lose_no_version(drop: Objects, tmp_path: Path) -> None:
    drop.put("bad.csv", BAD)
    with opened_drop(drop.address.text, store=str(tmp_path / "one")) as one:
        night(Store.open(tmp_path / "one"), one.folder)
        drop.put("bad.csv", BAD + b" again")
        with opened_drop(drop.address.text, store=str(tmp_path / "two")) as two:
            night(Store.open(tmp_path / "two"), two.folder)
        assert drop.get("refused/bad.csv").data == BAD + b" again"  # type: ignore[union-attr]
        drop.put("bad.csv", GOOD.encode())
    assert drop.get("bad.csv").data == GOOD.encode()  # type: ignore[union-attr]


def test_a_copy_that_a_killed_fetch_has_left_is_not_taken_for_another_version(
    drop: Objects, tmp_path: Path
) -> None:
    found = _night(drop, tmp_path / "store")
    (path,) = map(Path, found.ratings)
    path.unlink()
    path.write_text(HEADER)  # of a later version, whose ETag was not written
    again = _night(drop, tmp_path / "store")
    assert Path(again.ratings[0]).read_text() == GOOD


def test_another_host_finds_nothing_new(drop: Objects, remote: Callable[[str], str], tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    found = _night(drop, store.root)
    remember(store, found)
    remote("second")
    again = _night(drop, store.root)
    assert (again.new, again.mark) == (False, found.mark)
    assert again.ratings != found.ratings  # in the cache of the other host
    drop.delete(["good.csv"])
    assert _night(drop, store.root).ratings == []


def test_a_store_is_not_a_drop_folder(drop: Objects, tmp_path: Path) -> None:
    address = drop.address
    for store in (
        address.text,
        f"{address.text}/store",
        f"s3://{address.bucket}/in",
        f"s3://{address.bucket}",
    ):
        with pytest.raises(ConfigError, match="contain each other"):
            check_separate(address.text, store)
    for store in (f"s3://{address.bucket}/in/drops", "s3://other/in/drop", str(tmp_path)):
        check_separate(address.text, store)
    Objects(parse_address(f"s3://{address.bucket}/in")).put("matinee-store.json", b"{}")
    with pytest.raises(ConfigError, match=f"is in the Matinee store s3://{address.bucket}/in,"):
        RemoteDrop(address).dropped()
