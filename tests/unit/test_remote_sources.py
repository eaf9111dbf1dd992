"""Ratings in an object store as sources: fetched once, known again, and read like files."""

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from object_store import ObjectStore

from matinee.cli.main import main
from matinee.errors import ConfigError, StoreError
from matinee.formats.manifests import DatasetManifest
from matinee.ingest.reading.object_sources import local_file, local_sources
from matinee.ingest.reading.sources import find_sources
from matinee.maintenance.forget import forget
from matinee.registry import Registry
from matinee.store import Store
from matinee.store.remote import source_cache
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
    found, _ = find_sources(list(map(Path, local_sources(sources))), judge=lambda _: None)
    return [source.path.read_bytes() for source in found]


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")


def test_objects_are_named_one_by_one_by_patterns_or_by_a_prefix(bucket: tuple[str, Put]) -> None:
    name, put = bucket
    for key in ("a.csv", "2025/b.csv", "2026/c.csv", "2026/d.txt", "2026/05/e.csv", "2026/.hidden.csv"):
        put(key, key.encode())
    assert _read([f"s3://{name}/2026/c.csv", f"s3://{name}/a.csv"]) == [b"2026/c.csv", b"a.csv"]
    assert _read([f"s3://{name}/2026/*.csv"]) == [b"2026/c.csv"]
    assert _read([f"s3://{name}/20*/*.csv"]) == [b"2025/b.csv", b"2026/c.csv"]
    assert _read([f"s3://{name}/20*"]) == [b"2025/b.csv", b"2026/05/e.csv", b"2026/c.csv", b"2026/d.txt"]
    assert _read([f"s3://{name}/**/*.csv"]) == [b"2025/b.csv", b"2026/05/e.csv", b"2026/c.csv", b"a.csv"]
    assert _read([f"s3://{name}/2026/"]) == [b"2026/05/e.csv", b"2026/c.csv", b"2026/d.txt"]
    assert local_sources(["ratings/*.csv"]) == ["ratings/*.csv"]
    assert Path(local_file(f"s3://{name}/a.csv")).name == "a.csv"
    for nothing in (f"s3://{name}/none.csv", f"s3://{name}/2027/", f"s3://{name}/*.parquet"):
        with pytest.raises(ConfigError, match="has no objects"):
            local_sources([nothing])
    with pytest.raises(ConfigError, match="has 2 objects"):
        local_file(f"s3://{name}/20*/*.csv")


def test_an_object_is_fetched_again_only_if_it_has_changed(
    bucket: tuple[str, Put], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    name, put = bucket
    caplog.set_level(logging.INFO)
    put("all/a.csv", b"first")
    assert [_read([f"s3://{name}/all/a.csv"]) for _ in range(2)] == [[b"first"]] * 2
    assert len(caplog.messages) == 1
    put("all/a.csv", b"other")  # of the same size
    put("all/b.csv", b"more")
    assert _read([f"s3://{name}/all/"]) == [b"other", b"more"]
    assert _files(tmp_path / "hosts") == ["a.csv", "b.csv"]  # of each object, only the last version
    Objects(parse_address(f"s3://{name}")).delete(["all/a.csv"])
    assert _read([f"s3://{name}/all/"]) == [b"more"]
    assert _files(tmp_path / "hosts") == ["b.csv"]


def test_forget_leaves_no_rows_of_objects_on_any_host(
    bucket: tuple[str, Put], remote: Callable[[str], str], tmp_path: Path
) -> None:
    name, put = bucket
    put("a.csv", b"7,1,5\n")
    for host in ("other", "first"):
        address = remote(host)
        local_sources([f"s3://{name}/a.csv"])
        Store.open(Path(address))
        (tmp_path / "hosts" / host / "sources" / "killed.pruned").mkdir()
    begun = Registry.open(Path(address)).root / "recommendations" / ".v0001.parquet.begun"
    begun.mkdir(parents=True)
    forget(Path(address), 7)
    assert not begun.exists()
    assert not list((tmp_path / "hosts/first/sources").iterdir())

    source_cache._given.clear()  # as in another process
    Store.open(Path(remote("other")))
    assert not list((tmp_path / "hosts/other/sources").iterdir())

    local_sources([f"s3://{name}/a.csv"])
    forget(Store.open(tmp_path / "store").root, 7)  # a store of this host may have read it too
    assert not list((tmp_path / "hosts/other/sources").iterdir())


def test_a_cache_that_cant_be_written_is_named(
    bucket: tuple[str, Put], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, put = bucket
    put("a.csv", b"7,1,5\n")
    (tmp_path / "file").touch()
    monkeypatch.setenv("MATINEE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match=r"can't be written: Not a directory.* set MATINEE_CACHE to"):
        local_sources([f"s3://{name}/a.csv"])


def test_a_prefix_is_read_as_a_folder_is(bucket: tuple[str, Put], tmp_path: Path) -> None:
    name, put = bucket
    table = io.BytesIO()
    pq.write_table(pa.table({"movie_id": range(20), "rating": [1.0, 2.0, 3.0, 4.0, 5.0] * 4}), table)
    for user in range(20):
        put(f"all/user_id={user}/part-0.parquet", table.getvalue())
    put("all/readme.txt", b"What these files are.\n")
    put("titles.csv", b"".join(b"%d,2000,Movie %d\n" % (movie, movie) for movie in range(20)))
    call = ["ingest", "--ratings", f"s3://{name}/all/", "--titles", f"s3://{name}/titles.csv"]
    assert main([*call, "--store", str(tmp_path / "store")]) == 0
    store = Store(tmp_path / "store")
    (dataset,) = store.names("datasets")
    assert store.read(DatasetManifest, dataset).rows == 400


def test_messages_name_the_object_and_quote_no_secret(
    bucket: tuple[str, Put], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, put = bucket
    put("notes/readme.txt", b"What these files are.\n")
    put("titles.csv", b"1,2000,Movie 1\n")
    call = ["ingest", "--titles", f"s3://{name}/titles.csv", "--store", str(tmp_path / "store"), "--ratings"]
    for source in (f"s3://{name}/notes/", f"s3://{name}/notes/readme.txt"):
        assert main([*call, source]) == 3
        said = capsys.readouterr().err
        assert f"s3://{name}/notes" in said
        assert str(tmp_path / "hosts") not in said
    for secret in (
        f"s3://{name}/a.csv?X-Amz-Signature=secret",
        "s3://key:secret@bucket/*.csv",
        f"s3://{name}/?key=secret",
    ):
        assert main([*call, secret]) == 2
        assert "secret" not in capsys.readouterr().err
    assert main([*call, f"s3://{name}/a\x1b[31m*"]) == 2
    assert "\x1b" not in capsys.readouterr().err


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
