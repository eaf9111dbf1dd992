"""Ratings from databases: the same rows as from a file, one snapshot per run, and a password that is nowhere."""

import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from adbc_driver_postgresql import dbapi
from database_rows import NULLS, ROWS, SELECT, check_rows, duckdb_shop, sqlite_shop, taken_rows
from postgres_server import postgres_server

import matinee
from matinee.cli.main import main
from matinee.errors import ConfigError, DatabaseError, DataError
from matinee.ingest.databases import snapshots
from matinee.settings.ingest import IngestSettings

PASSWORD = "pass/word@:%41 and more"
LOGIN = f"matinee:{quote(PASSWORD, safe='')}"


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
        place = (sqlite_shop if system == "sqlite" else duckdb_shop)(tmp_path)
    started = time.monotonic()
    address = f"{place}?query=select (select * from ({endless}) as n) as user_id, 1 as movie_id, 2 as rating"
    with (
        pytest.raises(DataError, match=r"last row within 0.005 minutes \(ingest.max_query_minutes\)"),
        snapshots(tmp_path / "store", [address], limits=IngestSettings(max_query_minutes=0.005)),
    ):
        raise AssertionError("the query came to an end")
    assert time.monotonic() - started < 10
    assert not list((tmp_path / "store" / "work").iterdir())


def test_the_rows_of_postgresql_are_read_and_unchanged_rows_keep_their_dataset(
    postgres: str, tmp_path: Path
) -> None:
    check_rows(tmp_path / "store", postgres)


def test_ids_may_be_texts_that_hold_integers_and_columns_may_have_other_names(
    postgres: str, tmp_path: Path
) -> None:
    query = "select user_id::text as who, movie_id as film, rating from ratings\n\twhere 'a%41&b+c' = 'a%41&b+c' -- all"
    _digest, rows, _manifest, _ = taken_rows(
        tmp_path, f"{postgres}?query={query}", columns={"user_id": "WHO"}
    )
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
    for place in (postgres, sqlite_shop(tmp_path), duckdb_shop(tmp_path)):
        with pytest.raises(kind, match=f"(?s){says}") as caught:
            taken_rows(tmp_path / "store", f"{place}?query={query}")
        assert PASSWORD not in str(caught.value)
        assert not list((tmp_path / "store/work").iterdir())
    left = taken_rows(tmp_path / "store", f"{postgres}?query={SELECT}")[1]
    assert len(left) == len(ROWS)


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
        taken_rows(tmp_path, f"{postgres}?query={query}")


def test_a_login_that_is_refused_says_so_without_the_password(postgres: str, tmp_path: Path) -> None:
    other = postgres.replace(LOGIN, "matinee:planted")
    with pytest.raises(ConfigError, match="refused the login: password authentication failed") as caught:
        taken_rows(tmp_path, f"{other}?query={SELECT}")
    assert "planted" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"no password supplied.*PGPASSWORD"):
        taken_rows(tmp_path, f"{postgres.replace(LOGIN, 'nobody')}?query={SELECT}")


def test_the_password_of_the_surroundings_is_used(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    monkeypatch.setenv("PGUSER", "matinee")
    address = f"{postgres.replace(f'{LOGIN}@', '')}?query={SELECT}"
    assert len(taken_rows(tmp_path, address)[1]) == len(ROWS)


def test_a_server_that_is_away_or_silent_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(DatabaseError, match=r"could not be reached: .*timeout expired"):
            taken_rows(tmp_path, f"postgresql://127.0.0.1:{port}/shop?connect_timeout=2&query={SELECT}")
        assert time.monotonic() - started < 20
    with pytest.raises(DatabaseError, match=r"could not be reached: .*refused.*Check host and port"):
        taken_rows(tmp_path, f"postgresql://127.0.0.1:{port}/shop?query={SELECT}")


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
            taken_rows(tmp_path, f"{postgres}?query={query}")
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
        taken_rows(tmp_path, f"{scheme}/shop?query={SELECT}")


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
