"""Rating and title files that are something else, have false headers, or have hostile names."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from attacks.ground import Attack, Ground
from attacks.spoiling import Content, puts
from packed import parquet

HEADER = "userID,movieID,rating,date\n"
ROWS = HEADER + "".join(f"{u},{m},{1 + (u + m) % 5},2004-01-02\n" for u in range(10) for m in range(10))
INTEGER = "ingest.ids=integer"
IDS = {"userID": [1, 2], "movieID": [1, 1], "rating": [3.0, 4.0]}
INGEST = ["ingest", "--titles", "{titles}", "--store", "{folder}/new", "--ratings"]


def renamed(*names: str) -> bytes:
    """Parquet of IDS with other names, of which some may be equal."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(IDS).rename_columns(names), buffer)
    return buffer.getvalue()


def refused(name: str, content: Content, *says: str, sets: str = "") -> Attack:
    words = [*INGEST, "{folder}/a.csv", *(word for each in sets.split() for word in ("--set", each))]
    return Attack(name, words, 3, puts("a.csv", content), says=["a.csv", *says], hides=["\x1b"])


def titles(name: str, content: Content, *says: str, sets: str = "") -> Attack:
    words = ["ingest", "--ratings", "{ratings}", "--titles", "{folder}/a.csv", "--store", "{folder}/new"]
    return Attack(
        name, [*words, *(["--set", sets] if sets else [])], 3, puts("a.csv", content), says=["a.csv", *says]
    )


def links_in_a_loop(ground: Ground) -> None:
    folder = ground.folder / "data"
    for name in "abc":
        (folder / name).mkdir(parents=True)
        (folder / name / "up").symlink_to(folder)
    (folder / "a" / "ratings.csv").write_text(ROWS)
    (folder / "itself").symlink_to(folder / "itself")


def makes(make: Callable[[Path], None]) -> Callable[[Ground], None]:
    return lambda ground: make(ground.folder / "a.csv")


ATTACKS = [
    refused("Parquet with ids as bytes", parquet(**IDS | {"userID": [b"1", b"2"]}), "userID", "binary"),
    refused(
        "Parquet with ratings as durations",
        parquet(**IDS | {"rating": pa.array([1, 2], pa.duration("s"))}),
        "duration",
    ),
    refused(
        "Parquet with nested ids", parquet(**IDS | {"movieID": [{"id": 1}, {"id": 2}]}), "movieID", "struct"
    ),
    refused("Parquet with lists as ids", parquet(**IDS | {"movieID": [[1], [2]]}), "movieID", "list"),
    refused("Parquet with a column twice", renamed("userID", "rating", "rating"), "'rating' twice"),
    refused("Parquet without a column", parquet(), "without a column of numbers"),
    refused("Parquet without a row", parquet(**{name: pa.array([], pa.int64()) for name in IDS}), "no rows"),
    refused(
        "Parquet with dates beyond the calendar",
        parquet(**IDS, date=pa.array([2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32())),
        "date_unparsable",
    ),
    refused(
        "Parquet with column names that a terminal obeys",
        renamed("user\x1b[31m", "mov\nie", "\u202erating"),
        "no column for",
    ),
    refused(
        "Parquet of 2,100 columns",
        lambda: parquet(**{f"c{n}": [1] for n in range(2_100)}),
        "2,100 columns",
    ),
    refused(
        "Parquet with one long text for all rows",
        lambda: parquet(
            **{name: pa.array(np.ones(40, np.int8)) for name in IDS},
            note=pa.DictionaryArray.from_arrays(np.zeros(40, np.int32), ["x" * (2 << 20)]),
        ),
        "ingest.max_line_mb",
        sets="ingest.max_line_mb=1",
    ),
    refused(
        "Parquet whose footer is noise", parquet(**IDS)[:-60] + b"\xff" * 52 + parquet(**IDS)[-8:], "corrupt"
    ),
    refused("four bytes of Parquet", b"PAR1", "corrupt or truncated"),
    refused(
        "a text id of 5,000 digits in every row", HEADER + f"{'9' * 5000},1,3,\n" * 9, "user_id_too_long"
    ),
    refused("ids with underscores", HEADER + "1_0,1,3,\n" * 9, "user_id_not_integer", sets=INTEGER),
    refused("ids in Arabic digits", HEADER + "\u0663,1,3,\n" * 9, "user_id_not_integer", sets=INTEGER),
    refused(
        "a header of 100,000 columns",
        ",".join(f"c{n}" for n in range(100_000)) + "\n1,2,3\n",
        "line 1",
        "longer than",
    ),
    refused("a header of open quotes", '",' * 30_000 + "\n1,2,3\n", "no column for"),
    refused("a line of 40 MB", lambda: HEADER.encode() + b"1" * (40 << 20), "ingest.max_line_mb"),
    refused("a million blank lines and a rating", lambda: b"\n" * 1_000_000 + ROWS.encode(), "blank lines"),
    refused("only comments", "# a rating a line\n" * 99, "no column for"),
    refused(
        "more rejects than a disk is for",
        HEADER + "x,1,3,\n" * 20_000,
        "ingest.max_rejects_mb",
        sets=f"ingest.max_rejects_mb=1 {INTEGER}",
    ),
    refused("a column named twice by escapes", "userID,user\x1bID,movieID,rating\n1,2,3,4\n", "twice"),
    refused(
        "a Parquet column with a line end in its name",
        renamed("user\nmatinee: all is well", "movieID", "rating"),
        "found 'user matinee: all is well'",
    ),
    refused("a line of escapes", HEADER + "\x1b]0;owned\x07,1,3,\n" * 4, "user_id_not_integer", sets=INTEGER),
    Attack(
        "text ids of escapes",
        [*INGEST, "{folder}/a.csv", "--set", "ingest.ids=text"],
        0,
        puts("a.csv", ROWS + "\x1b]0;owned\x07,\x1b[31m,3,\n\u202e,=cmd,4,\n"),
        hides=["\x1b"],
    ),
    Attack("a pipe", [*INGEST, "{folder}/a.csv"], 2, makes(os.mkfifo), says=["a pipe or a device"]),
    Attack("a device without an end", [*INGEST, "/dev/zero"], 2, says=["/dev/zero", "a pipe or a device"]),
    Attack(
        "a link to itself",
        [*INGEST, "{folder}/a.csv"],
        2,
        makes(lambda path: path.symlink_to(path)),
        says=["a.csv"],
    ),
    Attack("a name that is too long", [*INGEST, "{folder}/" + "x" * 300], 2, says=["could not be read"]),
    Attack(
        "a pattern over folders that link to themselves",
        [*INGEST, "{folder}/data/**/*.csv"],
        0,
        links_in_a_loop,
    ),
    Attack(
        "a folder that links to itself",
        [*INGEST, "{folder}/data", "--set", "ingest.unreadable=skip"],
        0,
        links_in_a_loop,
        says=["up (a link to a folder that contains it)", "itself is a broken link"],
    ),
    Attack(
        "a name that is not UTF-8",
        [*INGEST, "{folder}/in"],
        3,
        puts(b"in/caf\xe9.csv", ROWS),
        says=["not UTF-8", "\\udce9.csv"],
    ),
    Attack(
        "a name of escapes",
        [*INGEST, "{folder}/in", "--set", INTEGER],
        3,
        puts("in/\x1b[31m\nred.csv", HEADER + "x,1,3,\n" * 9),
        says=["\\x1b[31m"],
    ),
    titles("titles of one line of 20 MB", lambda: b"1,2003," + b"x" * (20 << 20), "ingest.max_line_mb"),
    titles(
        "titles by the million",
        lambda: b"".join(b"%d,2003,A\n" % n for n in range(40_000)),
        "ingest.max_titles_mb",
        sets="ingest.max_titles_mb=1",
    ),
    titles("titles of NUL bytes", bytes(5000), "binary content"),
    titles("titles of ids of 5,000 digits", f"{'9' * 5000},2003,A\n" * 9, "movie_id_too_long"),
    titles("titles of years of 5,000 digits", f"1,{'9' * 5000},A\n" * 9, "year_not_integer"),
    titles(
        "a title that a pattern chokes on",
        "movieId,title,genres\nx,(1999-" + " " * 200_000 + "x,y\n",
        "movie_id_not_integer",
    ),
]
