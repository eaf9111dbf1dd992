"""The compiled reader compared with a slow Python reader: every field, fault and line number."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from example_counts import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slow_reader import Read, slow_integer, slow_read, slow_row

from matinee.ingest.partitions.writer import PartitionWriter
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.blocks import read_blocks
from matinee.ingest.reading.parallel_parsing import parse_in_order
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.reading.sources import source_of
from matinee.schemas.delimiters import DELIMITERS
from matinee.schemas.ratings import ratings_schema
from matinee.settings.ingest import IngestSettings


def read(folder: Path, text: bytes, *, block_bytes: int = 1 << 16, most_lines: int = 1 << 21) -> Read:
    """The result of the compiled reader, from the tables that it writes."""
    path = folder / "ratings.txt"
    path.write_bytes(text)
    with (
        pytest.MonkeyPatch.context() as patched,
        PartitionWriter(folder, ratings_schema(low=1, high=5)) as writer,
    ):
        patched.setattr("matinee.ingest.reading.blocks._MOST_LINES", most_lines)
        patched.setattr("matinee.ingest.checks.schema._MANY_ROWS", most_lines // 2)
        patched.setattr("matinee.ingest.checks.schema._ROWS_AT_ONCE", 3)
        blocks = read_blocks([source_of(path)], IngestSettings(), left_out=[], block_bytes=block_bytes)
        for parsed in parse_in_order(blocks):
            writer.write(parsed)
    ratings = pl.read_parquet(folder / "ratings.parquet")
    rejects = pl.read_parquet(folder / "rejects.parquet").sort("line", maintain_order=True)
    manifest = writer.manifest(scale=[1, 5], left_out=[])
    assert manifest.rows_read == ratings.height + rejects.height
    assert manifest.rejects == dict(rejects["code"].value_counts().sort("code").iter_rows())
    origins = pl.read_parquet(folder / "origins.parquet")
    runs = np.searchsorted(origins["row"].to_numpy(), np.arange(ratings.height), side="right") - 1
    lines = origins["line"].to_numpy()[runs] + np.arange(ratings.height) - origins["row"].to_numpy()[runs]
    return Read(
        [(int(line), *row) for line, row in zip(lines, ratings.iter_rows(), strict=True)],
        list(rejects.select("line", "code", "raw").iter_rows()),
    )


FIELDS = {
    "user": "7|1488844|+5|-3||x|9223372036854775807|9223372036854775808|1.0|１|0|--1|1_0",
    "movie": "8|17770|007|-9223372036854775808||tt1|1 2|99999999999999999999|-|-9223372036854775809",
    "rating": "3|4.5|5.0|1e0|.5e1|5.|NaN|inf||6|0|-1|4/5|1e400|e1|1e|2,5|٣|"
    + "9" * 400
    # more digits than a double has
    + "|3.0000000000000000000000001|0.00000000000000000000001e23",
    "date": "2005-09-06|2004-02-29||2003-02-29|1899-12-31|2099-12-31|2100-01-01|0000-01-01|1127952000|-1"
    "|1127952000.5|2005-09-06 12:30:00|2005-09-06T12:30Z|2005-13-01|x|.|9223372036854775807"
    "|9223372036854775808|2005-9-6|2005-09-06 12|2005-09-06x|20050906|-99999999999999",
    "other": "a||é|a b|\x00|'",
}


@st.composite
def lines(draw: st.DrawFn, delimiter: str) -> str:
    """A line of five columns. Most are valid, some have faults of every kind."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.text(alphabet=f'12 \t"x-.:{delimiter}', max_size=12))
    fields = []
    for values in (text.split("|") for text in FIELDS.values()):
        good = values[:3]
        value = draw(st.sampled_from(good) if draw(st.integers(0, 5)) else st.sampled_from(values))
        style = draw(st.integers(0, 11)) if delimiter != "::" else 0
        value = {1: f'"{value}"', 2: f" {value} ", 3: f'"{value}', 4: f'" {value}" '}.get(style, value)
        fields.append(value)
    count = draw(st.sampled_from([5] * 12 + [3, 4, 6]))
    return delimiter.join([*fields, "more"][:count])


@given(data=st.data())
@settings(max_examples=examples(90), deadline=None)
def test_accepted_and_rejected_rows_equal_those_of_a_slow_reader(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    delimiter = data.draw(st.sampled_from([*DELIMITERS.values()]))
    ends = data.draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n"]]))
    body = data.draw(st.lists(lines(delimiter), max_size=30))
    text = delimiter.join(["userId", "movieId", "rating", "date", "note"]) + "\n"
    for line in body:
        text += line + data.draw(st.sampled_from(ends))
    if data.draw(st.booleans()):
        text = text.removesuffix("\n")
    assume(text.count("\x00") <= 8)  # with more, a short file is recognised as binary
    dialect = recognize(text.encode(), IngestSettings(), label="x")
    assume(dialect.delimiter == delimiter)  # the delimiter of a header may differ from that of the rows
    assume(dialect.dates == kernel.SECONDS)  # other forms have their own tests
    assume(not dialect.empty_more and not dialect.decimal_ids and not dialect.rewritten)
    quoted = delimiter in ",;\t"
    _, _, rest = text.partition("\n")
    expected = slow_read("\n" + rest, delimiter=delimiter, quoted=quoted, columns=5)
    found = read(
        tmp_path_factory.mktemp("read"),
        text.encode(),
        block_bytes=data.draw(st.sampled_from([40, 300, 65536])),
        most_lines=data.draw(st.sampled_from([1, 4, 1 << 21])),
    )
    assert found == expected


@given(data=st.data())
@settings(max_examples=examples(50), deadline=None)
def test_netflix_text_keeps_its_movie_across_blocks(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ratings = st.sampled_from(
        ["7,3,2005-09-06", "1488844,5,2004-02-29", "7,9,2005-01-01", "x,3,2005-01-01", "7,3"]
    )
    movies = st.sampled_from(["8:", "17770:", " 3 : ", "-5:", "x:", "9223372036854775808:"])
    body = [
        "1:",
        "7,3,2005-09-06",
        *data.draw(st.lists(st.one_of(ratings, ratings, ratings, movies, st.just("")), max_size=40)),
    ]
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    movie: str = ""
    expected = Read([], [])
    for number, line in enumerate(body, start=1):
        if line.strip().endswith(":"):
            movie = line.strip()[:-1].strip()
            if slow_integer(movie) is None:
                expected.rejected.append((number, "movie_id_not_integer", line))
                movie = ""
        elif line:
            user, *rest = line.split(",")
            row = slow_row([user, movie, *rest], columns=4)
            if isinstance(row, str):
                expected.rejected.append((number, row, line))
            else:
                expected.accepted.append((number, *row))
    text = "".join(line + end for line in body).encode()
    block_bytes = data.draw(st.sampled_from([30, 100, 65536]))
    most_lines = data.draw(st.sampled_from([1, 4, 1 << 21]))
    found = read(tmp_path_factory.mktemp("netflix"), text, block_bytes=block_bytes, most_lines=most_lines)
    assert found == expected


@pytest.mark.parametrize(
    ("head", "delimiter", "columns", "left_out"),
    [
        ("userID,movieID,rating,date\n1,2,3,2004-01-01\n", ",", (0, 1, 2, 3), []),
        ("MovieID,UserID,Rating,Date\n", ",", (1, 0, 2, 3), []),
        (",user_id,itemId,Rate\n0,1,2,3\n", ",", (1, 2, 3), ["(unnamed)"]),
        ('"CustomerID";"Movie_Id";"RATING";"Timestamp"\n', ";", (0, 1, 2, 3), []),
        (" Cust_Id \t movie id \t rating \t extra\n", "\t", (0, 1, 2), [" extra"]),
        ("User-ID::Item-ID::Rating::timestamp\n", "::", (0, 1, 2, 3), []),
        ("userId|movieId|rating|timestamp|date\n", "|", (0, 1, 2, 4), ["timestamp"]),
        ("196\t242\t3\t881250949\n186\t302\t3\t891717742\n", "\t", (0, 1, 2, 3), []),
        ("1::1193::5::978300760\n", "::", (0, 1, 2, 3), []),
        ("1;2;3,5\n1;3;4\n", ";", (0, 1, 2), []),
        ("\ufeffuserId,movieId,rating\r\n1,2,3\r\n", ",", (0, 1, 2), []),
        ('"userId","movieId","rating","a, b"\n', ",", (0, 1, 2), ["a, b"]),
        ("\n\nuserId,movieId,rating\n1,2,3\n", ",", (0, 1, 2), []),
        ("userId,movieId,rating\r1,2,3\r", ",", (0, 1, 2), []),
    ],
)
def test_common_headers_are_recognised(
    head: str, delimiter: str, columns: tuple[int, ...], left_out: list[str]
) -> None:
    dialect = recognize(head.encode(), IngestSettings(), label="x")
    assert dialect.delimiter == delimiter
    assert tuple(dialect.columns.values()) == columns
    assert dialect.left_out == left_out


def test_columns_can_be_named_and_numbered() -> None:
    named = IngestSettings.model_validate({"columns": "user_id=Who,movie_id=What,rating=Stars"})
    dialect = recognize(b"When,Stars,What,Who\n", named, label="x")
    assert dialect.columns == {"user_id": 3, "movie_id": 2, "rating": 1}
    numbered = IngestSettings.model_validate({"columns": "user_id=3,movie_id=2,rating=1"})
    assert recognize(b"5,2,7\n", numbered, label="x").columns == {"user_id": 2, "movie_id": 1, "rating": 0}


def test_a_quoted_field_goes_on_in_the_next_part_of_a_block(tmp_path: Path) -> None:
    rows = '7,8,3,2005-09-06,"a\n7,8,3,2005-09-06,a\n\n\n7,9,4,2005-09-06,c\n' * 2
    for most_lines in (1, 2, 3):
        found = read(
            tmp_path,
            ("userId,movieId,rating,date,note\n" + rows).encode(),
            block_bytes=40,
            most_lines=most_lines,
        )
        assert found == slow_read("\n" + rows, delimiter=",", quoted=True, columns=5)


def test_rows_with_damaged_dates_are_bad_lines_in_order(tmp_path: Path) -> None:
    header = "userId,movieId,rating,date\n"
    rows = "7,8,3,2005-09-06 10:00\n7,x,4,2005-09-06\n7,9,5,2005-09-06 1x:00\n7,9,y,2005-09-06\n"
    rows += "6,9,1,2005-02-30 10:00\n5,4,2,2004-01-01 23:59:59\n"
    found = read(tmp_path, (header + 2 * rows).encode(), block_bytes=400)
    assert [row[0] for row in found.accepted] == [2, 7, 8, 13]
    assert [line for line, _, _ in found.rejected] == [3, 4, 5, 6, 9, 10, 11, 12]


def test_the_parser_is_compiled_once(tmp_path: Path) -> None:
    read(tmp_path, b'userId,movieId,rating,date\n7,8,3,2005-09-06\n"6","8",4.5,1127952000\n')
    assert len(kernel.parse.signatures) == 1
