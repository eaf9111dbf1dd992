"""Databases with rows of ratings, and what ingest takes of them."""

import contextlib
import datetime
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from matinee import ingest
from matinee.ingest.databases import snapshots
from matinee.settings.ingest import IngestSettings
from matinee.store import Store
from matinee.store.database_address import without_password

DAY = datetime.date(2003, 1, 1)
ROWS = [(1000 + k % 40, 1 + k % 17, 1 + k % 5, f"{DAY + datetime.timedelta(k)}") for k in range(300)]
NULLS = [*ROWS[:7], (None, 3, 4, "2003-01-01"), *ROWS[7:]]
SELECT = "select user_id, movie_id, rating, date from ratings"


def sqlite_shop(folder: Path) -> str:
    """A file of SQLite with the rows; its address without a statement."""
    with contextlib.closing(sqlite3.connect(folder / "shop.db")) as made:
        made.execute("create table ratings (user_id, movie_id, rating, date)")
        made.executemany("insert into ratings values (?, ?, ?, ?)", NULLS)
        made.commit()
    return f"sqlite:///{folder}/shop.db"


def duckdb_shop(folder: Path) -> str:
    """The same of DuckDB."""
    with contextlib.closing(duckdb.connect(str(folder / "shop.duckdb"))) as made:
        made.execute(
            "create table ratings (user_id bigint, movie_id utinyint, rating decimal(3, 1), date date)"
        )
        made.register("rows", pl.DataFrame(NULLS, orient="row").to_arrow())
        made.execute("insert into ratings select * from rows")  # ten times faster than row by row
    return f"duckdb:///{folder}/shop.duckdb"


def taken_rows(root: Path, address: str, **setting: Any) -> tuple[str, list[Any], dict[str, Any], Path]:
    """The digest of the dataset of a query, its rows, its manifest and its folder."""
    store = Store.open(root)
    settings = IngestSettings.model_validate({"duplicates": "off", **setting})
    with snapshots(root, [address]) as ratings:
        dataset = store.ensure(ingest.plan(store, ratings=ratings, titles=None, settings=settings))
    assert not list((root / "work").iterdir())
    rows = [row for batch in ingest.iter_ratings(store, dataset) for row in batch.iter_rows()]
    return dataset.digest, rows, store.manifest("datasets", dataset.digest), store.path(dataset)


def check_rows(root: Path, place: str) -> None:
    """Check that a database gives its rows, and the same dataset again."""
    digest, rows, manifest, _folder = taken_rows(root, f"{place}?query={SELECT}")
    assert rows == [(u, m, r, datetime.date.fromisoformat(d)) for u, m, r, d in ROWS]
    assert manifest["rejects"] == {"user_id_missing": 1}
    part = next((root / "partitions").iterdir()) / "rejects.parquet"
    reject = pl.read_parquet(part).select("file", "line", "code").row(0)
    shown = without_password(f"{place}?query={SELECT}")
    assert reject == (shown, 9, "user_id_missing")
    assert manifest["sources"][0]["path"] == shown
    assert taken_rows(root, f"{place}?query={SELECT}")[0] == digest, "unchanged rows give another dataset"
