"""Datasets on rows written by hand: duplicates, scales, kept rows, reused partitions, and the profile."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from example_counts import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from ingested import TITLES, make, rows_of, write

from matinee import ingest
from matinee.errors import ConfigError, DataError
from matinee.ingest.duplicates import search
from matinee.sample import write_sample
from matinee.schemas.ratings import Ratings
from matinee.schemas.rejects import Rejects
from matinee.settings.ingest import IngestSettings
from matinee.store import Store
from matinee.store.documents import read_json


def test_the_latest_date_of_a_pair_is_kept_then_the_later_line(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a.csv",
        "1,1,1,2004-01-02",  # line 2, loses to line 4
        "1,2,2,",  # line 3, loses to b: without a date
        "1,1,3,2004-01-02",  # line 4, wins
        "2,1,4,2004-05-05",  # line 5, wins over b: a later date
    )
    second = write(tmp_path / "b.csv", "1,2,5,2000-01-01", "2,1,1,2004-05-04", "3,3,3,")
    store, dataset = make(tmp_path, ratings=[first, second])
    assert rows_of(store, dataset) == [
        (1, 1, 3.0, date(2004, 1, 2)),
        (2, 1, 4.0, date(2004, 5, 5)),
        (1, 2, 5.0, date(2000, 1, 1)),
        (3, 3, 3.0, None),
    ]
    superseded = pl.read_parquet(store.path(dataset) / "superseded.parquet")
    told = superseded.select("partition", "row", "file", "line", "rating", "winner_file", "winner_line")
    assert list(told.iter_rows()) == [
        (0, 0, "a.csv", 2, 1.0, "a.csv", 4),
        (0, 1, "a.csv", 3, 2.0, "b.csv", 2),
        (1, 1, "b.csv", 3, 1.0, "a.csv", 5),
    ]
    manifest = store.manifest("datasets", dataset.digest)
    assert (manifest["rows_read"], manifest["rows"], manifest["rows_rejected"]) == (7, 4, 3)
    assert manifest["rejects"] == {"superseded": 3}
    store, dataset = make(tmp_path, ratings=[first, second], duplicates="off")
    assert dataset.rows == len(rows_of(store, dataset)) == 7


def test_a_pair_of_the_test_files_is_never_a_train_row(tmp_path: Path) -> None:
    train = write(tmp_path / "train.csv", "1,1,1,2005-01-01", "1,2,2,", "2,1,5,")
    test = write(tmp_path / "test.csv", "1,1,3,2004-01-01", "5,5,5,")
    store, dataset = make(tmp_path, ratings=[train], test=[test])
    assert [row[:3] for row in rows_of(store, dataset, role="train")] == [(1, 2, 2.0), (2, 1, 5.0)]
    assert [row[:3] for row in rows_of(store, dataset, role="test")] == [(1, 1, 3.0), (5, 5, 5.0)]
    warnings = store.manifest("datasets", dataset.digest)["warnings"]
    assert any(warning.startswith("1 pairs of the test files") for warning in warnings)


def test_titles_and_test_files_in_a_folder_are_not_read_as_ratings(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write(data / "train.csv", "1,1,1,", "1,2,2,")
    test = write(data / "test.csv", "5,2,5,")
    titles = data / "titles.csv"
    titles.write_text(TITLES)
    for ratings in ([data], [data / "*.csv"]):
        store, dataset = make(tmp_path, ratings=ratings, test=[test], titles=titles)
        assert len(rows_of(store, dataset, role="train")) == 2
        assert len(rows_of(store, dataset, role="test")) == 1
        assert store.manifest("datasets", dataset.digest)["warnings"] == []
    with pytest.raises(DataError, match="no row is left to train on"):
        make(tmp_path, ratings=[test], test=[test])
    with pytest.raises(DataError, match="looks like a titles file"):
        make(tmp_path, ratings=[titles], titles=titles)
    items = tmp_path / "u.item"
    items.write_text("1|Toy Story (1995)|01-Jan-1995||x|0|1\n2|GoldenEye (1995)|01-Jan-1995||x|1|0\n")
    with pytest.raises(DataError, match="looks like a titles file"):
        make(tmp_path, ratings=[items], titles=titles)


def test_a_folder_of_titles_is_an_error_that_names_the_file_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "ml"
    folder.mkdir()
    (folder / "movies.csv").write_text("movieId,title,genres\n1,Up (2009),x\n")
    ratings = write(folder / "ratings.csv", "userId,movieId,rating", "1,1,3")
    with pytest.raises(
        ConfigError, match=r"is a folder\. Expected one file\. Give a file in it: movies\.csv\."
    ):
        ingest.plan(Store.open(tmp_path / "s"), ratings=[ratings], titles=folder, settings=IngestSettings())


def test_a_folder_without_ratings_is_an_error_wherever_it_stands(tmp_path: Path) -> None:
    good, empty = write(tmp_path / "good.csv", "1,1,1,", "1,2,2,"), tmp_path / "empty"
    empty.mkdir()
    for ratings in ([empty, good], [good, empty]):
        with pytest.raises(DataError, match=r"The folder .*empty contains no rating file"):
            make(tmp_path, ratings=ratings)
    store, dataset = make(tmp_path, ratings=[good, tmp_path / "g*.csv"])
    assert len(rows_of(store, dataset, role="train")) == 2, "the same file twice"


@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 3),
            st.integers(0, 3),
            st.sampled_from(["", "2004-01-01", "2004-01-02"]),
        ),
        min_size=1,
        max_size=60,
    ),
    turns=st.booleans(),
)
@settings(max_examples=examples(25), deadline=None)
def test_duplicates_equal_those_of_a_slow_search(
    rows: list[tuple[int, int, int, str]], turns: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("duplicates")
    files = [[f"{user},{movie},3,{day}" for file, user, movie, day in rows if file == k] for k in (0, 1)]
    paths = [write(folder / f"{k}.csv", *lines) for k, lines in enumerate(files) if lines]
    best: dict[tuple[str, str], str] = {}
    for user, movie, _, day in (line.split(",") for lines in files for line in lines):
        best[user, movie] = max(day, best.get((user, movie), ""))
    with pytest.MonkeyPatch.context() as patch:
        if turns:  # as with more rows than the memory holds
            patch.setattr(search, "_MOST_KEYS", 8)
            patch.setattr(search, "_MOST_CANDIDATES", 8)
        store, dataset = make(folder, ratings=paths)
    found = {(str(user), str(movie)): str(day or "") for user, movie, _, day in rows_of(store, dataset)}
    assert found == best
    assert len(rows_of(store, dataset)) == len(best)
    superseded = pl.read_parquet(store.path(dataset) / "superseded.parquet")
    assert superseded.height == len(rows) - len(best)
    assert superseded.equals(superseded.sort("partition", "row"))


def test_a_known_file_is_not_parsed_again(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", "1,1,1,", "1,2,5,")
    store, _ = make(tmp_path, ratings=[first])
    made = {path: path.stat().st_mtime_ns for path in (store.root / "partitions").glob("*/ratings.parquet")}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    first.rename(elsewhere / "a.csv")
    store, dataset = make(tmp_path, ratings=[elsewhere / "a.csv", write(tmp_path / "b.csv", "2,2,2,")])
    now = {path: path.stat().st_mtime_ns for path in (store.root / "partitions").glob("*/ratings.parquet")}
    assert now.items() > made.items()
    assert len(now) == 2
    assert dataset.rows == 3


def test_many_small_files_share_a_partition_and_a_new_one_changes_one(tmp_path: Path) -> None:
    folder = tmp_path / "movies"
    folder.mkdir()
    for movie in range(1, 1201):
        (folder / f"mv_{movie:07d}.txt").write_text(f"{movie}:\n1,3,2005-01-01\n{movie},5,2004-01-01\n")
    store, dataset = make(tmp_path, ratings=[folder])
    assert dataset.rows == 2399
    assert sorted(row[1] for row in rows_of(store, dataset))[::2][:5] == [1, 2, 3, 4, 5]
    before = set((store.root / "partitions").iterdir())
    assert 1 < len(before) < 20
    (folder / "mv_0000600b.txt").write_text("9999:\n1,3,2005-01-01\n")
    store, dataset = make(tmp_path, ratings=[folder])
    assert dataset.rows == 2400
    assert len(set((store.root / "partitions").iterdir()) - before) == 1
    listed = read_json(store.path(dataset) / "partitions.json")["partitions"]
    assert sum(len(part["files"]) for part in listed) == 1201


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        (["1", "3", "5"], [1, 5]),
        (["2.5", "0.5", "5"], [0.5, 5]),
        (["0", "5", "3"], [0, 5]),
        (["7", "1", "10"], [1, 10]),
        (["0", "10", "9.5"], [0, 10]),
        (["100", "50", "1"], [1, 100]),
    ],
)
def test_auto_is_the_smallest_scale_that_contains_nearly_all_values(
    values: list[str], scale: list[float], tmp_path: Path
) -> None:
    path = write(
        tmp_path / "a.csv", *(f"{user},{k},{value}," for user in range(100) for k, value in enumerate(values))
    )
    store, dataset = make(tmp_path, ratings=[path])
    assert store.manifest("datasets", dataset.digest)["scale"] == scale
    path = write(tmp_path / "b.csv", *path.read_text().split("\n")[1:-1], "900,1,-7,", "901,1,999,")
    store, dataset = make(tmp_path, ratings=[path])
    manifest = store.manifest("datasets", dataset.digest)
    assert (manifest["scale"], manifest["rejects"]) == (scale, {"rating_out_of_bounds": 2})


def test_a_scale_that_only_later_rows_need_is_found(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", *(f"{user},1,{1 + user % 5}," for user in range(9000)))
    later = write(tmp_path / "b.csv", *(f"{user},2,{1 + user % 10}," for user in range(2000)))
    first.write_text(first.read_text() + later.read_text().partition("\n")[2])
    store, dataset = make(tmp_path, ratings=[first])
    manifest = store.manifest("datasets", dataset.digest)
    assert manifest["scale"] == [1, 10]
    assert manifest["rejects"] == {}
    with pytest.raises(DataError, match="1,000 rating_out_of_bounds"):
        make(tmp_path, ratings=[first], scale="1-5")


def test_the_profile_by_hand(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "1,1,1,2004-01-02",
        "1,2,4.5,2005-03-04",
        "7,1,4.5,",
        "8,3,5,2005-01-01",
        "1,1,2,2003-01-01",
    )
    store, dataset = make(tmp_path, ratings=[path])
    counted = ingest.read_counts(store, dataset, column="user_id")
    assert list(counted.iter_rows()) == [(1, 2), (7, 1), (8, 1)]
    profile = json.loads((store.path(dataset) / "profile.json").read_text())
    spread = profile.pop("ratings_per_user")
    assert (spread["min"], spread["max"], spread["median"]) == (1, 2, 1)
    assert profile.pop("ratings_per_movie")["max"] == 2
    assert profile.pop("percentage_filled") == pytest.approx(100 * 4 / 9)
    assert profile == {
        "users": 3,
        "movies": 3,
        "ratings": 4,
        "full_matrix": 9,
        "mean_rating": 3.75,
        "distribution": {"1.0": 1, "4.5": 2, "5.0": 1},
        "dates": {"first": "2004-01-02", "last": "2005-03-04"},
        "undated": 1,
        "ratings_per_year": {"2004": 1, "2005": 2},
        "titles": 3,
        "rated_movies_without_a_title": 1,
        "titles_without_a_rating": 1,
    }


def test_a_spreadsheet_that_may_be_truncated_is_reported(tmp_path: Path) -> None:
    for rows, told in ((1_048_575, True), (1_048_574, False)):
        path = tmp_path / f"{rows}.csv"
        path.write_text("user,movie,rating\n" + "1,2,3\n" * rows)
        store, dataset = make(tmp_path, ratings=[path], duplicates="off")
        warnings = store.manifest("datasets", dataset.digest)["warnings"]
        assert any("spreadsheet" in warning for warning in warnings) == told


@pytest.mark.parametrize("layout", ["csv", "netflix"])
def test_rejects_per_code_equal_the_planted_rejects(
    layout: Literal["csv", "netflix"], tmp_path: Path
) -> None:
    truth = write_sample(tmp_path / "sample", ratings=30_000, dirty=0.005, format=layout)
    store, dataset = make(
        tmp_path, ratings=[tmp_path / "sample"], titles=tmp_path / "sample" / "movie_titles.csv"
    )
    manifest = store.manifest("datasets", dataset.digest)
    assert manifest["rejects"] == truth.rejects
    assert manifest["title_rejects"] == {code: count for code, count in truth.title_rejects.items() if count}
    assert (manifest["rows_read"], manifest["rows"]) == (truth.rows, truth.ratings)
    kept = [pl.read_parquet(path) for path in (store.root / "partitions").glob("*/rejects.parquet")]
    codes = Counter(Rejects.validate(pl.concat(kept))["code"].to_list())
    assert codes == Counter(truth.rejects) - Counter({"superseded": truth.rejects["superseded"]})


def test_batches_are_bounded_and_follow_the_schema(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", *(f"{user},1,3," for user in range(1000)), "5,1,4,")
    store, dataset = make(tmp_path, ratings=[path])
    batches = list(ingest.iter_ratings(store, dataset.digest, batch_rows=64))
    assert max(batch.height for batch in batches) <= 64
    whole = Ratings.validate(pl.concat(batches))
    assert whole["user_id"].to_list() == [user for user in range(1000) if user != 5] + [5]
    assert ingest.read_titles_table(store, dataset)["title"].to_list() == ["A", "B", "C"]
