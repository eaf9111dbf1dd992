"""Ratings from files of SQLite and DuckDB."""

import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from database_rows import SELECT, check_rows, duckdb_shop, sqlite_shop, taken_rows

from matinee.containers import limits
from matinee.errors import ConfigError, DataError
from matinee.ingest.databases import snapshot, snapshots
from matinee.settings.ingest import IngestSettings
from matinee.store import Store


@pytest.mark.parametrize(
    ("system", "view"),
    [
        ("sqlite", "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"),
        ("duckdb", "select range from range(1000000000000)"),
    ],
)
def test_a_view_that_never_ends_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, view: str
) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    connect = sqlite3.connect if system == "sqlite" else duckdb.connect
    with contextlib.closing(connect(str(tmp_path / "shop.db"))) as made:
        made.execute(f"create view ratings (user_id) as {view}")
        made.commit()
    address = f"{system}:///{tmp_path}/shop.db?query=select user_id, 1 as movie_id, 5 as rating from ratings"
    few = IngestSettings(max_ratio=2)
    with (
        pytest.raises(DataError, match=r"unpacks to more than .*ingest.max_ratio=2 "),
        snapshots(tmp_path / "store", [address], limits=few),
    ):
        raise AssertionError("the view was read to its end")
    assert not list((tmp_path / "store" / "work").iterdir())


def test_a_corrupt_name_in_a_duckdb_file_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.duckdb"
    with contextlib.closing(duckdb.connect(str(path))) as made:
        made.execute("create table ratings as select 1 as user_id, 2 as movie_id, 3 as odd_name")
    address = f"duckdb:///{path}?query=select * from ratings"
    content = bytearray(path.read_bytes())
    content[content.index(b"odd_name")] = 0xFF
    path.write_bytes(content)
    with (
        pytest.raises(ConfigError, match=r"shop\.duckdb is corrupt") as caught,
        snapshots(tmp_path / "store", [address]),
    ):
        raise AssertionError("the file was read")
    found = re.search(r"computed checksum (\d+) .* block at location (\d+)", str(caught.value))
    assert found, "a forger corrects the checksum"
    content[int(found[2]) : int(found[2]) + 8] = int(found[1]).to_bytes(8, "little")
    path.write_bytes(content)
    with (
        pytest.raises(ConfigError, match=r"shop\.duckdb is corrupt"),
        snapshots(tmp_path / "store", [address]),
    ):
        raise AssertionError("the file was read")


def test_threads_share_the_rows_of_a_query_until_the_last_one_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, address, asked = tmp_path / "store", f"{sqlite_shop(tmp_path)}?query={SELECT}", []
    both, first_left = threading.Barrier(2, timeout=20), threading.Event()
    take = snapshot._take

    def slowly(*given: Any, **more: Any) -> Any:
        asked.append(threading.current_thread().name)
        time.sleep(0.1)  # so that the other thread asks meanwhile
        return take(*given, **more)

    def run(number: int) -> list[Any]:
        both.wait()
        with snapshots(store, [address]) as (path,):
            both.wait()
            if number and not first_left.wait(20):
                raise AssertionError("the first thread did not end")
            rows = pl.read_parquet(path.read_bytes()).rows()
        first_left.set()
        return rows

    monkeypatch.setattr(snapshot, "_take", slowly)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(run, range(2))
    assert one == other
    assert len(asked) == 1
    assert not list((store / "work").iterdir())
    assert not snapshot._taken


@pytest.mark.parametrize("make", [sqlite_shop, duckdb_shop])
def test_the_rows_of_a_file_are_read_and_unchanged_rows_keep_their_dataset(
    make: Callable[[Path], str], tmp_path: Path
) -> None:
    check_rows(tmp_path / "store", make(tmp_path))


@pytest.mark.parametrize("make", [sqlite_shop, duckdb_shop])
def test_a_wrong_name_that_sounds_like_a_lock_is_a_wrong_query(
    make: Callable[[Path], str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"was refused by the database: .*locked"):
        taken_rows(tmp_path / "store", f"{make(tmp_path)}?query=select locked from ratings")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("no database, but a text of some length")
    for scheme, says in (("sqlite", "not a database.*a file of SQLite"), ("duckdb", "a file of DuckDB")):
        with pytest.raises(ConfigError, match=says):
            taken_rows(tmp_path / "store", f"{scheme}:///{tmp_path}/shop.db?query={SELECT}")
        with pytest.raises(ConfigError, match="is not a file"):
            taken_rows(tmp_path / "store", f"{scheme}:///{tmp_path}/nope.db?query={SELECT}")


def test_a_real_of_sqlite_has_one_text_whatever_the_other_rows_hold(tmp_path: Path) -> None:
    store, place = Store.open(tmp_path / "store"), sqlite_shop(tmp_path)
    for other, text in (("2.5", "2.5"), ("'tt1'", "tt1"), ("3", "3"), ("null", None)):
        query = f"select 7.0 as user_id, 1 as movie_id, 5 as rating union all select {other}, 1, 5"
        with snapshots(store.root, [f"{place}?query={query}"]) as (path,):
            assert pl.read_parquet(path.read_bytes())["user_id"].to_list() == ["7", text]


def test_a_damaged_schema_of_sqlite_is_one_sentence(tmp_path: Path) -> None:
    place = sqlite_shop(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as made:
        made.execute("pragma writable_schema = on")
        made.execute("update sqlite_schema set name = cast(x'a0' as text), sql = 'create'")
        made.commit()
    with (
        pytest.raises(ConfigError, match="could not be opened"),
        snapshots(tmp_path / "s", [f"{place}?query={SELECT}"]),
    ):
        pass


def test_values_of_sqlite_keep_their_digits(tmp_path: Path) -> None:
    place = sqlite_shop(tmp_path)
    values = (
        f"select {2**62} as user_id, '007' as movie_id, 4.5 as rating union all select 8, 7.0, '5' union all "
    )
    store = Store.open(tmp_path / "store")
    with snapshots(store.root, [f"{place}?query={values}select 9, 1, null"]) as (path,):
        rows = pl.read_parquet(path.read_bytes()).rows()
    assert rows == [(str(2**62), "007", "4.5"), ("8", "7", "5"), ("9", "1", None)]
    with pytest.raises(DataError, match="the column 'rating' with bytes in row 1"):
        taken_rows(store.root, f"{place}?query=select 1 as user_id, 2 as movie_id, x'00' as rating")
