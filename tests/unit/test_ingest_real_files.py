"""Real rating files are read without a setting."""

from pathlib import Path

import polars as pl
import pytest
from ingested import make

from matinee import ingest
from matinee.store.documents import read_json


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "rows", "scale"),
    [
        ("netflix/combined_data_1.txt", 42_813, [1, 5]),
        ("netflix/mv_0000008.txt", 14_910, [1, 5]),
        ("netflix/train.csv", 527_973, [1, 5]),
        ("netflix/test.csv", 100_478, [1, 5]),
        ("netflix/dated_10k.csv", 10_000, [1, 5]),
        ("ml-100k/ratings.csv", 100_000, [1, 5]),
        ("ml-100k/u.data", 100_000, [1, 5]),
        ("ml-100k/u1_base.csv", 80_000, [1, 5]),
        ("ml-100k/u5_test.csv", 20_000, [1, 5]),
        ("ml-latest-small/ratings.csv", 100_004, [0.5, 5]),
    ],
)
def test_real_files_are_read_without_a_setting(
    name: str, rows: int, scale: list[float], real_data: Path, tmp_path: Path
) -> None:
    titles = {
        "netflix": "netflix/movie_titles.csv",
        "ml-100k": "ml-100k/u.item",
        "ml-latest-small": "ml-latest-small/movies.csv",
    }[name.partition("/")[0]]
    store, dataset = make(tmp_path, ratings=[real_data / name], titles=real_data / titles)
    manifest = store.manifest("datasets", dataset.digest)
    assert (manifest["rows_read"], manifest["rows"], manifest["scale"]) == (rows, rows, scale)
    assert manifest["rejects"] == {}
    profile = read_json(store.path(dataset) / "profile.json")
    assert profile["rated_movies_without_a_title"] == 0


@pytest.mark.real
def test_two_formats_of_a_data_set_give_the_same_rows(real_data: Path, tmp_path: Path) -> None:
    frames = []
    for name in ("ratings.csv", "u.data"):
        store, dataset = make(
            tmp_path, ratings=[real_data / "ml-100k" / name], titles=real_data / "ml-100k/u.item"
        )
        frames.append(pl.concat(list(ingest.iter_ratings(store, dataset))))
    assert frames[0].equals(frames[1])
