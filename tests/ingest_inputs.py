"""Rating files with a fault, and what ingest must make of each: its rows and rejects, or one clear error."""

import bz2
import gzip
import io
import lzma
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from packed import parquet, tar, zipped, zstd

from matinee.errors import DataError, MatineeError

HEADER = "userID,movieID,rating,date\n"
GOOD = [f"{user},{movie},{1 + (user + movie) % 5},2004-01-02" for user in range(20) for movie in range(10)]
MANY = HEADER + "\n".join(GOOD) + "\n"
TITLES = b"1,2003,Dinosaur Planet\n8,NULL,What the #$*! Do We Know!?, and more\n"
NETFLIX = "1:\n" + "".join(f"{user},3,2005-09-06\n" for user in range(100)) + "8:\n7,4,2005-01-01\n"


class Taken(NamedTuple):
    """A successful run: accepted rows, and rejects per code. Rows read are their sum."""

    accepted: int
    rejects: dict[str, int]


class Refused(NamedTuple):
    """A refused run: the error, and words of its paragraph."""

    error: type[MatineeError]
    words: tuple[str, ...]


def one(line: str, code: str) -> tuple[str, Taken]:
    """One bad line among good lines."""
    return MANY + line + "\n", Taken(200, {code: 1})


def good(*lines: str) -> tuple[str, Taken]:
    """Odd but valid lines among ordinary lines."""
    return MANY + "\n".join(lines) + "\n", Taken(200 + len(lines), {})


def refused(content: str | bytes, *words: str) -> tuple[str | bytes, Refused]:
    return content, Refused(DataError, words)


def arrow(compression: Any, **columns: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_ipc(buffer, compression=compression)
    return buffer.getvalue()


NOISE = np.random.default_rng(0).integers(0, 256, 200_000, np.uint8).tobytes()
LONG = "x" * 10_000_000
LINE = '1,2,3 and \\"quotes\\"'
CASES: dict[str, tuple[str | bytes, Taken | Refused]] = {
    # No rating file at all; tests/unit/test_refused_files.py has more of them.
    "blank lines": refused("\n\n  \n\r\n", "blank lines"),
    "only a header, no line end": refused(HEADER.strip(), "no rows"),
    "only a byte order mark": refused("\ufeff", "blank lines"),
    "UTF-16 cut in a character": refused(
        MANY.encode("utf-16")[:-1], "line 201", "utf-16-le", "ingest.encoding"
    ),
    "NUL bytes alone": refused(b"\0" * 5000, "binary content"),
    "titles": refused(TITLES, "titles"),
    "titles with a header": refused("movieId,title,genres\n1,Toy Story (1995),Comedy\n", "titles"),
    "prose": refused("It was the best of times, it was the worst of times.\n" * 9, "no column for"),
    "tags": refused("userID,movieID,tag\n1,2,funny\n", "holds tags", "userID,movieID,rating"),
    "no rating column": refused("userID,movieID,mood\n1,2,glad\n", "rating", "mood", "ingest.columns"),
    "pairs without ratings": refused("1:\n30878\n2647871\n", "pairs", "predict"),
    "qualifying pairs": refused("1:\n1046323,2005-12-19\n", "pairs", "predict"),
    "a column named twice": refused("userId,movieId,rating,user_id\n1,2,3,4\n", "twice", "column 4"),
    "five columns without a header": refused("1,2,3,4,5\n" * 9, "no header", "ingest.columns"),
    # All or too many rows bad.
    "all rows bad": refused(HEADER + "a,b,c,d\n" * 50, "50 of 50", "rating_not_a_number", "line 2"),
    "another delimiter below the header": (
        HEADER + "".join(f"{user};2;3;2004-01-01\n" for user in range(50)),
        Taken(50, {}),
    ),
    "no delimiter of the header": refused(HEADER + "1-2-3\n" * 50, "too_few_columns"),
    "two bad of a hundred": refused(MANY + "1,1,x,\n" * 5, "5 of 205", "max_reject_fraction"),
    # One bad row among good ones.
    "an id beyond int64": one("9223372036854775808,1,3,", "user_id_not_integer"),
    "an id below int64": one("900,-9223372036854775809,3,", "movie_id_not_integer"),
    "a negative id": one("-9,1,3,", "user_id_out_of_bounds"),
    "a fraction as id": one("900.5,1,3,", "user_id_not_integer"),
    "no id": one(",1,3,", "user_id_missing"),
    "a blank id": one("  ,1,3,", "user_id_missing"),
    "no rating": one("900,1,,2004-01-01", "rating_missing"),
    "NaN": one("900,1,NaN,", "rating_not_a_number"),
    "inf": one("900,1,inf,", "rating_not_a_number"),
    "a number beyond a float": one("900,1,1e39,", "rating_not_a_number"),
    "hexadecimal": one("900,1,0x3,", "rating_not_a_number"),
    "full-width digits": one("900,1,３,", "rating_not_a_number"),
    "full-width id": one("９００,1,3,", "user_id_not_integer"),
    "a rating beyond the scale": one("900,1,6,", "rating_out_of_bounds"),
    "a date of 1899": one("900,1,3,1899-12-31", "date_out_of_bounds"),
    "a date of 2199": one("900,1,3,2199-01-01", "date_out_of_bounds"),
    "29 February 2003": one("900,1,3,2003-02-29", "date_unparsable"),
    "month 13": one("900,1,3,2004-13-01", "date_unparsable"),
    "a date of words": one("900,1,3,yesterday", "date_unparsable"),
    "a row cut off": one("900,1", "too_few_columns"),
    "a row too long": one("900,1,3,2004-01-01,5", "too_many_columns"),
    "a quote never closed": one('900,1,3,"2004-01-01', "quote_unclosed"),
    "text after a quote": one('"900"x,1,3,2004-01-01', "user_id_not_integer"),
    "a header amid the rows": (MANY + HEADER, Taken(200, {})),
    "a NUL byte": one("900,1,3\0,2004-01-01", "rating_not_a_number"),
    "a line of NUL bytes": one("\0" * 20, "too_few_columns"),
    "a line of delimiters": one(",,,", "user_id_missing"),
    "a 10 MB line": one(LONG, "too_few_columns"),
    "a 10 MB field": one(f"900,1,{LONG},", "rating_not_a_number"),
    "ISO-8859-1 in a bad row": (
        (MANY + "900,1,caf\u00e9,\n").encode("iso-8859-1"),
        Taken(200, {"rating_not_a_number": 1}),
    ),
    # Odd, but valid.
    "leap day": good("900,1,3,2004-02-29"),
    "a leap year that 100 divides": good("900,1,3,2000-02-29"),
    "empty dates": good("900,1,3,", "901,1,3, "),
    "blanks around fields": good(" 900 ,\t1 , 3 , 2004-01-01 "),
    "quoted fields": good('"900","1","3","2004-01-01"', '901,"1",3,""'),
    "signs and zeros": good("+900,001,+3,2004-01-01"),
    "the largest id": good("9223372036854775807,1,3,"),
    "seconds and days in one column": good("900,1,3,1112486027", "901,1,3,2004-01-01 10:20:30"),
    "no line end at the end": (MANY.strip(), Taken(200, {})),
    "blank lines between": (MANY.replace("\n", "\n\n \n"), Taken(200, {})),
    "a byte order mark": (MANY.encode("utf-8-sig"), Taken(200, {})),
    "an index without a name": (
        ",userID,movieID,rating\n" + "".join(f"{i},{i},1,3\n" for i in range(99)),
        Taken(99, {}),
    ),
    "columns in another order": ("rating,extra,movieID,userID\n3,,2,1\n4,a,2,2\n", Taken(2, {})),
    "one row": (HEADER + "1,2,3,2004-01-01", Taken(1, {})),
    "the same row twice": (HEADER + "1,2,3,2004-01-01\n" * 2 + "1,3,4,\n", Taken(2, {"superseded": 1})),
    "Netflix text with CRLF": (NETFLIX.replace("\n", "\r\n"), Taken(101, {})),
    "a movie line of letters": (NETFLIX + "x:\n", Taken(101, {"movie_id_not_integer": 1})),
    "a row below a movie line of letters": refused(NETFLIX + "x:\n9,3,2005-01-01\n", "movie_id_missing"),
    # Compressed and packed, other than in tests/unit/test_read_forms.py; damage is in tests/faults/attacks.
    "gzip in two members": (
        gzip.compress(MANY[:999].encode()) + gzip.compress(MANY[999:].encode()),
        Taken(200, {}),
    ),
    "gzip of nothing": refused(gzip.compress(b""), "is empty"),
    "gzip cut off": refused(gzip.compress(MANY.encode())[:-200], "corrupt or truncated"),
    "zstd in two frames": (zstd(MANY[:999].encode()) + zstd(MANY[999:].encode()), Taken(200, {})),
    "zstd cut off": refused(zstd(MANY.encode())[:-20], "corrupt or truncated"),
    "tar": (tar({"set/mv_1.txt": NETFLIX, "set/mv_2.txt": "2:\n5,3,2005-01-01\n"}), Taken(102, {})),
    "tar.gz": (tar({"mv_1.txt": NETFLIX}, mode="w:gz"), Taken(101, {})),
    "tar of a tar and of other files": (
        tar({"README": "Read me.\n", "probe.txt": "1:\n7\n", "training_set.tar": tar({"mv_1.txt": NETFLIX})}),
        Taken(101, {}),
    ),
    "tar of gzip": (tar({"a.csv.gz": gzip.compress(MANY.encode())}), Taken(200, {})),
    "tar without ratings": refused(tar({"README": "Read me.\n"}), "archive", "no rating file"),
    "bz2 in two streams": (
        bz2.compress(MANY[:999].encode()) + bz2.compress(MANY[999:].encode()),
        Taken(200, {}),
    ),
    "bz2 cut off": refused(bz2.compress(MANY.encode())[:-9], "corrupt or truncated", "compressed stream"),
    "xz in two streams with padding": (
        lzma.compress(MANY[:999].encode()) + bytes(8) + lzma.compress(MANY[999:].encode()),
        Taken(200, {}),
    ),
    "xz cut off": refused(lzma.compress(MANY.encode())[:-9], "corrupt or truncated", "compressed stream"),
    "zip": (zipped({"set/a.csv": MANY, "set/": "", "__MACOSX/._a.csv": "\0"}), Taken(200, {})),
    "zip of what is packed": (
        zipped({"a.tar.gz": tar({"mv_1.txt": NETFLIX}, mode="w:gz"), "b.zip": zipped({"b.csv": MANY})}),
        Taken(280, {"superseded": 21}),
    ),
    "zip in gzip": (gzip.compress(zipped({"a.csv": MANY})), Taken(200, {})),
    "zip of Parquet": (
        zipped({"a": parquet(userId=[1, 2], movieId=[1, 1], rating=[3.5, 4.0])}),
        Taken(2, {}),
    ),
    "JSON lines": (
        "".join(
            f'{{"user_id": "{user}", "text": "a\\n{LINE}", "item_id": {movie}, "stars": {stars}, "date": "{day}"}}\n\n'
            for user, movie, stars, day in (row.split(",") for row in GOOD)
        ),
        Taken(200, {}),
    ),
    "JSON lines with faults": (
        '{"user": 1, "item": 1, "rating": 3}\n{"user": 1, "item": 2, "rating": 4\n5,3,4\n{"user": 1, "item": 3}\n'
        + '{"user": 2, "item": null, "rating": 1}\n'
        + "".join(f'{{"user": 3, "item": {movie}, "rating": 5}}\n' for movie in range(996)),
        Taken(997, {"too_few_columns": 2, "rating_missing": 1, "movie_id_missing": 1}),
    ),
    "JSON of something else": refused('{"name": "a"}\n', "no column for", "'name'"),
    "Arrow": (arrow("lz4", userId=["1", "2"], movieId=[1, 1], rating=[3.5, 4.0]), Taken(2, {})),
    "Arrow in gzip": (
        gzip.compress(arrow("uncompressed", userId=[1, 2], movieId=[1, 1], rating=[3.5, 4.0])),
        Taken(2, {}),
    ),
    "Arrow cut off": refused(arrow("zstd", userId=[1], movieId=[1], rating=[3])[:-9], "corrupt or truncated"),
    "parquet with nulls": refused(parquet(user=[1, None], item=[1, 1], rating=[3, 4]), "user_id_missing"),
    "parquet cut off": refused(parquet(userId=[1], movieId=[1], rating=[3])[:-20], "corrupt or truncated"),
    "parquet of something else": refused(parquet(name=["a"]), "no column for"),
}
