"""Ratings in an object store as sources: fetched once, known again, and read like files."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from object_store import ObjectStore

from matinee.cli.main import main
from matinee.errors import ConfigError
from matinee.ingest.reading.object_sources import local_file, local_sources
from matinee.store import Store
from matinee.store.remote.address import parse_address
from matinee.store.remote.objects import Objects

Put = Callable[[str, bytes], str | None]


@pytest.fixture
def bucket(object_store: ObjectStore, remote: Callable[[str], str]) -> tuple[str, Put]:
    """A bucket, and what puts an object into it."""
    name = object_store.new_bucket()
    objects = Objects(parse_address(f"s3://{name}"))
    return name, objects.put


def _read(sources: list[str]) -> list[bytes]:
    return [Path(path).read_bytes() for path in local_sources(sources)]


def test_objects_are_named_one_by_one_by_patterns_or_by_a_prefix(bucket: tuple[str, Put]) -> None:
    name, put = bucket
    for key in ("a.csv", "2025/b.csv", "2026/c.csv", "2026/d.txt", "2026/05/e.csv", "2026/_SUCCESS"):
        put(key, key.encode())
    assert _read([f"s3://{name}/2026/c.csv", f"s3://{name}/a.csv"]) == [b"2026/c.csv", b"a.csv"]
    assert _read([f"s3://{name}/2026/*.csv"]) == [b"2026/c.csv"]
    assert _read([f"s3://{name}/20*/*.csv"]) == [b"2025/b.csv", b"2026/c.csv"]
    assert _read([f"s3://{name}/2026/"]) == [b"2026/05/e.csv", b"2026/c.csv", b"2026/d.txt"]
    assert local_sources(["ratings/*.csv"]) == ["ratings/*.csv"]
    assert Path(local_file(f"s3://{name}/a.csv")).name == "a.csv"
    for nothing in (f"s3://{name}/none.csv", f"s3://{name}/2027/", f"s3://{name}/*.parquet"):
        with pytest.raises(ConfigError, match="has no objects"):
            local_sources([nothing])
    with pytest.raises(ConfigError, match="has 2 objects"):
        local_file(f"s3://{name}/20*/*.csv")


def test_an_object_is_fetched_again_only_if_it_has_changed(
    bucket: tuple[str, Put], caplog: pytest.LogCaptureFixture
) -> None:
    name, put = bucket
    caplog.set_level(logging.INFO)
    put("a.csv", b"first")
    assert _read([f"s3://{name}/a.csv"] * 2) == [b"first"] * 2
    assert len(caplog.messages) == 1
    put("a.csv", b"other")  # of the same size
    assert _read([f"s3://{name}/a.csv"]) == [b"other"]


def test_rows_of_a_bucket_make_the_dataset_that_the_file_makes(
    bucket: tuple[str, Put], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, put = bucket
    rows = b"user_id,movie_id,rating,date\n" + b"".join(
        b"%d,%d,%d,2005-01-01\n" % (user, movie, 1 + (user + movie) % 5)
        for user in range(20)
        for movie in range(20)
    )
    titles = b"".join(b"%d,2000,Movie %d\n" % (movie, movie) for movie in range(20))
    put("ratings.csv", rows)
    put("titles/movie_titles.csv", titles)
    (tmp_path / "ratings.csv").write_bytes(rows)
    (tmp_path / "movie_titles.csv").write_bytes(titles)
    for ratings, movies, store in (
        (f"s3://{name}/*.csv", f"s3://{name}/titles/movie_titles.csv", "one"),
        (str(tmp_path / "ratings.csv"), str(tmp_path / "movie_titles.csv"), "other"),
    ):
        call = ["ingest", "--ratings", ratings, "--titles", movies, "--store", str(tmp_path / store)]
        assert main(call) == 0, capsys.readouterr().err
    assert (
        len({*Store(tmp_path / "one").names("datasets"), *Store(tmp_path / "other").names("datasets")}) == 1
    )
