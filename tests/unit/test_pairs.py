"""Predictions for a file of pairs: the file's text is kept, and every prediction is finite."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from packed import parquet, zipped

from matinee.errors import ConfigError, DataError, StoreError
from matinee.release import Release
from matinee.release.idmap import IdMap
from matinee.release.item_catalog import ItemCatalog
from matinee.release.manifest import ReleaseManifest
from matinee.release.predict_file import predict_file


@pytest.fixture
def release() -> Release:
    """Users 10, 20 and movies 1, 2 with a mean of 3 and biases; the factors have no effect."""
    weights = {
        "mean": np.float32([3.0]),
        "user_bias": np.float32([0.5, -0.5]),
        "movie_bias": np.float32([1.0, 9.0]),
        "user_factors": np.zeros((2, 1), np.float32),
        "movie_factors": np.zeros((2, 1), np.float32),
    }
    ids = IdMap(np.array([10, 20])), IdMap(np.array([1, 2]))
    manifest = ReleaseManifest.model_construct(version="v0001", model="dot", scale=[1.0, 5.0])
    catalog = ItemCatalog(
        movies=ids[1],
        titles=pa.chunked_array([["One", "Two"]]),
        train_rows=np.array([2, 1]),
        liked_rows=np.array([1, 1]),
        years=np.zeros(2, np.int32),
        popularity_weight=0.0,
        seen_offsets=np.zeros(3, np.int64),
        seen_movies=np.empty(0, np.int32),
    )
    return Release(
        Path(), manifest, users=ids[0], movies=ids[1], weights=weights, catalog=catalog, user_prior=None
    )


def test_columns_and_text_are_kept_and_unknown_ids_get_the_known_bias(
    release: Release, tmp_path: Path
) -> None:
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_bytes(
        "\ufeffnote,movieID,User_ID,price\n"
        '"a, ""b""",1,10,007\n'
        "Café,1,99,\n"
        "\n"
        "z,2,20,1.50\n"
        "z,77,88,x\n".encode()
    )
    assert predict_file(release, pairs, out=out) == (4, 2, 1)  # rows, and those of unknown users and movies
    assert out.read_text("utf-8").splitlines() == [
        "note,movieID,User_ID,price,prediction",
        '"a, ""b""",1,10,007,4.5000',
        "Café,1,99,,4.0000",
        "z,2,20,1.50,5.0000",
        "z,77,88,x,3.0000",
    ]


@pytest.mark.parametrize(
    "packed",
    [
        lambda text: zipped({"a/pairs.csv": text}),
        bz2.compress,
        lzma.compress,
        lambda text: parquet(**pa.csv.read_csv(io.BytesIO(text)).to_pydict()),
        lambda text: text.decode().encode("utf-16"),
    ],
    ids=["zip", "bz2", "xz", "Parquet", "UTF-16"],
)
def test_pairs_are_packed_and_encoded_like_ratings(
    packed: Callable[[bytes], bytes], release: Release, tmp_path: Path
) -> None:
    (tmp_path / "pairs").write_bytes(packed("movieId,userId,note\n1,10,é\n".encode()))
    assert predict_file(release, tmp_path / "pairs", out=tmp_path / "out.csv").rows == 1
    assert (tmp_path / "out.csv").read_text("utf-8").splitlines()[1] == "1,10,é,4.5000"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_read_like_ratings(delimiter: str, packed: bool, release: Release, tmp_path: Path) -> None:
    pairs, out = tmp_path / "pairs", tmp_path / "out.csv"
    above = "# by me\nsep=;\n" if packed else ""
    text = f"{above}film{delimiter}customer\n1{delimiter}10\n".encode()
    pairs.write_bytes(gzip.compress(text) if packed else text)
    assert predict_file(release, pairs, out=out).rows == 1
    assert out.read_text().splitlines()[1] == delimiter.join(["1", "10", "4.5000"])
    if packed:
        pairs.write_bytes(pairs.read_bytes()[:-9])
        with pytest.raises(ConfigError, match="pairs could not be read"):
            predict_file(release, pairs, out=out)


SHORT = ["userID,movieID", "10,1,4.5000", "20,2,5.0000"]
LONG = ["userID,movieID,rating,date", "10,1,5,978300760,4.5000", "20,2,3.5,978302109,5.0000"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("userID::movieID\n10::1\n\n20::2\n", SHORT),
        ("userID movieID\n10 1\n  20   2 \n", SHORT),
        ("userID\t\tmovieID\n10\t1\n20\t\t\t2\n", SHORT),
        (b"userID movieID\n10\xa01\n20\xa02\n", SHORT),
        ("10::1::5::978300760\n20::2::3.5::978302109\n", LONG),
        ("10\t1\t5\t978300760\n20\t2\t3.5\t978302109\n", ["\t".join(line.split(",")) for line in LONG]),
        ("# by me\n\n10,1\n20,2\n", SHORT),
        ("0,1\n10,1\n20,2\n", SHORT),
        ('"userID,movieID"\n"10,1"\n"20,2"\n', SHORT),
        ("10.0 1.0 2005-12-19\n20.0 2.0 2005-12-20\n", None),
        ('user_id movie_id title\n10 1 "One, two"\n', ["user_id,movie_id,title", '10,1,"One, two",4.5000']),
    ],
)
def test_pairs_are_delimited_like_ratings(
    text: str | bytes, wanted: list[str] | None, release: Release, tmp_path: Path
) -> None:
    wanted = wanted or ["userID,movieID,date", "10.0,1.0,2005-12-19,4.5000", "20.0,2.0,2005-12-20,5.0000"]
    pairs, out = tmp_path / "pairs.dat", tmp_path / "out.csv"
    pairs.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert predict_file(release, pairs, out=out).rows == len(wanted) - 1
    header, *rows = out.read_text().splitlines()
    assert header[: -len("?prediction")] == wanted[0]
    assert rows == wanted[1:]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1,10\n2,20\n1,20\n", "has no header, and its first column has the movies of the release"),
        ("10::1\n20::two\n" + "10::1\n" * 9, "line 2, column movieID: found 'two'"),
        ("10 1\n20 2 3\n" + "10 1\n" * 9, "line 2: found 3 fields, expected 2"),
        ("Who Which\n10 1\n", "no column for the user id among Who Which"),
    ],
)
def test_pairs_without_commas_are_not_read_wrong(
    text: str, told: str, release: Release, tmp_path: Path
) -> None:
    (tmp_path / "pairs.dat").write_text(text)
    with pytest.raises(DataError, match=told):
        predict_file(release, tmp_path / "pairs.dat", out=tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1:\n10\n20\n2:\n10\n", ["movieID,userID", "1,10,4.5000", "1,20,3.5000", "2,10,5.0000"]),
        ("1:\r\n10,2005-12-19\r\n\r\n2:\r\n", ["movieID,userID,date", "1,10,2005-12-19,4.5000"]),
    ],
)
def test_netflix_text_is_read_as_pairs(
    text: str, wanted: list[str], release: Release, tmp_path: Path
) -> None:
    pairs, out = tmp_path / "probe.txt", tmp_path / "out.csv"
    pairs.write_bytes(text.encode())
    assert predict_file(release, pairs, out=out).rows == len(wanted) - 1
    assert out.read_text().splitlines() == [f"{wanted[0]},prediction", *wanted[1:]]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1:\n10\n2:\nten\n", r"line 4, column userID: found 'ten'"),
        ("", "is empty"),
        ("a,b\n1,2\n", r"line 1: no column for the user id among a, b\..* Rename .* to userID\."),
        ("userID,movieID\n1,2\n1,two\n", r"line 3, column movieID: found 'two'"),
        ("# by me\nuserID,movieID\n1,two\n", r"line 3, column movieID: found 'two'"),
        ("#userID,movieID\n1,two\n", r"line 2, column movieID: found 'two'"),
        ("userID,movieID\n1\n", r"line 2, column movieID: found ''"),
        ("userID,movieID\n1,99999999999999999999\n", "expected an integer id"),
        ("userID,movieID\n1,1_0\n", "expected an integer id"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    release: Release, tmp_path: Path, text: str, told: str
) -> None:
    pairs, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    pairs.write_text(text)
    with pytest.raises(DataError, match=told):
        predict_file(release, pairs, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


def test_missing_paths_are_refused(release: Release, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv does not exist"):
        predict_file(release, tmp_path / "none.csv", out=tmp_path / "out.csv")
    (tmp_path / "pairs.csv").write_text("userID,movieID\n1,1\n")
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        predict_file(release, tmp_path / "pairs.csv", out=tmp_path / "nowhere" / "out.csv")


def test_a_full_disk_does_not_name_the_pairs(release: Release, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("userID,movieID\n" + "3,3\n" * 9)
    with pytest.raises(StoreError, match="/dev/full could not be written: No space"):
        predict_file(release, pairs, out=Path("/dev/full"))


def test_a_read_error_of_the_pairs_names_the_pairs(release: Release, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv.gz"
    pairs.write_bytes(gzip.compress(b"userID,movieID\n" + b"3,3\n" * 99_999)[:-9])
    with pytest.raises(ConfigError, match=r"pairs\.csv\.gz could not be read"):
        predict_file(release, pairs, out=tmp_path / "out.csv")
