"""Every kind of file that is refused: the table in docs/data.md has the sentence as the program prints it."""

import gzip
import io
import os
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from packed import parquet

from matinee import ingest
from matinee.errors import DataError
from matinee.settings.ingest import IngestSettings
from matinee.store import Store
from matinee.store.file_kinds import _MAGIC

DOCS = Path(__file__).parents[2] / "docs/data.md"
ROW = "1,2,3,2003-01-16\n"
HEADER = "userId,movieId,rating,date\n"
COLUMNS = {"userId": [1, 2], "movieId": [1, 2], "rating": [3.0, 4.0]}
READ_BY_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"BZh", b"\xfd7zXZ", b"ARROW1", b"PK\x07\x08")


def _zip(entries: dict[str, str], *, encrypted: bool = False, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, text in entries.items():
            file.writestr(name, text)
    data = bytearray(out.getvalue())
    if encrypted:
        data[6] |= 1
        data[data.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def _parquet(**columns: Any) -> bytes:
    return parquet(**{**COLUMNS, **columns})


def _folder(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "table" / name).mkdir(parents=True)
        (folder / "table" / name / "v1.metadata.json").write_text("{}")
        (folder / "table" / "ratings.csv").write_text(HEADER + ROW)
        return folder / "table"

    return make


def _scales(folder: Path) -> Path:
    (folder / "table").mkdir()
    for name, highest in (("a.csv", 5), ("b.csv", 10)):
        rows = "".join(f"{k},{k % 9},{1 + k % highest}\n" for k in range(200))
        (folder / "table" / name).write_text("userId,movieId,rating\n" + rows)
    return folder / "table"


Made = bytes | str | Callable[[Path], Path]
CASES: dict[str, tuple[Made, dict[str, Any]]] = {
    **{
        kind.removeprefix("a ").removeprefix("an "): (magic + bytes(64), {})
        for magic, (kind, _) in _MAGIC.items()
        if magic not in READ_BY_MAGIC
    },
    "Python pickle": (pickle.dumps(COLUMNS), {}),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(64), {}),
    "DuckDB database": (b"checksumDUCK" + (64).to_bytes(8, "little") + bytes(64), {}),
    "spreadsheet (.xlsx)": (_zip({"[Content_Types].xml": "", "xl/workbook.xml": "<workbook/>"}), {}),
    "encrypted zip": (_zip({"ratings.csv": ROW}, encrypted=True), {}),
    "zip of another method": (_zip({"ratings.csv": ROW}, method=zipfile.ZIP_LZMA), {}),
    "archive without ratings": (_zip({"README.md": "Some words about these files, to read."}), {}),
    "cut gzip file": (gzip.compress(os.urandom(99))[:-12], {}),
    "empty file": (b"", {}),
    "binary content": (bytes(range(32)) * 9, {}),
    "web page": ("<html><body>Log in</body></html>\n", {}),
    "pointer of Git LFS": ("version https://git-lfs.github.com/spec/v1\n", {}),
    "table drawn for a terminal": ("+---+---+---+\n| user_id | movie_id | rating |\n+---+---+---+\n", {}),
    "numbered features (libsvm, libFM)": ("3 1:1 2:7\n4 1:1 2:8\n", {}),
    "JSON arrays": ("[1, 2, 3]\n[1, 3, 4]\n", {}),
    "ARFF file": ("@relation ratings\n@attribute userId numeric\n@data\n1,2,3\n", {}),
    "text of Hive": ("1\x012\x013\n1\x013\x014\n" * 9, {}),
    "another delimiter": ("userId^movieId^rating\n1^2^3\n", {}),
    "rows of several lines": ("userId: 1\nmovieId: 2\nrating: 3\n\n", {}),
    "lines above the header": ("Ratings of 2003\n\nuserId,movieId,rating\n1,2,3\n", {}),
    "dump of a database": ("INSERT INTO ratings (user_id, movie_id, rating) VALUES (1,2,3);\n", {}),
    "JSON array": ('[{"user": 1}]\n', {}),
    "JSON over several lines": ('{\n "user": 1\n}\n', {}),
    "Python dictionaries": ("{'user': 1}\n", {}),
    "ids as floats": (_parquet(userId=pa.array([1, 16777216], pa.float32())), {}),
    "column of lists": (_parquet(rating=[[1], [2]]), {}),
    "Parquet without plain columns": (_parquet(userId=[[1]] * 2, movieId=[[1]] * 2, rating=[[1]] * 2), {}),
    "Iceberg": (_folder("metadata"), {}),
    "Hudi": (_folder(".hoodie"), {}),
    "unknown names of columns": ("Wer,Was,Wert\n1,2,3\n", {}),
    "one unknown name": ("user_id,clip,rating\n1,tt01,3\n", {}),
    "ratings of one person": ("Const,Your Rating,Title\ntt01,8,Film\n", {}),
    "matrix of users and movies": ("user" + ",m" * 12 + "\n" + ("1" + ",3" * 12 + "\n") * 3, {}),
    "no header, unknown order": ("u1,Film 1,play,3.5,0\nu2,Film 2,play,1.0,0\n", {}),
    "no rating": ("userId,movieId\n1,2\n", {}),
    "header without rows": (HEADER, {}),
    "day or month first": (HEADER + "1,2,3,1/2/2003\n", {}),
    "day, month and year in digits": (HEADER + "1,2,3,16022003\n1,3,3,17022003\n", {}),
    "year of two digits first": (HEADER + "1,2,3,030216\n1,3,3,030217\n", {}),
    "ids with an exponent": (HEADER + "1.6777217e7,1,3,\n2.6777217e+07,1,3,\n", {}),
    "large ids as floats": (HEADER + "9007199254740994.0,1,3,\n9007199254740996.0,1,3,\n", {}),
    "ids with separators": (HEADER + '"1,234",1,3,\n999,1,3,\n', {}),
    "decimal commas, no header": ("1,2,3,5\n1,3,4,0\n", {}),
    "line ends of two kinds": (HEADER.replace("\n", "\r") + ROW, {}),
    "columns within an object": ('{"key": 1, "value": {"user": 1, "item": 2, "stars": 3}}\n', {}),
    "objects as ids": ('{"user": {"id": 1}, "movie": 2, "rating": 3}\n', {}),
    "rows of Netflix text without their movie": ("1,3,2003-01-16\n2,4,2003-01-17\n", {}),
    "another encoding": (HEADER.encode() + b"1,2,3,\xff\n", {"encoding": "shift_jis"}),
    "files of different scales": (_scales, {}),
    "averages of ratings": ("tconst\taverageRating\tnumVotes\ntt01\t5.7\t1982\n", {}),
    "two columns of ids": ("1,2\n1,3\n", {}),
    "no header, ratings as words": ("1,2,good\n1,3,bad\n" * 9, {}),
    "too many rejects": (HEADER + ROW + "1,2,good,2003-01-16\n", {}),
    "ratings as stars": (HEADER + "1,2,★★★★,\n1,3,★★★,\n", {}),
    "ratings as fractions": (HEADER + "1,2,4/5,\n1,3,3/5,\n", {}),
    "ratings as percentages": (HEADER + "1,2,80%,\n1,3,60 %,\n", {}),
    "ratings as words": (HEADER + "1,2,good,\n1,3,bad,\n" * 9, {}),
    "dates in two forms": (HEADER + "1,2,3,1045353600\n1,3,4,16/2/2003\n", {}),
    "table and JSON lines joined": (HEADER + ROW + '{"userId": 1, "movieId": 2, "rating": 3}\n', {}),
    "JSON lines and table joined": ('{"userId": 1, "movieId": 2, "rating": 3}\n' + HEADER + ROW, {}),
    "files of two delimiters joined": (HEADER + ROW * 99 + "1;2;3;2003-01-16\n" * 9, {}),
    "rows in quotes as a whole, later": (HEADER + ROW * 4000 + '"1,2,3,2003-01-16"\n' * 99, {}),
    "text over lines without quotes": (HEADER + "1,2,3,2003-01-16,a good film\nthat I liked a lot\n" * 9, {}),
    "empty rows": (HEADER + ROW + ",,,\n" * 9, {}),
    "long line": (HEADER + ROW + "1,2,3," + "9" * (3 << 20) + "\n", {"max_line_mb": 1}),
    "bomb": (gzip.compress((HEADER + ROW).encode() + b"\n" * (66 << 20), 6), {}),
    "many containers in one another": (gzip.compress(gzip.compress(ROW.encode())), {"max_depth": 1}),
}  # fmt: skip


def _sentence(name: str, folder: Path) -> str:
    """What the program prints about a file, with FILE for its path."""
    made, setting = CASES[name]
    if callable(made):
        path = made(folder)
    else:
        path = folder / "ratings"
        path.write_bytes(made.encode() if isinstance(made, str) else made)
    store = Store.open(folder / "store")
    chosen = IngestSettings.model_validate({"ids": "integer", **setting})
    with pytest.raises(DataError) as caught:
        store.ensure(ingest.plan(store, ratings=[path], titles=None, settings=chosen))
    text = str(caught.value).replace(str(folder / "store"), "STORE").replace(str(path), "FILE")
    text = re.sub(r"from [\d,]+ bytes", "from N bytes", text)  # as the version of zlib packs it
    return re.sub(r"STORE/partitions/\w+", "STORE/partitions/DIGEST", text)


def _listed() -> dict[str, str]:
    """The table of the docs."""
    part = DOCS.read_text("utf-8").partition("| file | what the program says |\n")[2].partition("\n\n")[0]
    rows = [re.split(r"(?<!\\)\|", line)[1:3] for line in part.splitlines()[1:]]
    return {name.strip(): sentence.strip().replace("\\|", "|") for name, sentence in rows}


@pytest.mark.parametrize("name", CASES)
def test_the_docs_have_the_sentence_of_each_refused_kind(name: str, tmp_path: Path) -> None:
    assert _listed().get(name) == _sentence(name, tmp_path)


def test_the_docs_list_nothing_else() -> None:
    assert list(_listed()) == list(CASES)
