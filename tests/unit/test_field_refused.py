"""Rating files that stay ambiguous are refused with a way out, and columns that are given settle them."""

import io
import lzma
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from field_rows import COMMAS, EPOCH, HEADER, PLAIN, UNDATED, lines, make
from pyarrow import feather

from matinee.errors import DataError
from matinee.ingest.reading.judgement import judge_source
from matinee.ingest.reading.other_files import kind_by_content, kind_by_name
from matinee.ingest.reading.sources import find_sources
from matinee.settings.ingest import IngestSettings


def table(write: Any = pq.write_table, **columns: Any) -> bytes:
    buffer = io.BytesIO()
    write(pa.table({"userId": [1, 2], "movieId": [1, 2], "rating": [3.0, 4.0], **columns}), buffer)
    return buffer.getvalue()


def write_stream(rows: pa.Table, file: Any) -> None:
    with pa.ipc.new_stream(file, rows.schema) as stream:
        stream.write_table(rows)


# tests/unit/test_refused_files.py has the plain cases.
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "ids with commas": (HEADER + '"1,000","1,001",3,\n999,"1,002",4,\n', "with separators of thousands"),
    "ids in single quotes": (HEADER + lines("'{u}',{m},{r},"), "in quotes that are not double quotes"),
    "ids with no-break spaces": (HEADER + lines("{u},1\xa0{m:03},{r},"), "with separators of thousands"),
    "line ends of two kinds later": (
        HEADER + COMMAS * 9 + COMMAS.replace("\n", "\r"),
        "end some lines, and line feeds",
    ),
    "ratings or movies third": (
        lines("{u},{r},{m}", [(u, m, 1 + m * m % 5, d) for u, m, r, d in PLAIN]),
        "ingest.columns=user_id=1,movie_id=3,rating=2 if the first row is the user 1000, the movie 1, the rating 2, or",
    ),
    "ids of 64-bit floats": (
        table(feather.write_feather, movieId=[1.0, 2.0**53]),
        "as double, which is not exact from 9,007,199,254,740,992 on",
    ),
    "an infinite id": (table(userId=[1.0, float("inf")]), "as double, and one of them is infinite"),
    "a stream of Arrow": (table(write_stream), "an Arrow stream"),
    "an archive of lzma": (lzma.compress(COMMAS.encode(), lzma.FORMAT_ALONE), "the old lzma format"),
    "a web page": ("\n<!DOCTYPE html>\n<html>\n<pre>\n" + COMMAS, "is a web page or XML"),
    "JSON with commas": ('{"user": 1, "item": 2, "stars": 3},\n' * 9, "not an object of its own"),
    "a JSON array over lines": ('[\n{"user": 1, "item": 2, "stars": 3},\n' * 9, "is a JSON array"),
    "2162003": (HEADER + lines("{u},{m},{r},{d.month}{d:%d%Y}"), "look like day, month and year without"),
    "200302": (HEADER + lines("{u},{m},{r},{d:%Y%m}"), "look like .*month"),
    "03-02-16": (HEADER + lines("{u},{m},{r},{d:%y-%m-%d}"), "look like a year of two digits, month and day"),
    "users, movies and days": (lines("{u},{m},{d}"), "two columns of ids and no rating"),
    "users, movies and seconds": (lines("{u},{m},{s}"), "ratings are probably times"),
    "ids behind an apostrophe": (HEADER + lines("'{u},{m},{r},"), "in quotes that are not double quotes"),
    "users or movies first": (
        lines("{m},{u},{r},{d}", [(200 + u % 23, m, r, d) for u, m, r, d in PLAIN]),
        "the user or the movie may be first",
    ),
    "users or movies first, of one range": (
        lines("{m},{u},{r}", [(103 + k % 40, 103 + k % 117, 1 + k % 5, EPOCH) for k in range(400)]),
        "the user or the movie may be first: 100%",
    ),
    "ratings second, of few movies": (
        lines("{u},{r},{m}", [(1000 + k // 9, 1 + k % 9, 1 + k * k % 5, EPOCH) for k in range(180)]),
        "probably not in the third column",
    ),
    "check-ins with times": (
        lines("{u}\t{d}T10:30:00Z\t1.5\t2.5\t{m}"),
        "no column for .* give the numbers of its columns",
    ),
    "tags behind ratings": (
        HEADER + COMMAS + "userId,movieId,tag\n1,2,fun\n",
        "without a column for the rating",
    ),
    "unknown names within the file": (
        HEADER + COMMAS + "film,reader,mark,day\n" + lines("{m},{u},{r},{d}"),
        "is probably a header, 'film,reader,mark,day', with unknown names",
    ),
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
        (lines("{u}\tA b c\t{m}\t{r}"), "user_id=1,movie_id=3,rating=4", UNDATED),
        ("a,b,c\n" + lines("{r},{m},{u}"), "user_id=3,movie_id=b,rating=1", UNDATED),
    ],
)
def test_columns_are_given_by_names_or_numbers(
    content: str, columns: str, expected: list[Any], tmp_path: Path
) -> None:
    rows, _ = make(tmp_path, content, columns=columns)
    assert rows == [(u, m, float(r), d) for u, m, r, d in expected]


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
