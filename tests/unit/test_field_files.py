"""Rating files as people have them: each is read right, or refused with a sentence that says what it is."""

import io
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from field_cases import FAR, NO_DATES, READ, REJECTS
from field_rows import EPOCH, HALF, HEADER, PLAIN, TITLES, UNDATED, lines, make

from matinee import ingest
from matinee.errors import DataError
from matinee.ingest.reading.other_files import kind_by_content
from matinee.ingest.reading.recognition import recognize
from matinee.schemas.headers import ALIASES, plain_name
from matinee.settings.ingest import IngestSettings
from matinee.store import Store

DOCS = Path(__file__).parents[2] / "docs"
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
    "stray quotes of two columns in a table with tabs": (
        "userId\tmovieId\trating\tdate\ttitle\treview\n"
        + lines("{u}\t{m}\t{r}\t{d}\tx\ty")
        + '8\t8\t3\t\t"Up\ta\n7\t7\t3\t\tx\ty\n9\t9\t4\t\tx\tgood"\n'
        + '6\t6\t4\t\tx\t"true\ntext"\n',
        [*PLAIN, (7, 7, 3, None), (9, 9, 4, None), (6, 6, 4, None)],
        "quoted fields contain line ends",
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
    "bad ratings beside text over lines with backslash quotes": (
        "userId,movieId,rating,date,review\n"
        + lines('{u},{m},{r},{d},"fine"')
        + 2 * '1,2,good,2003-02-16,"a\nb\\"c"\n',
        PLAIN,
        "",
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


def test_text_ids_without_a_header_are_recognized_by_all_first_rows() -> None:
    damaged = "".join("oops\n" if k % 5 == 1 else f"u{k},tt{k},3\n" for k in range(50))
    found = recognize((damaged + "u1,tt1,3\n" * 50).encode(), IngestSettings(), label="x")
    assert found.columns == {"user_id": 0, "movie_id": 1, "rating": 2}
    commas = recognize(b"u1::tt1::1,0::May 01, 2003\n" * 9, IngestSettings(), label="x")
    assert (commas.delimiter, len(commas.columns)) == ("::", 4)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("{u},{m},{r},10{u}", "All dates are in 1970"),
        ("{u},900{m},{r},", "None of the 17 rated movies has a title"),
    ],
)
def test_numbers_that_are_no_dates_and_movies_of_other_titles_are_a_warning(
    form: str, words: str, tmp_path: Path
) -> None:
    _, manifest = make(tmp_path, HEADER + lines(form))
    assert any(words in warning for warning in manifest["warnings"])


def test_minus_zero_is_zero(tmp_path: Path) -> None:
    rows, _ = make(tmp_path, "userId,movieId,rating\n1,1,-0\n1,2,-0.0\n1,3,1\n", scale="0-5")
    assert [str(row[2]) for row in rows] == ["0.0", "0.0", "1.0"]


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


def test_ratings_with_ids_of_imdb_are_not_taken_for_links() -> None:
    assert kind_by_content(b"movieId,imdbId,tmdbId\n1,2,3\n") == "links"
    assert kind_by_content(b"user_id,imdb_id,rating\n" + b"u1,tt01,3\n" * 9) is None
