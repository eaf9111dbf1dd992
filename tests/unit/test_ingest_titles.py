"""Titles in every common format, kept exactly."""

import re
import zipfile
from pathlib import Path

import pytest

from matinee.errors import DataError
from matinee.ingest.reading.sources import source_of
from matinee.ingest.titles.table import read_titles
from matinee.settings.ingest import IngestSettings

NETFLIX = """1,2003,Dinosaur Planet
2,NULL,"Weird Al" Yankovic Live!
3,,Crouching Tiger, Hidden Dragon
4,1984,1984
5,2001, Smokey Joe's Café\x20
6,1999,"
"""
WANTED = [
    (1, 2003, "Dinosaur Planet"),
    (2, None, '"Weird Al" Yankovic Live!'),
    (3, None, "Crouching Tiger, Hidden Dragon"),
    (4, 1984, "1984"),
    (5, 2001, " Smokey Joe's Café "),
    (6, 1999, '"'),
]
QUOTED_WHERE_NEEDED = """1,2003,Dinosaur Planet
2,NULL,\"\"\"Weird Al\"\" Yankovic Live!\"
3,,"Crouching Tiger, Hidden Dragon"
4,1984,1984
5,2001, Smokey Joe's Café\x20
6,1999,\"\"\"\"
"""
QUOTED_ALL = """"1","2003","Dinosaur Planet"
"2","NULL",\"\"\"Weird Al\"\" Yankovic Live!\"
"3","","Crouching Tiger, Hidden Dragon"
"4","1984","1984"
"5","2001"," Smokey Joe's Café "
"6","1999",\"\"\"\"
"""


def titles_of(folder: Path, text: str | bytes) -> list[tuple[int, int | None, str]]:
    path = folder / "titles"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    titles, rejects, *_ = read_titles(source_of(path))
    assert rejects.is_empty()
    return list(titles.iter_rows())


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["", "Movie_Id,Year,Name\n", "movieID,yearOfRelease,title\n"])
@pytest.mark.parametrize("body", [NETFLIX, QUOTED_WHERE_NEEDED, QUOTED_ALL])
def test_the_netflix_file_and_its_copies_are_read(
    body: str, header: str, line_end: str, encoding: str, tmp_path: Path
) -> None:
    text = (header + body).replace("\n", line_end)
    assert titles_of(tmp_path, text.encode(encoding)) == WANTED
    assert titles_of(tmp_path, text.removesuffix(line_end).encode(encoding)) == WANTED


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('1,2000,"A"\n2,2001,B, and C\n', [(1, 2000, '"A"'), (2, 2001, "B, and C")]),
        ('1,2000,"A"\n2,2001,B\n', [(1, 2000, '"A"'), (2, 2001, "B")]),
        ('1,2000,"A"\n2,2001,"B"\n', [(1, 2000, "A"), (2, 2001, "B")]),
        ("1,2003.0,A\n2,,B\n", [(1, 2003, "A"), (2, None, "B")]),
        ("1\t2003\tA, b\tc\n", [(1, 2003, "A, b\tc")]),
        ("1;2003;A, b\n2;NULL;C;d\n", [(1, 2003, "A, b"), (2, None, "C;d")]),
        (
            'movieId,title,genres\n1,Toy Story (1995),Comedy|Drama\n2,"Net, The (1995)",x\n3,"A ""b""",x\n',
            [(1, 1995, "Toy Story (1995)"), (2, 1995, "Net, The (1995)"), (3, None, 'A "b"')],
        ),
        ("title,movieId\nA,1\nB,2\n", [(1, None, "A"), (2, None, "B")]),
        (
            "1::Toy Story (1995)::Animation\n2::Deer Hunter, The (1978)::Drama\n3::Doctor Who (2005-)::x\n",
            [
                (1, 1995, "Toy Story (1995)"),
                (2, 1978, "Deer Hunter, The (1978)"),
                (3, 2005, "Doctor Who (2005-)"),
            ],
        ),
        (
            "1|Toy Story (1995)|01-Jan-1995||http://x|0|1\n2|unknown||||1|0\n3|Apollo|11-Jul-1996||x|0|0\n",
            [(1, 1995, "Toy Story (1995)"), (2, None, "unknown"), (3, 1996, "Apollo")],
        ),
        ("1,1965,Film\n2,2000,Film, Title\n", [(1, 1965, "Film"), (2, 2000, "Film, Title")]),
        ("1,A (9999)\n2,B\n", [(1, None, "A (9999)"), (2, None, "B")]),
    ],
)
def test_other_formats_are_read(text: str, wanted: list[tuple[int, int | None, str]], tmp_path: Path) -> None:
    assert titles_of(tmp_path, text) == wanted


BOOKS = '''id,book_id,authors,original_publication_year,original_title,title
1,276,"Collins, S",2008.0,The Hunger Games,"The Hunger Games (#1)"
2,3,"Rowling, J",-750.0,HP,"HP, ""1"""
'''
ANIME = 'anime_id,name,genre\n5,Kimi no Na wa.,"Drama, Romance"\n7,"A, b",\n'
BY_NAME = "movie_id=id,title=original_title,year=original_publication_year"


@pytest.mark.parametrize(
    ("text", "columns", "wanted"),
    [
        (
            "1,1999,Amélie\n3,2001,東京物語\n".encode() + b"5,2003,Caf\xe9\n",
            "",
            ["Amélie", "東京物語", "Café"],
        ),
        ("id,title\n1,A\nid,title\n2,B\n", "", ["A", "B"]),
        ("id,title\nm1,A\nid,title\nm2,B\n", "", ["A", "B"]),
        ("id,title\né1,A\n".encode() + "é2,".encode() + b"Caf\xe9\n", "", ["A", "Café"]),
        (b"1,1999,It\x92s Me \x96 Again\n2,,\x80 5\n", "", ["It’s Me – Again", "€ 5"]),
        ("1,1999,日本\n2,NULL,é, ü\n".encode("utf-16"), "", ["日本", "é, ü"]),
        (
            '1,2003,Dinosaur,,,\n5,2004,"Lock, Stock, and",,,\n7,NULL,R,,,\n',
            "",
            ["Dinosaur", "Lock, Stock, and", "R"],
        ),
        ("1,2003,Dinosaur,,\n5,2004,Lock, Stock, and\n7,,R,,\n", "", ["Dinosaur", "Lock, Stock, and", "R"]),
        (
            '"movieId";"title";"year"\n"1";"Say \\"Hello\\"; then";"1999"\n"3";"B";"0"\n',
            "",
            ['Say "Hello"; then', "B"],
        ),
        ("movie_id,year,title\n1,1999.0,A\n3,,B\n5,NaN,C\n", "", ["A", "B", "C"]),
        ('"1,2003,Dinosaur Planet"\n"3,1997,""X"", y"\n', "", ["Dinosaur Planet", '"X", y']),
        ('1,2003,Dinosaur Planet\n"3,1997,""X"", y"\n', "", ["Dinosaur Planet", '"X", y']),
        ('"movieId","title"\n"1",7,"A, b"\n"2",9,"B"\n"3",1,"C"\n', "", ["A, b", "B", "C"]),
        ("id,title\n1,A\n\ufeffid,title\n\ufeff2,B\n", "", ["A", "B"]),
        ('sep=;\nmovieId;title\n="113";A\n7.0;B\n', "", ["A", "B"]),
        ('# of today\nmovieId,title,plot\n1,A,"one\n2,two, x"\n3,B,c\n', "", ["A", "B"]),
        (BOOKS, "", ["The Hunger Games (#1)", 'HP, "1"']),
        (BOOKS, BY_NAME, ["The Hunger Games", "HP"]),
        (ANIME, "movie_id=anime_id,title=name", ["Kimi no Na wa.", "A, b"]),
        ("2003,1,A\n2004,2,B, c\n", "movie_id=2,title=3,year=1", ["A", "B, c"]),
    ],
)
def test_titles_written_by_people_and_spreadsheets_are_read(
    text: str | bytes, columns: str, wanted: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "titles"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    settings = IngestSettings.model_validate({"title_columns": columns})
    titles, rejects, *_ = read_titles(source_of(path), settings)
    assert titles["title"].to_list() == wanted
    assert rejects.is_empty()


@pytest.mark.parametrize(
    ("text", "wanted", "codes"),
    [
        (
            '1,1999,"A, b"\n2,2000,"Foo\n3,2001,"Bar\n4,2002,"C, d"\n',
            ["A, b", "C, d"],
            ["quote_unclosed"] * 2,
        ),
        (
            '1,1999,"A, b"\n2,2000,"Foo\n3,2001,Bar"\n4,2002,"C, d"\n',
            ["A, b", 'Bar"', "C, d"],
            ["quote_unclosed"],
        ),
        ('movieId,title,plot\n1,"A\n2,"B,x\n3,C,x\n', ["C"], ["quote_unclosed"] * 2),
        (
            "movieId,title,plot\n" + "1,A,x\n" * 49_998 + '2,"B\nc",x\n3,D,x\n',
            ["A", "B\nc", "D"],
            ["duplicate_movie_id"],
        ),
    ],
)
def test_an_open_quote_takes_no_other_movie_along(
    text: str, wanted: list[str], codes: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "titles"
    path.write_text(text)
    titles, rejects, *_ = read_titles(source_of(path))
    assert titles["title"].to_list() == wanted
    assert rejects["code"].to_list()[: len(codes)] == codes
    assert set(rejects["code"]) == set(codes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,1999,A\r2,2000,B\n3,2001,C\n", "line 1: carriage returns"),
        ("1,1999,A\n2,2000,B\r3,2001,C\r", "line 2: carriage returns"),
        ("id,title\nm1,A\ntitle,id\nB,m2\n", "line 3: the line is a header, 'title, id', with its columns"),
        ('id,title\n"1,234",A\n999,B\n', "ids such as 1,234, with separators of thousands"),
        ("movieId,genres\n1,x\n", "no column for the title; found movieId, genres"),
        ("movieId,title,title\n1,x,y\n", "has the column 'title' twice"),
    ],
)
def test_titles_that_would_be_read_wrong_are_refused(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "titles").write_bytes(text.encode())
    with pytest.raises(DataError, match=words):
        read_titles(source_of(tmp_path / "titles"))


def test_the_year_behind_the_title_is_read_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "titles").write_text("1\tA\t1999\n2\tB\t2000\n")
    assert read_titles(source_of(tmp_path / "titles")).titles["year"].to_list() == [1999, 2000]


@pytest.mark.parametrize("text", ["1,2001,Up\n2,2002,{}\n3,2003,Us\n", "1,2001,Up\n2,2002,Us\n3,2003,{}\n"])
@pytest.mark.parametrize("title", ["Two\nlines", "Two\n2", "Two, or\n3, lines"])
def test_one_title_over_lines_shows_that_titles_are_quoted(text: str, title: str, tmp_path: Path) -> None:
    found = titles_of(tmp_path, text.format(f'"{title}"'))
    assert [each[2] for each in found] == [
        field.format(title) for field in re.findall(r"\d,([^,\n]+)\n", text)
    ]


@pytest.mark.parametrize(
    ("line", "header"),
    [
        ("{id},{year},{title}", ""),
        ("{id},{title},{year}", ""),
        ('{id};{year};"{title}"', ""),
        ("{id}\t{year}\t{title}", ""),
        ("{id},{title},{year}", "movieId,title,year\n"),
    ],
)
def test_titles_may_all_be_numbers(line: str, header: str, tmp_path: Path) -> None:
    movies = [(k, 2000 + k, title) for k, title in enumerate(["1984", "300", "2012", "9", "21", "1917"], 1)]
    text = header + "".join(f"{line}\n".format(id=k, year=year, title=title) for k, year, title in movies)
    assert titles_of(tmp_path, text) == movies


@pytest.mark.parametrize("line", ["{user},{movie},{rating}", "{user},{movie},{rating},2003-01-16"])
def test_ratings_of_movies_whose_ids_look_like_years_are_no_titles(line: str, tmp_path: Path) -> None:
    rows = [line.format(user=k, movie=1950 + k % 60, rating=1 + k % 5) for k in range(100)]
    with pytest.raises(DataError, match="contains ratings, not titles"):
        titles_of(tmp_path, "\n".join(rows))


def test_titles_of_which_the_encoding_was_mistaken_before_are_a_warning(tmp_path: Path) -> None:
    (tmp_path / "titles").write_text("1,1999,AmÃ©lie\n2,2000,LÃ©on\n3,2001,SÃO PAULO\n")
    assert "2 titles, such as 'AmÃ©lie'" in read_titles(source_of(tmp_path / "titles")).warnings[0]


def test_titles_that_are_words_for_an_empty_field_are_a_warning(tmp_path: Path) -> None:
    (tmp_path / "titles").write_text("id,title\n1,nan\n2,None\n3,Up\n")
    assert "2 titles are words for an empty field" in read_titles(source_of(tmp_path / "titles")).warnings[0]


@pytest.mark.parametrize("encoding", ["gbk", "shift_jis", "cp1251", "cp437"])
def test_an_unknown_encoding_is_a_warning_that_names_the_setting(encoding: str, tmp_path: Path) -> None:
    title = {"cp1251": "Москва", "cp437": "Café déjà vu"}.get(encoding, "スターウォーズ")
    path = tmp_path / "titles"
    path.write_bytes(f"1,1999,{title}\n".encode(encoding))
    assert "ingest.encoding" in read_titles(source_of(path)).warnings[0]
    named = read_titles(source_of(path), IngestSettings(encoding=encoding))
    assert (named.titles["title"].to_list(), named.warnings) == ([title], [])


def test_the_titles_in_an_archive_are_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, text in {
            "README.txt": "Read me, please.\n",
            "links.csv": "movieId,imdbId,tmdbId\n1,2,3\n",
            "movies.csv": "movieId,title,genres\n1,A,x\n",
            "ratings.csv": "userId,movieId,rating\n1,1,5\n",
            "tags.csv": "userId,movieId,tag,timestamp\n7,7,good,7\n",
        }.items():
            archive.writestr(name, text)
    assert read_titles(source_of(tmp_path / "a.zip")).titles["title"].to_list() == ["A"]


@pytest.mark.real
def test_real_files_are_read(real_data: Path) -> None:
    titles, rejects, *_ = read_titles(source_of(real_data / "netflix" / "movie_titles.csv"))
    text = (real_data / "netflix" / "movie_titles.csv").read_bytes().decode("iso-8859-1")
    assert titles["title"].to_list() == [line.split(",", 2)[2] for line in text.split("\n")[:-1]]
    assert titles["year"].null_count() == 7
    assert titles.filter(titles["movie_id"] == 6483)["title"].item() == "Smokey Joe's Café"
    assert rejects.is_empty()
    for name, movies in (("ml-100k/u.item", 1682), ("ml-latest-small/movies.csv", 9125)):
        titles, rejects, *_ = read_titles(source_of(real_data / name))
        assert (titles.height, rejects.height) == (movies, 0)
