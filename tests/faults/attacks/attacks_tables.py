"""Tables: Parquet, Arrow, JSON lines, Delta and UTF-16 that claim, name or unpack to what is not there."""

import contextlib
import io
import json
import os
import sqlite3
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import packed
import pyarrow as pa
import pyarrow.parquet as pq
from attacks.attacks_archives import ROWS, refused
from attacks.ground import Attack, Ground
from packed import zipped

COUNT = 1000
OBJECT = b'{"user_id":1,"movie_id":2,"rating":3}\n'
SPELLINGS = [
    "".join(char.upper() if number >> place & 1 else char for place, char in enumerate("movieid"))
    + " " * (number >> 7)
    for number in range(2_200)
]


def arrow(*columns: pa.Array, was: int = COUNT, now: int = COUNT) -> bytes:
    """An Arrow file in which each number `was` is replaced by `now`."""
    out = io.BytesIO()
    table = pa.table(dict(zip(("userID", "movieID", "rating"), columns, strict=True)))
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue().replace(struct.pack("<q", was), struct.pack("<q", now))


NUMBERS = (pa.array(range(COUNT), pa.int64()),) * 3
NULLS = (pa.nulls(COUNT),) * 3
BODY = 3 * COUNT * 8  # bytes of a batch of NUMBERS


def parquet(**more: Any) -> bytes:
    out = io.BytesIO()
    table = {"userID": [1, 2], "movieID": [1, 2], "rating": [3.0, 4.0], **more}
    pq.write_table(pa.table(table), out, compression="zstd", use_dictionary=False)
    return out.getvalue()


def page_that_claims(size: int) -> bytes:
    """Parquet whose first page states another size, in as many bytes."""
    whole = parquet()
    return whole[:6] + bytes([size << 1 & 127 | 128, size >> 6]) + whole[8:]


def fields(**field: Any) -> bytes:
    return json.dumps(field).encode() + b"\n"


def zip_twice() -> bytes:
    whole = zipped({"a.csv": ROWS, "b.csv": ROWS})
    return whole.replace(b"b.csv", b"a.csv")


def zip_shorter() -> bytes:
    """A zip whose end lists the first of its two files."""
    whole = bytearray(zipped({"a.csv": ROWS, "b.csv": ROWS}))
    size = whole.rindex(b"PK\x01\x02") - whole.index(b"PK\x01\x02")
    whole[-14:-6] = struct.pack("<2HL", 1, 1, size)
    return bytes(whole)


def zip_64(offset: int) -> bytes:
    """A zip of the long form, whose directory is elsewhere."""
    body = zipped({"a.csv": ROWS})[:-22]
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 60, offset)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(body), 1)
    rest = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, 2**32 - 1, 2**32 - 1, 0)
    return body + end + locator + rest


def link_in_zip() -> bytes:
    link = zipfile.ZipInfo("ratings.csv")
    link.external_attr = 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return out.getvalue()


def log_of(*lines: bytes, data: bytes = parquet()) -> Callable[[Ground], Path]:
    """A Delta table with one file, and one commit of some lines."""

    def prepare(ground: Ground) -> Path:
        log = ground.folder / "table" / "_delta_log"
        log.mkdir(parents=True)
        (log.parent / "a.parquet").write_bytes(data)
        commit = log / f"{0:020}.json"
        commit.write_bytes(b"".join(lines))
        return commit

    return prepare


ADD = fields(add={"path": "a.parquet"})


def replaced(make: Callable[[Path], None]) -> Callable[[Ground], None]:
    """A Delta table with something else in place of its commit."""

    def prepare(ground: Ground) -> None:
        commit = log_of(ADD)(ground)
        commit.unlink()
        make(commit)

    return prepare


def log_elsewhere(ground: Ground) -> None:
    commit = log_of(ADD)(ground)
    commit.parent.rename(ground.folder / "log")
    commit.parent.symlink_to(ground.folder / "log")


def checkpoint_of(**columns: Any) -> Callable[[Ground], None]:
    def prepare(ground: Ground) -> None:
        log_of(ADD)(ground).with_name(f"{0:020}.checkpoint.parquet").write_bytes(packed.parquet(**columns))

    return prepare


def delta(name: str, prepare: Callable[[Ground], Any], *says: str) -> Attack:
    words = ["ingest", "--ratings", "{folder}/table", "--titles", "{titles}", "--store", "{folder}/new"]
    return Attack(name, words, 3, prepare, says=["Delta table", *says], hides=["\x1b"])


def sqlite_view(ground: Ground) -> None:
    with contextlib.closing(sqlite3.connect(ground.folder / "a.sqlite")) as database:
        text = "hex(zeroblob(20000000))"
        database.execute(f"create view ratings as select {text} as user_id, 1 as movie_id, 3 as rating")


def duckdb_view(ground: Ground) -> None:
    with contextlib.closing(duckdb.connect(str(ground.folder / "a.duckdb"))) as database:
        database.execute(
            f"create view ratings as select * from read_csv('{ground.ratings}', ignore_errors=true)"
        )


def database(name: str, prepare: Callable[[Ground], None], place: str, *says: str) -> Attack:
    words = ["ingest", "--ratings", f"{place}?query=select * from ratings", "--titles", "{titles}"]
    return Attack(
        name, [*words, "--store", "{folder}/new"], 2, prepare, says=["refused by the database", *says]
    )


NOT_THERE = "not a file in its folder"
ODD_PATHS = ("/dev/zero", "../ratings.csv", "a\0b", "a%00b", "x" * 300, "x/" * 3_000, "\ud800", "")

ATTACKS = [
    database("a view of SQLite with a text of 40 MB", sqlite_view, "sqlite:///{folder}/a.sqlite", "too big"),
    database(
        "a view of DuckDB that reads another file",
        duckdb_view,
        "duckdb:///{folder}/a.duckdb",
        "Cannot access file",
    ),
    refused("Arrow of 2^60 rows", arrow(*NUMBERS, now=1 << 60), "claims 1,152,921,504,606,846,976 rows"),
    refused("Arrow of 2^60 rows without a value", arrow(*NULLS, now=1 << 60), "claims"),
    refused(
        "Arrow of more rows than values", arrow(*NUMBERS, now=1 << 24), "corrupt or truncated", "too small"
    ),
    refused("Arrow of less than no rows", arrow(*NUMBERS, now=-1), "claims -1 rows"),
    refused(
        "Arrow with a batch of a terabyte",
        arrow(*NUMBERS, was=BODY, now=1 << 40),
        "outside the Arrow file",
    ),
    replace(
        refused("Parquet with a large page", parquet(note=["x" * (3 << 20), ""]), "a page of 3 MB"),
        patches={"matinee.containers.parquet_pages._LARGEST_PAGE": 1 << 20},
    ),
    refused("Parquet with a page that claims less", page_that_claims(1), "a.bin"),
    refused(
        "JSON lines of 2,200 spellings of a column",
        OBJECT + json.dumps(dict.fromkeys(SPELLINGS, 1)).encode() + b"\n" + b"{}\n" * 9_000,
        "JSON with 2,20",
    ),
    refused("JSON 100,000 deep", b'{"rating":' + b"[" * 100_000 + b"\n" + OBJECT, "too_few_columns"),
    refused(
        "JSON lines with a key of 2 MB",
        OBJECT + b'{"' + b"x" * (2 << 20) + b'":1}\n',
        "ingest.max_line_mb",
        sets="ingest.max_line_mb=1",
    ),
    refused(
        "UTF-16 cut within a pair of surrogates",
        "userID,movieID,rating\n1,1,\U0001f600".encode("utf-16")[:-2],
    ),
    refused("a zip with a name twice", zip_twice(), "a.csv twice"),
    refused("a zip whose end leaves out a file", zip_shorter(), "not where its end says"),
    refused("a zip of the long form with a directory at 2^63", zip_64(1 << 63), "not where its end says"),
    refused("a zip of a link", link_in_zip(), "no rating file"),
    *(
        delta(f"a Delta log that lists {path[:12]!a}", log_of(fields(add={"path": path})), NOT_THERE)
        for path in ODD_PATHS
    ),
    delta("a Delta log that adds nothing by name", log_of(ADD, fields(add={})), "damaged", "path"),
    delta("a Delta log whose commit is empty", log_of(), "is empty"),
    delta(
        "a Delta log of a line of 17 MB", log_of(ADD, fields(commitInfo="x" * (17 << 20))), "more than 16 MB"
    ),
    delta("a Delta log 100,000 deep", log_of(ADD, b"[" * 100_000), "damaged"),
    delta(
        "a Delta log with a value of 10 kB for each row",
        log_of(fields(add={"path": "a.parquet", "partitionValues": {"userID": "9" * 10_000}})),
        "more than 4,096 characters",
    ),
    delta("a Delta log that is a pipe", replaced(os.mkfifo), "not a plain file"),
    delta(
        "a Delta log that links to /dev/zero", replaced(lambda path: path.symlink_to("/dev/zero")), "damaged"
    ),
    delta("a Delta log that is a link to a folder", log_elsewhere, "it is a link"),
    delta("a Delta checkpoint without files", checkpoint_of(x=[1]), "lists no files"),
    delta(
        "a Delta checkpoint with sidecars",
        checkpoint_of(add=[{"path": "a.parquet"}, None], sidecar=[None, {"path": "b.parquet"}]),
        "sidecars",
    ),
]
