"""Broken and odd inputs: each gives a correct result or one clear error, and no row is ever lost."""

import gzip
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ingest_inputs import CASES, HEADER, MANY, NOISE, TITLES, Refused, parquet
from packed import zipped
from title_inputs import TITLE_CASES

from matinee import ingest
from matinee.errors import ConfigError, DataError
from matinee.ingest.reading import blocks
from matinee.settings.ingest import IngestSettings
from matinee.store import Store


def run(folder: Path, ratings: list[Path], *, titles: bytes = TITLES, **settings: Any) -> dict[str, Any]:
    """Ingest, check that rows read are rows accepted and rejected, and return the dataset's manifest."""
    (folder / "movie_titles.csv").write_bytes(titles)
    store = Store.open(folder / "store")
    plan = ingest.plan(
        store,
        ratings=ratings,
        titles=folder / "movie_titles.csv",
        settings=IngestSettings.model_validate(settings),
    )
    dataset = store.ensure(plan)
    manifest = store.manifest("datasets", dataset.digest)
    batches = list(ingest.iter_ratings(store, dataset))
    assert sum(batch.height for batch in batches) == manifest["rows"] == dataset.rows
    assert manifest["rows_read"] == manifest["rows"] + manifest["rows_rejected"]
    assert manifest["rows_rejected"] == sum(manifest["rejects"].values())
    return manifest


def assert_refused(folder: Path, expected: Refused, *, of: Any) -> None:
    with pytest.raises(expected.error) as caught:
        of()
    message = str(caught.value)
    assert "\n" not in message
    assert "Traceback" not in message
    assert len(message) < 1200
    for word in expected.words:
        assert word in message
    assert not list((folder / "store").glob("*/*.partial"))
    assert not (folder / "store" / "datasets").exists() or not list((folder / "store" / "datasets").iterdir())


@pytest.mark.parametrize("name", CASES)
def test_each_input_gives_a_correct_result_or_one_clear_error(name: str, tmp_path: Path) -> None:
    content, expected = CASES[name]
    path = tmp_path / "ratings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if isinstance(expected, Refused):
        assert_refused(tmp_path, expected, of=lambda: run(tmp_path, [path]))
        return
    manifest = run(tmp_path, [path])
    assert (manifest["rows"], manifest["rejects"]) == expected


def test_the_table_has_enough_inputs() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", TITLE_CASES)
def test_a_titles_file_loses_only_its_bad_lines_or_is_refused(name: str, tmp_path: Path) -> None:
    content, expected = TITLE_CASES[name]
    path = tmp_path / "ratings.csv"
    path.write_text(MANY)
    titles = content if isinstance(content, bytes) else content.encode()
    if isinstance(expected, Refused):
        assert_refused(tmp_path, expected, of=lambda: run(tmp_path, [path], titles=titles))
    else:
        assert run(tmp_path, [path], titles=titles)["title_rejects"] == expected


def test_paths_that_are_not_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path, words in (
        (tmp_path / "absent.csv", "does not exist"),
        (tmp_path / "*.none", "Nothing matches"),
        (tmp_path / "pipe", "not a regular file"),
    ):
        expected = Refused(ConfigError, (str(path), words))
        assert_refused(tmp_path, expected, of=lambda path=path: run(tmp_path, [path]))
    expected = Refused(DataError, ("contains no rating file",))
    assert_refused(tmp_path, expected, of=lambda: run(tmp_path, [tmp_path / "folder"]))
    (tmp_path / "ratings.csv").write_text(MANY)
    with pytest.raises(ConfigError, match="is a folder"):
        ingest.plan(
            Store.open(tmp_path / "store"),
            ratings=[tmp_path / "ratings.csv"],
            titles=tmp_path / "folder",
            settings=IngestSettings(),
        )


def test_only_the_ratings_of_a_folder_are_read_and_other_files_are_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "deeper").mkdir(parents=True)
    for name, text in {
        "ratings.csv": MANY,
        "deeper/more.csv.gz": gzip.compress((HEADER + "900,1,3,2004-01-01\n").encode()),
        "tags.csv": "userId,movieId,tag,timestamp\n1,2,funny,1139045764\n",
        "README": "Ratings of movies.\n",
        "links.dat": "1::114710::863\n3::114712::865\n",
        "trust.txt": "101\t104\t1\n104\t107\t1\n",
        "users.dat": "101::M::25::15::55117\n",
        "movies.dat": "1::A (1999)::Drama\n",
        "probe.txt": "1:\n194007\n",
        "logo.bin": b"\x89PNG\r\n" + NOISE,
        "_SUCCESS": "",
        ".hidden.csv": MANY,
        "utf-16.csv": (HEADER + "901,1,3,2004-01-01\n").encode("utf-16"),
        "more.zip": zipped({"a.csv": HEADER + "902,1,3,\n", "movies.csv": "movieId,title,genres\n1,A,B\n"}),
    }.items():
        (data / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    for paths in ([data], [data / "*", data / "deeper" / "*"]):
        manifest = run(tmp_path, paths)
        assert manifest["rows"] == 203
        told = " ".join(manifest["warnings"])
        for name in ("tags.csv (tags)", "README (a description)", "links.dat (links)", "movies.csv (titles)"):
            assert name in told
        assert manifest["warnings"][0].endswith("and 1 more.")
        assert "hidden" not in told


def test_files_of_a_folder_that_may_be_ratings_are_read_or_an_error_or_left_out_by_name(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, text in {
        "good.csv": MANY,
        "empty.csv": "",
        "names.csv": "Wer,Was,Wert\n1,2,3\n",
        "sheet.xlsx": b"PK\x03\x04" + bytes(200),
    }.items():
        (data / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    (data / "gone.csv").symlink_to("nowhere")
    words = ("4 files", "empty.csv is empty", "'Wer', 'Was'", "zip archive ends", "broken link", "=skip")
    assert_refused(tmp_path, Refused(DataError, words), of=lambda: run(tmp_path, [data]))
    manifest = run(tmp_path, [data], unreadable="skip")
    assert manifest["rows"] == 200
    assert "names.csv" in manifest["warnings"][0]


def test_a_folder_of_hive_has_columns_in_its_paths(tmp_path: Path) -> None:
    for movie, rating in ((1, 3), (2, 4)):
        folder = tmp_path / "data" / f"movie={movie}" / "date=2004-01-0%31"
        folder.mkdir(parents=True)
        (folder / "part-0.parquet").write_bytes(parquet(user=[1, 2], rating=[rating, 5]))
    (tmp_path / "data" / "_SUCCESS").write_text("")
    run(tmp_path, [tmp_path / "data"])
    store = Store.open(tmp_path / "store")
    (folder,) = (store.root / "datasets").iterdir()
    ratings = pl.concat(ingest.iter_ratings(store, folder.name)).sort("movie_id", "user_id")
    assert ratings["movie_id"].to_list() == [1, 1, 2, 2]
    assert {str(day) for day in ratings["date"]} == {"2004-01-01"}


def test_of_a_delta_table_the_current_files_are_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    log = data / "_delta_log"
    log.mkdir(parents=True)
    for name in ("a", "b", "c"):
        (data / f"{name}.parquet").write_bytes(parquet(user=[1, 2], movie=[1, ord(name)], rating=[3, 5]))
    add = '{{"add": {{"path": "{}.parquet", "partitionValues": {{"day": null}}}}}}\n'
    (log / f"{0:020}.json").write_text(
        '{"protocol": {"minReaderVersion": 1}}\n' + add.format("a") + add.format("b")
    )
    (log / f"{1:020}.json").write_text('{"remove": {"path": "a.parquet"}}\n' + add.format("c"))
    manifest = run(tmp_path, [data])
    assert manifest["rows_read"] == 4
    assert "data (a file of earlier versions of the Delta table)" in manifest["warnings"][0]
    deleted = '{"add": {"path": "c.parquet", "deletionVector": {"sizeInBytes": 9}}}\n'
    for commit, text, words in (
        (2, deleted, "deletion vectors"),
        (2, add.format("../../movie_titles"), "not a file in its folder"),
        (2, "{", "damaged"),
        (4, add.format("a"), "lacks a commit"),
    ):
        (log / f"{commit:020}.json").write_text(text)
        with pytest.raises(DataError, match=words):
            run(tmp_path, [data])


def test_a_file_of_an_archive_that_may_be_ratings_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"a.csv": MANY, "b.csv": "Wer,Was,Wert\n1,2,3\n"}))
    assert_refused(
        tmp_path, Refused(DataError, ("b.csv", "'Wer'", "=skip")), of=lambda: run(tmp_path, [path])
    )
    assert "b.csv" in run(tmp_path, [path], unreadable="skip")["warnings"][0]


def test_a_damaged_file_in_a_folder_is_not_skipped(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text(MANY)
    (tmp_path / "data" / "b.csv.gz").write_bytes(gzip.compress(MANY.encode())[:-200])
    expected = Refused(DataError, ("b.csv.gz", "corrupt or truncated"))
    assert_refused(tmp_path, expected, of=lambda: run(tmp_path, [tmp_path / "data"]))


@pytest.mark.parametrize("change", ["grows", "is replaced", "is removed"])
def test_a_file_that_changes_while_it_is_read_is_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(MANY)
    recognize = blocks.recognize

    def meanwhile(*args: Any, **named: Any) -> Any:
        if change == "grows":
            with path.open("a") as more:
                more.write("900,1,3,2004-01-01\n")
        else:
            path.unlink()
            if change == "is replaced":
                path.write_text(MANY)
        monkeypatch.setattr(blocks, "recognize", recognize)
        return recognize(*args, **named)

    monkeypatch.setattr(blocks, "recognize", meanwhile)
    expected = Refused(DataError, ("ratings.csv", "while it was read"))
    assert_refused(tmp_path, expected, of=lambda: run(tmp_path, [path]))


def test_the_rejects_of_a_refused_run_are_kept_in_the_named_table(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(HEADER + "1,2,9,2004-01-01\n1,3,4,2004-01-01\n" * 40)
    with pytest.raises(DataError, match=r"rating_out_of_bounds.*1-5 \(ingest.scale\)") as caught:
        run(tmp_path, [path], scale="1-5")
    words = [word.rstrip(".") for word in str(caught.value).split()]
    kept = next(word for word in words if word.endswith("rejects.parquet"))
    rejects = pl.read_parquet(kept)
    assert rejects["line"].to_list() == list(range(2, 82, 2))
    assert rejects["raw"].unique().to_list() == ["1,2,9,2004-01-01"]
    assert rejects["file"].unique().to_list() == ["ratings.csv"]
