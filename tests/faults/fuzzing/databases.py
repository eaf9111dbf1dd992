"""Database files of ratings, and mutations that keep their structure and checksums correct."""

import contextlib
import sqlite3
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

Rows = list[tuple[Any, ...]]

_BLOCK = 1 << 14  # bytes of a block of DuckDB, the least that it allows
_HEADERS, _HEADER = 3, 1 << 12
_RANDOM, _RANDOM_SIZE = 124, 16  # the identifier of a database in its first header
_CHECKSUM = 8  # bytes at the beginning of a block
_TABLE = "create table ratings (user_id bigint, movie_id bigint, rating double, date text)"
_ODD = (
    "select {0}, {0}, 3.0, '2003-01-01'",
    "select 1, 2, {0}, '2003-01-01'",
    "select 1, 2, 3.0, {0}",
)
_SQLITE_VALUES = [
    "null",
    "x'00ff'",
    "9e999",
    "-9223372036854775808",
    "'a' || char(0) || 'b'",
    "char(27, 91, 50, 74)",
    "cast(x'fffe' as text)",
    "zeroblob(100000)",
    "replace(hex(zeroblob(30000)), '0', ',')",
    "'=1+1'",
    "1.5",
    "'1' || char(10) || '2'",
]
_DUCKDB_VALUES = [
    "null",
    "'\\x00'::blob",
    "'nan'::double",
    "'inf'::float",
    "170141183460469231731687303715884105727::hugeint",
    "[1, 2]",
    "{'a': 1}",
    "map {1: 2}",
    "interval 1 year",
    "'6a4d3b2e-0000-4000-8000-000000000001'::uuid",
    "'infinity'::date",
    "'294247-01-10'::timestamp",
    "'-infinity'::timestamptz",
    "time '24:00:00'",
    "'101'::bit",
    "chr(0)",
    "repeat(',', 30000)",
    "'a'::enum('a', 'b')",
    "1.5::decimal(38, 10)",
    "[]",
    "union_value(a := 1)",
]


def sqlite_of(rows: Rows) -> bytes:
    """A SQLite file with a table of ratings."""
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.execute("pragma page_size = 1024")
        database.execute(_TABLE)
        database.executemany("insert into ratings values (?, ?, ?, ?)", rows)
        database.commit()
        return bytes(database.serialize())


def spoil_sqlite(data: bytes, rng: Random) -> bytes:
    """A valid SQLite file with odd values, a view, or another definition of its table; or an odd number in a page."""
    way = rng.randrange(3)
    if way == 0:
        size = int.from_bytes(data[16:18], "big")
        page = rng.randrange(len(data) // size)
        first = page * size + (100 if page == 0 else 0)
        at = first + rng.choice((0, 1, 3, 5, 7, *range(8, 60, 2)))
        return data[:at] + rng.choice((b"\0\0", b"\xff\xff", rng.randbytes(2))) + data[at + 2 :]
    if way == 1:
        at = rng.choice((16, 18, 19, 20, 21, 24, 28, 32, 36, 40, 44, 52, 56, 60, 92, 96))
        return data[:at] + rng.choice((b"\0\0", b"\xff\xff", b"\0\1", rng.randbytes(2))) + data[at + 2 :]
    odd = rng.choice(_ODD).format(rng.choice(_SQLITE_VALUES))
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(data)
        if rng.random() < 0.7:
            database.execute(f"insert into ratings {odd}")
        else:
            database.execute("alter table ratings rename to kept")
            more = rng.choice(("", " union all select * from kept", " union all select * from ratings"))
            database.execute(f"create view ratings (user_id, movie_id, rating, date) as {odd}{more}")
        database.commit()
        return bytes(database.serialize())


def duckdb_of(rows: Rows) -> bytes:
    """A DuckDB file with a table of ratings, in small blocks."""
    return _written(_TABLE, *(f"insert into ratings values {row!r}" for row in rows))


def _written(*statements: str) -> bytes:
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ratings.duckdb"
        with contextlib.closing(duckdb.connect(config={"threads": "1"})) as database:
            database.execute(f"attach '{path}' as made (block_size {_BLOCK})")
            database.execute("use made")
            for statement in statements:
                database.execute(statement)
        made = path.read_bytes()
    head = made[_CHECKSUM:_RANDOM] + bytes(_RANDOM_SIZE) + made[_RANDOM + _RANDOM_SIZE : _HEADER]
    return _checksum(head) + head + made[_HEADER:]


def spoil_duckdb(data: bytes, rng: Random) -> bytes:
    """A DuckDB file with an odd byte or number and the right checksum, or one with odd values or types."""
    if rng.random() < 0.1:
        odd = rng.choice(_ODD).format(rng.choice(_DUCKDB_VALUES))
        more = rng.choice(("create table", "create view", "create table kept as select 1; create view"))
        with contextlib.suppress(Exception):  # a type that this version can't store
            return _written(f"{more} ratings (user_id, movie_id, rating, date) as {odd}")
    starts = [_HEADER * number for number in range(_HEADERS)]
    starts += range(_HEADERS * _HEADER, len(data) - _BLOCK + 1, _BLOCK)
    start = rng.choice(starts)
    size = _HEADER if start < _HEADERS * _HEADER else _BLOCK
    block = bytearray(data[start + _CHECKSUM : start + size])
    used = len(bytes(block).rstrip(b"\0")) or size - _CHECKSUM
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, width = rng.randrange(used), rng.choice((1, 1, 2, 4, 8))
        odd_bytes = rng.choice((bytes(width), b"\xff" * width, rng.randbytes(width)))
        block[at : at + width] = odd_bytes[: len(block) - at]
    return data[:start] + _checksum(bytes(block)) + bytes(block) + data[start + size :]


def _checksum(block: bytes) -> bytes:
    """DuckDB's checksum of a block: https://github.com/duckdb/duckdb/blob/main/src/common/checksum.cpp"""
    words = np.frombuffer(block, "<u8")
    with np.errstate(over="ignore"):
        mixed = np.bitwise_xor.reduce(words * np.uint64(0xBF58476D1CE4E5B9))
    return (int(mixed) ^ 5381).to_bytes(8, "little")
