"""Everything that is read: each form of the table in docs/data.md is read right, all of them as files of one folder."""

import bz2
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from packed import tar, zipped, zstd
from pyarrow import feather

from matinee import ingest
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

DOCS = Path(__file__).parents[2] / "docs/data.md"
Row = tuple[int, int, int, date]
EPOCH = date(1970, 1, 1)
HEADER = "userId,movieId,rating,date\n"
PER_FILE = 60


def _rows(number: int) -> list[Row]:
    """The rows of a file; no two files share a user, and users are above all movies."""
    first = 1000 * (number + 1)
    return [(first + k % 20, 1 + k, 1 + k % 5, date(2003, 1, 9) + timedelta(k)) for k in range(PER_FILE)]


def _text(form: str, header: str = HEADER, end: str = "\n") -> Callable[[list[Row]], bytes]:
    def write(rows: list[Row]) -> bytes:
        lines = [form.format(u=u, m=m, r=r, d=d, s=86400 * (d - EPOCH).days + 60) for u, m, r, d in rows]
        return "".join(f"{line}{end}" for line in [*header.splitlines(), *lines]).encode()

    return write


CSV = _text("{u},{m},{r},{d}")


def _encoded(encoding: str, mark: str = "") -> Callable[[list[Row]], bytes]:
    write = _text("{u},{m},{r},{d},très bien", HEADER.replace("\n", ",text\n"))
    return lambda rows: (mark + write(rows).decode()).encode(encoding)


def _table(rows: list[Row]) -> pa.Table:
    return pa.table([list(column) for column in zip(*rows, strict=True)], names=HEADER.strip().split(","))


def _written(write: Callable[..., object], rows: list[Row]) -> bytes:
    out = io.BytesIO()
    write(_table(rows), out)
    return out.getvalue()


def _joined(rows: list[Row]) -> bytes:
    half = len(rows) // 2
    other = _text("{m},{d},{u},{r}", "movieId,date,userId,rating\n")
    return CSV(rows[:half]) + other(rows[half:])


def _both_ends(rows: list[Row]) -> bytes:
    half = len(rows) // 2
    return CSV(rows[:half]) + _text("{u},{m},{r},{d}", "", "\r\n")(rows[half:])


def _netflix(rows: list[Row]) -> bytes:
    return "".join(f"{m}:\n{u},{r},{d}\n" for u, m, r, d in rows).encode()


def _json(rows: list[Row]) -> bytes:
    objects = [{"user_id": u, "item": m, "stars": r, "date": str(d), "text": [1]} for u, m, r, d in rows]
    return "".join(f"{json.dumps(each)}\n" for each in objects).encode()


Write = Callable[[list[Row]], bytes]
FORMS: Final[Mapping[str, Mapping[str, Write]]] = {
    "packing": {
        "plain": CSV,
        "`.gz`": lambda rows: gzip.compress(CSV(rows)),
        "`.bz2`": lambda rows: bz2.compress(CSV(rows)),
        "`.xz`": lambda rows: lzma.compress(CSV(rows)),
        "`.zst`": lambda rows: zstd(CSV(rows)),
        "`.zip`": lambda rows: zipped({"ml/ratings.csv": CSV(rows)}),
        "`.tar`": lambda rows: tar({"ml/ratings.csv": CSV(rows)}),
        "nested": lambda rows: zipped({"ml.tar.gz": gzip.compress(tar({"ml/ratings.csv": CSV(rows)}))}),
    },
    "tables": {
        "text": CSV,
        "JSON lines": _json,
        "`.inter`": _text(
            "{u}\t{m}\t{r}\t{s}", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        ),
        "Parquet": lambda rows: _written(pq.write_table, rows),
        "Arrow": lambda rows: _written(feather.write_feather, rows),
    },
    "delimiter": {
        "`,`": CSV,
        "`;`": _text("{u};{m};{r};{d}", "u;m;rating;date\n".replace("u;m", "user;movie")),
        "tab": _text("{u}\t{m}\t{r}\t{d}", ""),
        "`::`": _text("{u}::{m}::{r}::{s}", ""),
        "bar": _text("{u}|{m}|{r}|{d}", ""),
        "blanks": _text("{u}  {m} {r} {d}", ""),
        "no-break spaces": _text("{u}\u00a0{m}\u00a0{r}\u00a0{d}", ""),
        "`sep=;`": _text("{u};{m};{r};{d}", "sep=;\nuser;movie;rating;date\n"),
    },
    "quoting": {
        "in double quotes": _text('"{u}","{m}","{r}","{d}"'),
        "doubled": _text('{u},{m},{r},{d},"a ""b"", c"', HEADER.replace("\n", ",text\n")),
        '`\\"`': _text('{u},{m},{r},{d},"a \\"b\\", c"', HEADER.replace("\n", ",text\n")),
        "whole lines": _text('"{u},{m},{r},{d}"', '"userId,movieId,rating,date"\n'),
    },
    "comments": {
        "`#`": _text("{u},{m},{r},{d}", f"# a\n{HEADER}"),
        "`%`": _text("{u} {m} {r} {d}", "% a\n% b\n"),
    },
    "line ends": {
        "LF": CSV,
        "CRLF": _text("{u},{m},{r},{d}", end="\r\n"),
        "both": _both_ends,
        "CR in": _text("{u},{m},{r},{d}", end="\r"),
    },
    "encoding": {
        "UTF-8": _encoded("utf-8"),
        "with or without a byte order mark": _encoded("utf-16-le", "\ufeff"),
        "UTF-16": _encoded("utf-16-be"),
        "UTF-32": _encoded("utf-32-le", "\ufeff"),
        "Windows-1252": _encoded("cp1252"),
    },
    "header": {
        "any case, order": _text("{r},{d},{u},{m}", "Book-Rating,DATE,User ID,ISBN\n"),
        "no header": _text("{u},{m},{r},{d}", ""),
        "joined files": _joined,
    },
    "numbers": {
        "`113`": CSV,
        "`113.0`": _text("{u}.0,{m}.0,{r}.0,{d}"),
        '`="113"`': _text('="{u}",="{m}",{r},{d}'),
        "`3,5`": _text("{u};{m};{r},0;{d}", HEADER.replace(",", ";")),
        "`1e0`": _text("{u},{m},{r}e0,{d}"),
    },
    "dates": {
        "ISO 8601": _text("{u},{m},{r},{d}T10:30:00+02:00"),
        "seconds": _text("{u},{m},{r},{s}"),
        "milliseconds": _text("{u},{m},{r},{s}123"),
        "microseconds": _text("{u},{m},{r},{s}123456"),
        "`20030216`": _text("{u},{m},{r},{d:%Y%m%d}"),
        "`16.02.2003`": _text("{u},{m},{r},{d:%d.%m.%Y}"),
        "`2/16/2003`": _text("{u},{m},{r},{d:%m/%d/%Y}"),
        "`16 Feb 2003`": _text("{u},{m},{r},{d:%d %b %Y}"),
    },
    "Netflix Prize": {"`combined_data_*.txt`": _netflix},
    "folders": {"`year=2003/part-0.parquet`": lambda rows: _written(pq.write_table, rows)},
}
WRITERS = [(words, write) for forms in FORMS.values() for words, write in forms.items()]


def test_every_form_of_the_table_is_read_right(tmp_path: Path) -> None:
    for number, (words, write) in enumerate(WRITERS):
        hive = tmp_path / "data" / f"{number:02}" / ("year=2003" if "year=" in words else "")
        hive.mkdir(parents=True)
        (hive / "ratings").write_bytes(write(_rows(number)))
    store = Store.open(tmp_path / "store")
    settings = IngestSettings(duplicates="off", max_reject_fraction=0)
    dataset = store.ensure(ingest.plan(store, ratings=[tmp_path / "data"], titles=None, settings=settings))
    found = pl.concat(ingest.iter_ratings(store, dataset)).rows()
    for number, (words, _) in enumerate(WRITERS):
        expected = [(u, m, float(r), d) for u, m, r, d in _rows(number)]
        assert found[number * PER_FILE : (number + 1) * PER_FILE] == expected, words
    assert len(found) == PER_FILE * len(WRITERS)


def test_the_docs_list_every_form_in_one_table() -> None:
    part = DOCS.read_text("utf-8").partition("| property | forms that are read |\n")[2].partition("\n\n")[0]
    rows = dict(re.split(r" (?<!\\)\| ", line[2:-2], maxsplit=1) for line in part.splitlines()[1:])
    missing = [
        f"{name}: {words}"
        for name, forms in FORMS.items()
        for words in forms
        if words not in rows.get(name, "")
    ]
    assert not missing
    assert list(rows) == [*FORMS, "databases", "ids", "titles"]
