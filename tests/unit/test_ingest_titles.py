"""Titles in every format of the field, each kept to the character."""

from pathlib import Path

import pytest

from matinee.ingest.reading.sources import source_of
from matinee.ingest.titles.table import read_titles

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
    titles, rejects = read_titles(source_of(path))
    assert rejects.is_empty()
    return list(titles.iter_rows())


@pytest.mark.parametrize("encoding", ["iso-8859-1", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("header", ["", "Movie_Id,Year,Name\n", "movieID,yearOfRelease,title\n"])
@pytest.mark.parametrize("body", [NETFLIX, QUOTED_WHERE_NEEDED, QUOTED_ALL])
def test_the_netflix_file_and_its_copies(
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
        ("1,A (9999)\n2,B\n", [(1, None, "A (9999)"), (2, None, "B")]),
    ],
)
def test_other_formats(text: str, wanted: list[tuple[int, int | None, str]], tmp_path: Path) -> None:
    assert titles_of(tmp_path, text) == wanted


@pytest.mark.real
def test_the_real_files(real_data: Path) -> None:
    titles, rejects = read_titles(source_of(real_data / "netflix" / "movie_titles.csv"))
    text = (real_data / "netflix" / "movie_titles.csv").read_bytes().decode("iso-8859-1")
    assert titles["title"].to_list() == [line.split(",", 2)[2] for line in text.split("\n")[:-1]]
    assert titles["year"].null_count() == 7
    assert titles.filter(titles["movie_id"] == 6483)["title"].item() == "Smokey Joe's Café"
    assert rejects.is_empty()
    for name, movies in (("ml-100k/u.item", 1682), ("ml-latest-small/movies.csv", 9125)):
        titles, rejects = read_titles(source_of(real_data / name))
        assert (titles.height, rejects.height) == (movies, 0)
