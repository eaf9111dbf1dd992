"""Rating files as people have them: each is read right, or refused with a sentence that says what it is."""

import io
import lzma
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from matinee import ingest
from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.date_forms import recognize_dates
from matinee.ingest.reading.judgement import judge_source
from matinee.ingest.reading.other_kinds import kind_by_content, kind_by_name
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.reading.sources import find_sources
from matinee.schemas.headers import ALIASES, plain_name
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

DOCS = Path(__file__).parents[2] / "docs"
EPOCH = date(1970, 1, 1)
HEADER = "userId,movieId,rating,date\n"
# Users are above all movies, so that swapped columns show.
PLAIN = [(1000 + k % 40, 1 + k % 17, 1 + k % 5, date(2003, 1 + k % 12, 1 + k % 28)) for k in range(120)]
TITLES = "".join(f"{movie},1999,Film {movie}\n" for movie in (*range(1, 20), *range(103, 220)))
ZEROS = ("0000-00-00", "0000-00-00T00:00:00Z", "0000-00-00 00:00:00.000000", "00/00/0000")
NO_DATES = ("NULL", "\\N", "NA", "n/a", "NaT", "nan", "None", '"null"', *ZEROS)
Row = tuple[int, int, float, date | None]


def lines(form: str, rows: list[Any] = PLAIN) -> str:
    """The rows, each as `form` has its fields u, m, r, d and the seconds s."""
    return "".join(
        form.format(u=u, m=m, r=r, d=d, s=86400 * (d - EPOCH).days + 60) + "\n" for u, m, r, d in rows
    )


def make(folder: Path, content: str | bytes, **setting: Any) -> tuple[list[Row], dict[str, Any]]:
    """The accepted rows of a file, and the manifest of its dataset."""
    path, titles = folder / "ratings.txt", folder / "titles.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    titles.write_text(TITLES)
    store = Store.open(folder / "store")
    settings = IngestSettings.model_validate({"duplicates": "off", "max_reject_fraction": 0.02, **setting})
    dataset = store.ensure(ingest.plan(store, ratings=[path], titles=titles, settings=settings))
    manifest = store.manifest("datasets", dataset.digest)
    assert manifest["rows_read"] == manifest["rows"] + manifest["rows_rejected"]
    rows: list[Row] = []
    for batch in ingest.iter_ratings(store, dataset):
        rows += batch.iter_rows()
    return rows, manifest


UNDATED = [(u, m, r, None) for u, m, r, _ in PLAIN]
COMMAS = lines("{u},{m},{r},{d}")
HALF = len(PLAIN) // 2
READ: dict[str, tuple[str | bytes, list[Any], str]] = {
    "a header within the file, in another order": (
        HEADER
        + lines("{u},{m},{r},{d}", PLAIN[:HALF])
        + "movieId,userId,rating,date\n"
        + lines("{m},{u},{r},{d}", PLAIN[HALF:]),
        PLAIN,
        "gives the columns in another order",
    ),
    "a header within the file, of another delimiter and more columns": (
        HEADER
        + lines("{u},{m},{r},{d}", PLAIN[:HALF])
        + "\ufeffrating;x;movieId;userId;date\n"
        + lines("{r};a;{m};{u};{d}", PLAIN[HALF:]),
        PLAIN,
        "gives the columns in another order",
    ),
    "the same header again": (
        HEADER + lines("{u},{m},{r},{d}", PLAIN[:HALF]) + HEADER + lines("{u},{m},{r},{d}", PLAIN[HALF:]),
        PLAIN,
        "",
    ),
    "movies first, without a header": (lines("{m},{u},{r},{d}"), PLAIN, "whose first column is the movie"),
    "users first, without a header": (COMMAS, PLAIN, ""),
    "20030216": (HEADER + lines("{u},{m},{r},{d:%Y%m%d}"), PLAIN, ""),
    "20030216103000": (HEADER + lines("{u},{m},{r},{d:%Y%m%d}103000"), PLAIN, ""),
    "200302161030": (HEADER + lines("{u},{m},{r},{d:%Y%m%d}1030"), PLAIN, ""),
    "days of a spreadsheet": (
        HEADER + "".join(f"{u},{m},{r},{(d - date(1899, 12, 30)).days}.5\n" for u, m, r, d in PLAIN),
        PLAIN,
        "were read as days of a spreadsheet",
    ),
    "days since 1970": (
        HEADER + "".join(f"{u},{m},{r},{(d - EPOCH).days}\n" for u, m, r, d in PLAIN),
        PLAIN,
        "were read as days since 1970-01-01",
    ),
    "no date in the first rows": (
        HEADER + lines("{u},{m},{r},", PLAIN[:1]) * 60 + lines("{u},{m},{r},{d:%Y%m%d}"),
        [(*PLAIN[0][:3], None)] * 60 + PLAIN,
        "",
    ),
    "seconds and 0 for unknown": (
        HEADER + lines("{u},{m},{r},{s}") + "1,1,3,0\n1,2,3,-1\n",
        [*PLAIN, (1, 1, 3, EPOCH), (1, 2, 3, date(1969, 12, 31))],
        "2 dates are in 1969 or 1970, far from the others",
    ),
    "milliseconds and some seconds": (
        HEADER + lines("{u},{m},{r},{s}000") + "1,1,3,1045353600\n",
        [*PLAIN, (1, 1, 3, date(1970, 1, 13))],
        "1 dates are in 1969 or 1970, far from the others",
    ),
    "seconds": (HEADER + lines("{u},{m},{r},{s}"), PLAIN, ""),
    "milliseconds": (HEADER + lines("{u},{m},{r},{s}123"), PLAIN, ""),
    "microseconds": (HEADER + lines("{u},{m},{r},{s}123456"), PLAIN, ""),
    "month, day, year": (HEADER + lines("{u},{m},{r},{d:%m/%d/%Y}"), PLAIN, "with the month first"),
    "day, month, year of two digits": (
        HEADER + lines("{u},{m},{r},{d:%d.%m.%y}"),
        PLAIN,
        "with the day first",
    ),
    "year, month, day": (HEADER + lines("{u},{m},{r},{d:%Y/%m/%d}"), PLAIN, ""),
    "months of letters": (HEADER + lines('{u},{m},{r},"{d:%b %d, %Y}"'), PLAIN, ""),
    "time and zone behind": (HEADER + lines("{u},{m},{r},{d:%d-%b-%Y} 11:30:15 PM +02:00"), PLAIN, ""),
    "Amazon's": (HEADER + lines('{u},{m},{r},"{d:%m %d, %Y}"'), PLAIN, "with the month first"),
    "a year": (HEADER + lines("{u},{m},{r},{d:%Y}"), [(*row[:3], date(2003, 1, 1)) for row in PLAIN], ""),
    "text over lines": (
        "userId,movieId,rating,date,review\n"
        + lines('{u},{m},{r},{d},"fine, \n1,2,3,2001-01-01,x\nand ""so"" on"'),
        PLAIN,
        "quoted fields contain line ends",
    ),
    "backslash quotes": (
        "userId;movieId;rating;date;review\n" + lines('"{u}";"{m}";"{r}";"{d}";"say \\"a\\"; go"'),
        PLAIN,
        "",
    ),
    "delimiters at the end": (HEADER + lines("{u},{m},{r},{d},,"), PLAIN, ""),
    "sep=": ("sep=;\r\nuserId;movieId;rating;date\r\n" + lines("{u};{m};{r};{d}\r"), PLAIN, ""),
    "comments": ("# by me\n#\n" + HEADER + COMMAS + "# end\n", PLAIN, ""),
    "a header in a comment": ("# movieId userId rating\n" + lines("{m} {u} {r}"), UNDATED, ""),
    "whole lines in quotes": ('"userId,movieId,rating"\n' + lines('"{u},{m},{r}"'), UNDATED, ""),
    "decimal commas": ("userId,movieId,rating\n" + lines('{u},{m},"{r},0"'), UNDATED, ""),
    "blanks": (lines(" {u}  {m} {r}"), UNDATED, ""),
    "no-break spaces between": (lines("{u}\xa0{m}\xa0{r}").encode("iso-8859-1"), UNDATED, ""),
    "no-break spaces around": ("userId,movieId,rating\n" + lines("\xa0{u},{m}\xa0, {r}\xa0"), UNDATED, ""),
    "double tabs": (lines("{u}\t\t{m}\t\t{r}"), UNDATED, ""),
    "spreadsheet text": ("userId,movieId,rating\n" + lines('="{u}","=""{m}""",{r}'), UNDATED, ""),
    "ids such as 113.0": ("userId,movieId,rating\n" + lines("{u}.0,{m}.0,{r}"), UNDATED, "read as 113"),
    "ids such as 113.0, no header": (lines("{u}.0,{m}.00,{r}.0"), UNDATED, "read as 113"),
    "RecBole's names": ("user_id:token\titem_id:token\trating:float\n" + lines("{u}\t{m}\t{r}"), UNDATED, ""),
    "names of other data": (
        "Overall,reviewerID,parent_asin,unixReviewTime\n" + lines("{r},{u},{m},{s}"),
        PLAIN,
        "",
    ),
}

# Movies above 100, so that they are no ratings, among titles to 219.
FAR = [(1000 + k % 40, 103 + k % 100, 1 + k * k % 5, date(2003, 1 + k % 12, 1 + k % 28)) for k in range(120)]
REJECTS = {
    "stray quotes in a table with tabs": {"quote_unclosed": 1},
    "0 for no date among digits": {"date_unparsable": 1},
    "JSON lines, and objects that are broken over lines": {"too_few_columns": 2},
}
READ |= {
    "a quote within a field of each line": (
        "userId,movieId,rating,note,date\n" + lines('{u},{m},{r},5" disc,{d:%Y%m%d}'),
        PLAIN,
        "",
    ),
    "dates before reviews over several lines": (
        "date;userId;movieId;rating;review\n" + lines('{d:%Y%m%d};{u};{m};{r};"a\nb, c;\n3"'),
        PLAIN,
        "quoted fields contain line ends",
    ),
    "an empty date and a timestamp": (
        "userId,movieId,rating,date,timestamp\n" + lines("{u},{m},{r},,{s}"),
        PLAIN,
        "the column 'date' is empty in its first rows, so dates were read from 'timestamp'",
    ),
    "ratings with three decimals or in thousands": (
        "userId,movieId,rating\n" + lines('{u},{m},"{r},000"'),
        UNDATED,
        "ratings such as 1,000 are read with a decimal comma, as 1.000",
    ),
    "seconds since 2001": (
        HEADER + "".join(f"{u},{m},{r},{86400 * (d - date(2001, 1, 1)).days}\n" for u, m, r, d in PLAIN),
        [(*row[:3], EPOCH + (row[3] - date(2001, 1, 1))) for row in PLAIN],
        "All dates are before 1995",
    ),
    "JSON lines of MongoDB": (
        lines(
            '{{"user_id": {{"$numberLong": "{u}"}}, "movie_id": {m}, "rating": {r}, "date": {{"$date": "{d}"}}}}'
        ),
        PLAIN,
        "",
    ),
    "BigQuery's UTC": (HEADER + lines("{u},{m},{r},{d} 10:00:00 UTC"), PLAIN, ""),
    "words for no date": (
        HEADER + lines("{u},{m},{r},{d:%Y%m%d}") + "".join(f"1,1,3,{word}\n" for word in NO_DATES),
        [*PLAIN, *[(1, 1, 3, None)] * len(NO_DATES)],
        "",
    ),
    "0 for no date among digits": (
        HEADER + "1,1,3,\n" + lines("{u},{m},{r},{d:%Y%m%d}") * 9 + "1,1,3,0\n",
        [(1, 1, 3, None), *PLAIN * 9],
        "",
    ),
    "user, rating, movie": (lines("{u},{r},{m},{d}", FAR), FAR, "user_id=1, rating=2, movie_id=3"),
    "rating, user, movie": (lines("{r}\t{u}\t{m}\t{s}", FAR), FAR, "whose first column is the rating"),
    "movie, rating, user": (
        lines("{m}::{r}::{u}", FAR),
        [(*row[:3], None) for row in FAR],
        "movie_id=1, rating=2, user_id=3",
    ),
    "numbers of columns": (
        "0,1,2\n" + lines("{u},{m},{r}"),
        UNDATED,
        "has the numbers of the columns and is not a row",
    ),
    "numbers of columns, with dates": (
        "0,1,2,3\n" + lines("{u},{m},{r},{d}"),
        PLAIN,
        "has the numbers of the columns",
    ),
    "numbers of columns and of rows": (
        ",0,1,2\n" + "".join(f"{k},{u},{m},{r}\n" for k, (u, m, r, _) in enumerate(PLAIN)),
        UNDATED,
        "has the numbers of the columns",
    ),
    "the user 0 and the movie 1": (
        "0,1,2\n0,2,3\n" + lines("{u},{m},{r}"),
        [(0, 1, 2, None), (0, 2, 3, None), *UNDATED],
        "",
    ),
    "numbers of rows": (
        "".join(f"{k},{u},{m},{r}\n" for k, (u, m, r, _) in enumerate(PLAIN)),
        UNDATED,
        "is a running number",
    ),
    "numbers of rows, with dates": (
        "".join(f'"{k}";{u};{m};{r};{d}\n' for k, (u, m, r, d) in enumerate(PLAIN, 1)),
        PLAIN,
        "is a running number",
    ),
    "numbers of rows with an empty name": (
        ",userId,movieId,rating\n" + "".join(f"{k},{u},{m},{r}\n" for k, (u, m, r, _) in enumerate(PLAIN)),
        UNDATED,
        "",
    ),
    "numbers of rows without a name, as R writes them": (
        '"userId" "movieId" "rating"\n'
        + "".join(f'"{k}" {u} {m} {r}\n' for k, (u, m, r, _) in enumerate(PLAIN, 1)),
        UNDATED,
        "begin with a running number",
    ),
    "sep= with a tab": ("sep=\t\nuserId\tmovieId\trating\n" + lines("{u}\t{m}\t{r}"), UNDATED, ""),
    "JSON lines whose dates begin late": (
        lines('{{"user": {u}, "item": {m}, "stars": {r}, "text": "' + "x" * 20_000 + '"}}')
        + lines('{{"user": {u}, "item": {m}, "stars": {r}, "Timestamp": {s}}}'),
        [*UNDATED, *PLAIN],
        "",
    ),
    "the same header again, before texts over two lines": (
        "date,userId,movieId,rating,review\n"
        + lines('"{d:%Y%m%d}",{u},{m},{r},"\n"', PLAIN[:HALF])
        + "date,userId,movieId,rating,review\n"
        + lines('"{d:%Y%m%d}",{u},{m},{r},"\n"', PLAIN[HALF:]),
        PLAIN,
        "quoted fields contain line ends",
    ),
    "stray quotes in a table with tabs": (
        "userId\tmovieId\ttitle\trating\tdate\n"
        + lines("{u}\t{m}\tx\t{r}\t{d}")
        + '8\t8\t"Up\t3\t\n9\t9\t5"\t4\t\n',
        [*PLAIN, (9, 9, 4, None)],
        "",
    ),
    "quoted texts between blanks": (
        '"userId" "movieId" "rating" "note"\n' + lines('"{u}" {m}  "{r}" "a ""b"" c"'),
        UNDATED,
        "",
    ),
    "a header with commas above rows with tabs": (
        HEADER + lines("{u}\t{m}\t{r}\t{s}"),
        PLAIN,
        "its header is delimited by ',', and its rows are by tabs",
    ),
    "tabs and blanks in turn": (
        "userId\tmovieId\trating\n"
        + lines("{u}\t{m} {r}", PLAIN[:HALF])
        + lines("{u} {m}\t{r}", PLAIN[HALF:]),
        UNDATED,
        "",
    ),
    "quotes around the whole lines that hold quotes": (
        "userId,movieId,rating,note\n"
        + lines("{u},{m},{r},x", PLAIN[:HALF])
        + lines('"{u},{m},{r},""a, b"""', PLAIN[HALF:]),
        UNDATED,
        "",
    ),
    "text over lines with backslash quotes": (
        "userId,movieId,rating,date,review\n"
        + lines('{u},{m},{r},{d},"he said \\"no\\"\nand \\"left\\", 3\n1,2,3,2001-01-01"'),
        PLAIN,
        "quoted fields contain line ends",
    ),
    "a backslash before the quote of a field that goes on": (
        "userId,movieId,rating,path,date\n" + lines('{u},{m},{r},"C:\\" d,{d}'),
        PLAIN,
        "",
    ),
    "JSON lines, and objects that are broken over lines": (
        lines('{{"user": {u}, "item": {m}, "stars": {r}}}')
        + '{"user":1,"item":1,"stars":5},{"user":2\n"item":2,"stars":4}\n',
        UNDATED,
        "",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_files_of_the_field_are_read_right(name: str, tmp_path: Path) -> None:
    content, expected, warning = READ[name]
    rows, manifest = make(tmp_path, content)
    assert rows == [(u, m, float(r), d) for u, m, r, d in expected]
    assert manifest["rejects"] == REJECTS.get(name, {})
    warnings = [text for text in manifest["warnings"] if "not read" not in text]
    assert [warning in text for text in warnings] == [True] * bool(warning)


def table(write: Any = pq.write_table, **columns: Any) -> bytes:
    buffer = io.BytesIO()
    write(pa.table({"userId": [1, 2], "movieId": [1, 2], "rating": [3.0, 4.0], **columns}), buffer)
    return buffer.getvalue()


def write_stream(rows: pa.Table, file: Any) -> None:
    with pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "ids with commas": (HEADER + '"1,000","1,001",3,\n999,"1,002",4,\n', "with separators of thousands"),
    "ids in single quotes": (HEADER + lines("'{u}',{m},{r},"), "in quotes that are not double quotes"),
    "ids with no-break spaces": (HEADER + lines("{u},1\xa0{m:03},{r},"), "with separators of thousands"),
    "decimal commas, no header": (lines("{u},{m},{r},5"), "which are not dates"),
    "line ends of two kinds": (HEADER.replace("\n", "\r") + COMMAS, "end some lines, and line feeds"),
    "line ends of two kinds later": (
        HEADER + COMMAS * 9 + COMMAS.replace("\n", "\r"),
        "end some lines, and line feeds",
    ),
    "ratings or movies third": (
        lines("{u},{r},{m}", [(u, m, 1 + m * m % 5, d) for u, m, r, d in PLAIN]),
        "ingest.columns=user_id=1,movie_id=3,rating=2 if the first row is the user 1000, the movie 1, the rating 2, or",
    ),
    "ids of 32-bit floats": (
        table(userId=pa.array([1, 16777216], pa.float32())),
        "as float, which is not exact from 16,777,216 on",
    ),
    "ids of 64-bit floats": (
        table(feather.write_feather, movieId=[1.0, 2.0**53]),
        "as double, which is not exact from 9,007,199,254,740,992 on",
    ),
    "ids with an exponent": (
        HEADER + "1.6777217e7,1,3,\n2.6777217e+07,1,3,\n",
        "written as floats with an exponent",
    ),
    "a stream of Arrow": (table(write_stream), "an Arrow stream"),
    "an archive of lzma": (lzma.compress(COMMAS.encode(), lzma.FORMAT_ALONE), "the old lzma format"),
    "a web page": ("\n<!DOCTYPE html>\n<html>\n<pre>\n" + COMMAS, "is a web page or XML"),
    "a pointer": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a pointer of Git LFS"),
    "JSON over lines": ('{\n  "user": 1,\n  "item": 2,\n  "stars": 3\n}\n', "not an object of its own"),
    "JSON with commas": ('{"user": 1, "item": 2, "stars": 3},\n' * 9, "not an object of its own"),
    "a JSON array over lines": ('[\n{"user": 1, "item": 2, "stars": 3},\n' * 9, "is a JSON array"),
    "a day or a month first": (HEADER + lines("{u},{m},{r},1/2/2003"), "ingest.dates=day_first"),
    "16022003": (
        HEADER + lines("{u},{m},{r},{d:%d%m%Y}"),
        "look like day, month and year without separators",
    ),
    "2162003": (HEADER + lines("{u},{m},{r},{d.month}{d:%d%Y}"), "look like day, month and year without"),
    "030216": (
        HEADER + lines("{u},{m},{r},{d:%y%m%d}"),
        "look like a year of two digits, month and day without",
    ),
    "200302": (HEADER + lines("{u},{m},{r},{d:%Y%m}"), "look like .*month"),
    "03-02-16": (HEADER + lines("{u},{m},{r},{d:%y-%m-%d}"), "look like a year of two digits, month and day"),
    "users, movies and days": (lines("{u},{m},{d}"), "two columns of ids and no rating"),
    "users, movies and seconds": (lines("{u},{m},{s}"), "ratings are probably times"),
    "ids behind an apostrophe": (HEADER + lines("'{u},{m},{r},"), "in quotes that are not double quotes"),
    "a piece of Netflix text": (lines("{u},{r},{d}"), "no line such as 8: names their movie"),
    "users or movies first": (
        lines("{m},{u},{r},{d}", [(200 + u % 23, m, r, d) for u, m, r, d in PLAIN]),
        "the user or the movie may be first",
    ),
    "tags behind ratings": (
        HEADER + COMMAS + "userId,movieId,tag\n1,2,fun\n",
        "without a column for the rating",
    ),
    "unknown names": ("Wer,Was,Wert\n1,2,3\n", "found 'Wer', 'Was', 'Wert'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_stays_ambiguous_is_refused_with_a_way_out(name: str, tmp_path: Path) -> None:
    content, words = REFUSED[name]
    with pytest.raises(DataError, match=words):
        make(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "columns", "expected"),
    [
        (COMMAS, "user_id=1,movie_id=2,rating=3,date=4", PLAIN),
        (HEADER + COMMAS, "user_id=1,movie_id=2,rating=3,date=4", PLAIN),
        (HEADER + COMMAS, "date=", UNDATED),
        (COMMAS, "date=", UNDATED),
        ("a,b,c\n" + lines("{r},{m},{u}"), "user_id=3,movie_id=b,rating=1", UNDATED),
    ],
)
def test_columns_are_given_by_names_or_numbers(
    content: str, columns: str, expected: list[Any], tmp_path: Path
) -> None:
    rows, _ = make(tmp_path, content, columns=columns)
    assert rows == [(u, m, float(r), d) for u, m, r, d in expected]


def test_pieces_of_a_file_whose_header_has_the_movie_first_are_not_read_swapped(tmp_path: Path) -> None:
    titles = [tmp_path / "titles.csv", tmp_path / "others.csv"]
    titles[0].write_text(TITLES)
    titles[1].write_text("9001,1999,A\n9002,1999,B\n")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    paths[0].write_text("movieId,userId,rating,date\n" + lines("{m},{u},{r},{d}", PLAIN[:HALF]))
    paths[1].write_text(lines("{m},{u},{r},{d}", PLAIN[HALF:]))
    store = Store.open(tmp_path / "store")
    settings = IngestSettings(duplicates="off")
    dataset = store.ensure(ingest.plan(store, ratings=paths, titles=titles[0], settings=settings))
    assert [row for batch in ingest.iter_ratings(store, dataset) for row in batch.iter_rows()] == PLAIN
    with pytest.raises(DataError, match="both may be pieces of one file"):
        store.ensure(ingest.plan(store, ratings=paths, titles=titles[1], settings=settings))


@pytest.mark.parametrize(
    ("content", "words"),
    [(HEADER + COMMAS, "none of the names of ingest.columns"), (COMMAS, "it has no header")],
)
def test_given_names_of_columns_are_those_of_one_file_among_others(
    content: str, words: str, tmp_path: Path
) -> None:
    rows, manifest = make(tmp_path, content, columns="user_id=Wer,movie_id=Was,rating=Wert")
    assert rows == PLAIN
    assert any(words in warning for warning in manifest["warnings"])
    with pytest.raises(DataError, match="asks for 'Wer'"):
        make(tmp_path, HEADER + COMMAS, columns="user_id=Wer")


def test_text_ids_without_a_header_are_recognized_by_all_first_rows() -> None:
    damaged = "".join("oops\n" if k % 5 == 1 else f"u{k},tt{k},3\n" for k in range(50))
    found = recognize((damaged + "u1,tt1,3\n" * 50).encode(), IngestSettings(), label="x")
    assert found.columns == {"user_id": 0, "movie_id": 1, "rating": 2}
    commas = recognize(b"u1::tt1::1,0::May 01, 2003\n" * 9, IngestSettings(), label="x")
    assert (commas.delimiter, len(commas.columns)) == ("::", 4)


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    rows, _ = make(tmp_path, "userId,movieId,rating\n1,1,-0\n1,2,-0.0\n1,3,1\n", scale="0-5")
    assert [str(row[2]) for row in rows] == ["0.0", "0.0", "1.0"]


def test_a_column_is_given_once() -> None:
    with pytest.raises(ValueError, match="2 is given twice"):
        IngestSettings.model_validate({"columns": "user_id=2,movie_id=2,rating=3"})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("README.gz", "a description"),
        ("links.gz", "links"),
        ("tags.csv.gz", "tags"),
        ("u.user.xz", "users"),
        ("users_export.csv", "users"),
        ("Thumbs.db", "a description"),
        ("~$ratings.xlsx", "a lock of an office program"),
        ("ratings.csv.gz", None),
    ],
)
def test_packed_files_are_recognised_by_their_names(name: str, kind: str | None) -> None:
    assert kind_by_name(name) == kind


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        ("user_id,book_id\n1,258\n2,4081\n", "pairs without ratings"),
        ("tconst\taverageRating\tnumVotes\ntt01\t5.7\t1982\n", "averages of ratings"),
        ("_id,imdb_id,movie_id,movie_title\n5f,tt01,up,Up and away we go\n", "titles"),
        ("user_id,name,friends\nu1,Anne,\n", None),  # a table is no description
        (
            "Const,Your Rating,Title\ntt01,8,Up and away\n",
            None,
        ),  # the ratings of one person, who is not named
    ],
)
def test_tables_that_hold_no_ratings_have_their_right_names(head: str, kind: str | None) -> None:
    assert kind_by_content(head.encode()) == kind


def test_files_that_programs_leave_beside_others_are_no_ratings(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    (folder / "_temporary/0").mkdir(parents=True)
    for name in ("part-0.csv", "part-0.csv~", "part-0.csv.crdownload", "_temporary/0/part-1.csv"):
        (folder / name).write_text("1,2,3\n")
    (folder / "part-1.csv").touch()
    (folder / "_SUCCESS").touch()
    sources, others = find_sources([folder], judge=partial(judge_source, settings=IngestSettings()))
    assert [source.name for source in sources] == ["part-0.csv"]
    assert {(other.name, other.is_fault) for other in others} == {
        ("_SUCCESS", False),
        ("part-0.csv~", False),
        ("part-1.csv", False),
        ("part-0.csv.crdownload", True),
    } | {("part-1.csv", True)}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1125997200", "1125968400"),  # 09:00 UTC and earlier
        ("2005-09-06 23:00", "2005-09-06 09:00"),
        ("2005-09-06T10:00Z", "2005-09-06T11:00+02:00"),
        ("9/13/2005 1:00 PM", "9/13/2005 11:59"),
    ],
)
def test_of_two_ratings_of_a_day_the_later_time_counts(first: str, second: str, tmp_path: Path) -> None:
    content = HEADER + f"1,1,5,{first}\n1,1,2,{second}\n2,1,3,\n"
    rows, manifest = make(tmp_path, content, duplicates="latest")
    assert [(row[0], row[2]) for row in rows] == [(1, 5.0), (2, 3.0)]
    assert manifest["rejects"] == {"superseded": 1}


def test_the_order_of_dates_is_found_in_later_rows(tmp_path: Path) -> None:
    early = [(u, m, r, date(2003, 2, 1)) for u, m, r, _ in PLAIN] * 40
    content = HEADER + lines("{u},{m},{r},{d:%d/%m/%Y}", [*early, (1, 1, 3, date(2003, 2, 13))])
    assert len(content) > 1 << 16
    rows, _ = make(tmp_path, content)
    assert {row[3] for row in rows} == {date(2003, 2, 1), date(2003, 2, 13)}
    rows, _ = make(tmp_path, HEADER + "1,1,3,2/1/2003\n", dates="day_first")
    assert rows[0][3] == date(2003, 1, 2)


def test_a_stray_quote_takes_no_rows_along(tmp_path: Path) -> None:
    header = "userId,movieId,rating,date,note\n"
    stray = '1,1,3,2003-01-01,"oops\n' + lines("{u},{m},{r},{d},x") + '2,2,3,2003-01-01,oops"\n'
    rows, manifest = make(tmp_path, header + stray)
    assert len(rows) == len(PLAIN) + 1
    assert manifest["rejects"] == {"quote_unclosed": 1}


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_parquet_with_texts_of_either_encoding_is_read(encoding: str, tmp_path: Path) -> None:
    columns = list(zip(*UNDATED, strict=True))[:3]
    names = ("userId", "movieId", "rating")
    table = pa.table({name: pa.array(map(str, column)) for name, column in zip(names, columns, strict=True)})
    out = io.BytesIO()
    pq.write_table(table, out, use_dictionary=False, column_encoding=dict.fromkeys(names, encoding))
    assert make(tmp_path, out.getvalue())[0] == UNDATED


def test_the_docs_list_the_names_of_columns() -> None:
    table = (DOCS / "data.md").read_text("utf-8").partition("| column | names |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    listed = {
        column.split("`")[1]: tuple(plain_name(name) for name in names.split(",")) for column, names in rows
    }
    assert listed == ALIASES


@pytest.mark.parametrize(
    ("text", "form"), [("20030216", kernel.DIGITS), ("2003", kernel.YEAR), ("40000", kernel.SERIALS)]
)
def test_a_repeated_header_or_a_damaged_date_does_not_hide_how_dates_are_written(
    text: str, form: int
) -> None:
    assert recognize_dates([text] * 30 + ["date", "0", "unknown"], "auto") == (form, False)


def _day(raw: bytes) -> date | None:
    """The date that the parser reads, or None."""
    form, is_open = recognize_dates([decode_line(raw)], "auto")
    assert not is_open
    dates, clocks = np.zeros(1, np.int32), np.array([-len(raw)], np.int32)
    faulty, seen = np.zeros(1, np.bool_), np.zeros(kernel.COUNTED, np.int64)
    kernel.read_dates(np.frombuffer(raw + b"\n", np.uint8), form, 0, 1, dates, clocks, faulty, seen)
    return None if faulty[0] else EPOCH + timedelta(int(dates[0]))


@pytest.mark.parametrize(
    "texts",
    [
        "4. März 2003|Dienstag, 4. Maerz 2003 10:20|04. Mrz. 2003|4. MÄRZ 2003",
        "mardi 4 mars 2003|mar. 4 mars 2003|04MAR2003|04MAR2003:10:20:30",
        "martedì 4 marzo 2003|mar 4 marzo 2003|martes, 4 de marzo de 2003|dinsdag 4 maart 2003|4 de março de 2003",
    ],
)
def test_months_of_letters_are_read_in_western_languages(texts: str) -> None:
    for text in texts.split("|"):
        assert [_day(text.encode(encoding)) for encoding in ("utf-8", "cp1252")] == [date(2003, 3, 4)] * 2, (
            text
        )


def test_each_month_has_its_name() -> None:
    names = (
        "janvier février avril août Oktober Dezember enero agosto gennaio luglio settembre juin juillet mei"
    )
    found = [_day(f"9 {name} 2003".encode()) for name in names.split()]
    assert [day and day.month for day in found] == [1, 2, 4, 8, 10, 12, 1, 8, 1, 7, 9, 6, 7, 5]
    assert _day("2003年3月4日".encode()) == date(2003, 3, 4)
    assert _day(b"maandag 6 januari 2003") == date(2003, 1, 6)  # a weekday that begins as maart does
    assert _day(b"9 mai juin 2003") is None


def test_ratings_with_ids_of_imdb_are_not_taken_for_links() -> None:
    assert kind_by_content(b"movieId,imdbId,tmdbId\n1,2,3\n") == "links"
    assert kind_by_content(b"user_id,imdb_id,rating\n" + b"u1,tt01,3\n" * 9) is None
