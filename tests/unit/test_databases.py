"""Ratings from databases: the same rows as from a file, one snapshot per run, and a password that is nowhere."""

import contextlib
import datetime
import logging
import os
import re
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import polars as pl
import pytest
from adbc_driver_postgresql import dbapi
from postgres_server import postgres_server

import matinee
from matinee import ingest
from matinee.cli.main import main
from matinee.containers import limits
from matinee.errors import ConfigError, DatabaseError, DataError
from matinee.ingest.databases import snapshot, snapshots
from matinee.settings.ingest import IngestSettings
from matinee.store import Store
from matinee.store.database_address import (
    without_password,
)

PASSWORD = "pass/word@:%41 and more"
DAY = datetime.date(2003, 1, 1)
ROWS = [(1000 + k % 40, 1 + k % 17, 1 + k % 5, f"{DAY + datetime.timedelta(k)}") for k in range(300)]
NULLS = [*ROWS[:7], (None, 3, 4, "2003-01-01"), *ROWS[7:]]
LOGIN = f"matinee:{quote(PASSWORD, safe='')}"
SELECT = "select user_id, movie_id, rating, date from ratings"


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a database with the rows, without a statement."""
    with postgres_server(PASSWORD, "shop") as port:
        place = f"postgresql://{LOGIN}@127.0.0.1:{port}/shop"
        with (
            contextlib.closing(dbapi.connect(place, autocommit=True)) as connection,
            connection.cursor() as run,
        ):
            run.execute(
                "create table ratings (user_id bigint, movie_id smallint, rating numeric(3, 1), date timestamptz)"
            )
            values = ",".join(f"({u or 'null'}, {m}, {r}, '{d} 10:00+02')" for u, m, r, d in NULLS)
            run.execute(f"insert into ratings values {values}")
        yield place


def _sqlite(folder: Path) -> str:
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as made:
        made.execute("create table ratings (user_id, movie_id, rating, date)")
        made.executemany("insert into ratings values (?, ?, ?, ?)", NULLS)
        made.commit()
    return f"sqlite:///{folder}/shop.db"


def _duckdb(folder: Path) -> str:
    with contextlib.closing(duckdb.connect(str(folder / "shop.duckdb"))) as made:
        made.execute(
            "create table ratings (user_id bigint, movie_id utinyint, rating decimal(3, 1), date date)"
        )
        made.executemany("insert into ratings values (?, ?, ?, ?)", NULLS)
    return f"duckdb:///{folder}/shop.duckdb"


def _taken(root: Path, address: str, **setting: Any) -> tuple[str, list[Any], dict[str, Any], Path]:
    """The digest of the dataset of a query, its rows, its manifest and its folder."""
    store = Store.open(root)
    settings = IngestSettings.model_validate({"duplicates": "off", **setting})
    with snapshots(root, [address]) as ratings:
        dataset = store.ensure(ingest.plan(store, ratings=ratings, titles=None, settings=settings))
    assert not list((root / "work").iterdir())
    rows = [row for batch in ingest.iter_ratings(store, dataset) for row in batch.iter_rows()]
    return dataset.digest, rows, store.manifest("datasets", dataset.digest), store.path(dataset)


def _check_rows(root: Path, place: str) -> None:
    digest, rows, manifest, _folder = _taken(root, f"{place}?query={SELECT}")
    assert rows == [(u, m, r, datetime.date.fromisoformat(d)) for u, m, r, d in ROWS]
    assert manifest["rejects"] == {"user_id_missing": 1}
    part = next((root / "partitions").iterdir()) / "rejects.parquet"
    reject = pl.read_parquet(part).select("file", "line", "code").row(0)
    shown = without_password(f"{place}?query={SELECT}")
    assert reject == (shown, 9, "user_id_missing")
    assert manifest["sources"][0]["path"] == shown
    assert _taken(root, f"{place}?query={SELECT}")[0] == digest, "unchanged rows give another dataset"


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


@pytest.mark.parametrize(
    ("system", "endless"),
    [
        ("sqlite", "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"),
        ("duckdb", "select count(*) from range(1000000000) a, range(1000000000) b"),
        ("postgresql", "select count(*) from generate_series(1, 1000000000)"),
    ],
)
def test_a_query_that_never_gives_a_first_row_is_ended(
    system: str, endless: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if system == "postgresql":
        place = request.getfixturevalue("postgres")
    else:
        place = (_sqlite if system == "sqlite" else _duckdb)(tmp_path)
    started = time.monotonic()
    address = f"{place}?query=select (select * from ({endless}) as n) as user_id, 1 as movie_id, 2 as rating"
    with (
        pytest.raises(DataError, match=r"last row within 0.005 minutes \(ingest.max_query_minutes\)"),
        snapshots(tmp_path / "store", [address], limits=IngestSettings(max_query_minutes=0.005)),
    ):
        raise AssertionError("the query came to an end")
    assert time.monotonic() - started < 10
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
    store, address, asked = tmp_path / "store", f"{_sqlite(tmp_path)}?query={SELECT}", []
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


@pytest.mark.parametrize("make", [_sqlite, _duckdb])
def test_the_rows_of_a_file_are_read_and_unchanged_rows_keep_their_dataset(
    make: Callable[[Path], str], tmp_path: Path
) -> None:
    _check_rows(tmp_path / "store", make(tmp_path))


def test_the_rows_of_postgresql_are_read_and_unchanged_rows_keep_their_dataset(
    postgres: str, tmp_path: Path
) -> None:
    _check_rows(tmp_path / "store", postgres)


def test_ids_may_be_texts_that_hold_integers_and_columns_may_have_other_names(
    postgres: str, tmp_path: Path
) -> None:
    query = "select user_id::text as who, movie_id as film, rating from ratings\n\twhere 'a%41&b+c' = 'a%41&b+c' -- all"
    _digest, rows, _manifest, _ = _taken(tmp_path, f"{postgres}?query={query}", columns={"user_id": "WHO"})
    assert [row[:3] for row in rows] == [row[:3] for row in ROWS]


Wrong = tuple[str, type[Exception], str]
WRONG_SQL: dict[str, Wrong] = {
    "a missing table": ("select * from nope", ConfigError, "nope.*Expected one statement that only reads"),
    "a missing column": ("select nope from ratings", ConfigError, "nope"),
    "a statement that writes": ("delete from ratings returning *", ConfigError, "reads|write"),
    "two statements": (
        "select 1; delete from ratings",
        ConfigError,
        "Expected one statement that only reads",
    ),
    "no rating": ("select user_id, movie_id from ratings", DataError, "no column for rating"),
    "no rows": (f"{SELECT} where 1 = 0", DataError, "has a header and no rows"),
}


@pytest.mark.parametrize("name", WRONG_SQL)
def test_a_wrong_query_is_one_sentence(name: str, postgres: str, tmp_path: Path) -> None:
    query, kind, says = WRONG_SQL[name]
    for place in (postgres, _sqlite(tmp_path), _duckdb(tmp_path)):
        with pytest.raises(kind, match=f"(?s){says}") as caught:
            _taken(tmp_path / "store", f"{place}?query={query}")
        assert PASSWORD not in str(caught.value)
        assert not list((tmp_path / "store/work").iterdir())
    left = _taken(tmp_path / "store", f"{postgres}?query={SELECT}")[1]
    assert len(left) == len(ROWS)


@pytest.mark.parametrize("make", [_sqlite, _duckdb])
def test_a_wrong_name_that_sounds_like_a_lock_is_a_wrong_query(
    make: Callable[[Path], str], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"was refused by the database: .*locked"):
        _taken(tmp_path / "store", f"{make(tmp_path)}?query=select locked from ratings")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select user_id, movie_id, rating, array[1] as x from ratings", "the column 'x' with the type list"),
        ("select user_id, user_id, rating from ratings", "gives the column 'user_id' twice"),
        (
            "select 1 as user_id, 2 as movie_id, 3 / (movie_id - 17) as rating from ratings",
            "division by zero",
        ),
    ],
)
def test_columns_and_values_that_are_not_read_are_named(
    query: str, says: str, postgres: str, tmp_path: Path
) -> None:
    with pytest.raises((ConfigError, DataError), match=says):
        _taken(tmp_path, f"{postgres}?query={query}")


def test_a_login_that_is_refused_says_so_without_the_password(postgres: str, tmp_path: Path) -> None:
    other = postgres.replace(LOGIN, "matinee:planted")
    with pytest.raises(ConfigError, match="refused the login: password authentication failed") as caught:
        _taken(tmp_path, f"{other}?query={SELECT}")
    assert "planted" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"no password supplied.*PGPASSWORD"):
        _taken(tmp_path, f"{postgres.replace(LOGIN, 'nobody')}?query={SELECT}")


def test_the_password_of_the_surroundings_is_used(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGUSER", "matinee")
    address = f"{postgres.replace(f'{LOGIN}@', '')}?query={SELECT}"
    assert len(_taken(tmp_path, address)[1]) == len(ROWS)


def test_a_server_that_is_away_or_silent_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(DatabaseError, match=r"could not be reached: .*timeout expired"):
            _taken(tmp_path, f"postgresql://127.0.0.1:{port}/shop?connect_timeout=2&query={SELECT}")
        assert time.monotonic() - started < 20
    with pytest.raises(DatabaseError, match=r"could not be reached: .*refused.*Check host and port"):
        _taken(tmp_path, f"postgresql://127.0.0.1:{port}/shop?query={SELECT}")


def test_a_connection_that_breaks_while_rows_arrive_takes_none_of_them(postgres: str, tmp_path: Path) -> None:
    query = (
        "select k as user_id, k % 17 as movie_id, 3 as rating, repeat('x', 1000) as review "
        "from generate_series(1, 3000000) k /* broken */"
    )
    with (
        contextlib.closing(dbapi.connect(postgres, autocommit=True)) as connection,
        connection.cursor() as run,
    ):

        def end() -> None:
            found = None
            while not found:
                run.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where query like 'COPY%broken%' "
                    "and now() - query_start > interval '300 ms'"
                )
                found = run.fetchone()

        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises(DatabaseError, match=r"was interrupted: .*None of its rows were taken"):
            _taken(tmp_path, f"{postgres}?query={query}")
        ending.join()
    assert not (tmp_path / "datasets").exists()


@pytest.mark.parametrize(
    ("module", "scheme"), [("adbc_driver_postgresql", "postgresql://h"), ("duckdb", "duckdb://")]
)
def test_a_missing_driver_is_named_with_what_to_install(
    module: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=r"Install 'matinee\[sql\]'"):
        _taken(tmp_path, f"{scheme}/shop?query={SELECT}")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("no database, but a text of some length")
    for scheme, says in (("sqlite", "not a database.*a file of SQLite"), ("duckdb", "a file of DuckDB")):
        with pytest.raises(ConfigError, match=says):
            _taken(tmp_path / "store", f"{scheme}:///{tmp_path}/shop.db?query={SELECT}")
        with pytest.raises(ConfigError, match="is not a file"):
            _taken(tmp_path / "store", f"{scheme}:///{tmp_path}/nope.db?query={SELECT}")


def test_a_real_of_sqlite_has_one_text_whatever_the_other_rows_hold(tmp_path: Path) -> None:
    store, place = Store.open(tmp_path / "store"), _sqlite(tmp_path)
    for other, text in (("2.5", "2.5"), ("'tt1'", "tt1"), ("3", "3"), ("null", None)):
        query = f"select 7.0 as user_id, 1 as movie_id, 5 as rating union all select {other}, 1, 5"
        with snapshots(store.root, [f"{place}?query={query}"]) as (path,):
            assert pl.read_parquet(path.read_bytes())["user_id"].to_list() == ["7", text]


def test_a_damaged_schema_of_sqlite_is_one_sentence(tmp_path: Path) -> None:
    place = _sqlite(tmp_path)
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
    place = _sqlite(tmp_path)
    values = (
        f"select {2**62} as user_id, '007' as movie_id, 4.5 as rating union all select 8, 7.0, '5' union all "
    )
    store = Store.open(tmp_path / "store")
    with snapshots(store.root, [f"{place}?query={values}select 9, 1, null"]) as (path,):
        rows = pl.read_parquet(path.read_bytes()).rows()
    assert rows == [(str(2**62), "007", "4.5"), ("8", "7", "5"), ("9", "1", None)]
    with pytest.raises(DataError, match="the column 'rating' with bytes in row 1"):
        _taken(store.root, f"{place}?query=select 1 as user_id, 2 as movie_id, x'00' as rating")


def test_the_password_is_in_no_output_and_no_file(
    postgres: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "titles.csv").write_text("".join(f"{k},1999,Film {k}\n" for k in range(1, 18)))
    words = ["--titles", f"{tmp_path}/titles.csv", "--store", f"{tmp_path}/store", "--json", "--verbose"]
    for query in (SELECT, "select nope", "select 1"):
        main(["ingest", "--ratings", f"{postgres}?query={query}", *words])
    main(["ingest", "--rating", f"{postgres}?query={SELECT}", *words])
    main(
        [
            "predict",
            "--pairs",
            f"{postgres}?query={SELECT}",
            "--out",
            f"{tmp_path}/o",
            "--store",
            f"{tmp_path}/store",
        ]
    )
    main(["retrain", "--ratings", f"{postgres}", *words])
    said = "".join(capfd.readouterr()) + caplog.text
    assert "--rating" in said
    files = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(files) > 10
    for secret in (PASSWORD, quote(PASSWORD, safe="")):
        assert secret not in said
        assert not [path for path, content in files.items() if secret.encode() in content]
    assert PASSWORD not in str(os.environ)
    assert matinee.DatabaseError is DatabaseError
