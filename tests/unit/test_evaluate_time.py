"""Leakage of a split, and the temporal holdout."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from matinee.evaluate.leakage import measure_leakage
from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.temporal_holdout import write_temporal_holdout
from matinee.formats.manifests import SplitManifest
from matinee.store.documents import read_json
from matinee.store.files import write_json

START = date(2005, 1, 1)


def _table(
    users: np.ndarray, movies: np.ndarray, ratings: np.ndarray, days: list[int | None]
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_code": users.astype(np.int32),
            "movie_code": movies.astype(np.int32),
            "rating": ratings.astype(np.float32),
            "date": [None if day is None else START + timedelta(day) for day in days],
        },
        schema_overrides={"date": pl.Date},
    )


def _test_rows(users: list[int], days: list[int | None]) -> DatedRatings:
    table = _table(np.array(users), np.zeros(len(users)), np.zeros(len(users)), days)
    return DatedRatings(
        table["user_code"].to_numpy(),
        table["movie_code"].to_numpy(),
        table["rating"].to_numpy(),
        table["date"].to_numpy(),
    )


def test_leakage_counts_test_rows_older_than_train_rows(tmp_path: Path) -> None:
    zeros = np.zeros(4)
    _table(np.array([0, 0, 1, 2]), zeros, zeros, [1, 9, 5, None]).write_parquet(tmp_path / "train.parquet")
    # User 0 has one row older than day 9. The rows of user 1 are not older. Users 2 and 3 have no dates.
    found = measure_leakage(
        tmp_path, ["train"], _test_rows([0, 0, 1, 1, 2, 3, 0], [3, 9, 5, 20, 0, 12, None])
    )
    assert found is not None
    assert (found.rows, found.same_user) == (6, pytest.approx(1 / 6))
    assert found.anyone == pytest.approx(3 / 6)
    assert "17% of the test rows are older" in found.says
    later = measure_leakage(tmp_path, ["train"], _test_rows([0], [9]))
    assert later is not None
    assert "there is no temporal leakage" in later.says
    assert measure_leakage(tmp_path, ["train"], _test_rows([0], [None])) is None


def _write_split(folder: Path, made: SplitManifest, *, drift: float, dated: bool = True) -> None:
    """Ratings whose mean decreases by `drift` on the last ten of a hundred days."""
    draw = np.random.default_rng(2)
    rows = 6000
    days = draw.integers(0, 100, rows)
    users, movies = draw.integers(0, 50, rows), draw.integers(0, 40, rows)
    ratings = np.clip(4 - drift * (days >= 90) + draw.normal(0, 0.2, rows), 1, 5)
    table = _table(users, movies, ratings, [int(day) if dated else None for day in days])
    for part, start in (("train", 0), ("valid", 5000), ("test", 5500)):
        table[start : start + (5000 if part == "train" else 500)].write_parquet(folder / f"{part}.parquet")
    for side, codes in (("users", 50), ("movies", 40)):
        pl.DataFrame({"id": range(codes)}).write_parquet(folder / f"{side}.parquet")
    write_json(folder / "manifest.json", made)


def test_a_shift_in_time_changes_only_the_temporal_figure(
    tmp_path: Path, split_manifest: Callable[..., SplitManifest]
) -> None:
    _write_split(tmp_path, split_manifest(digest="made", scale=[1.0, 5.0]), drift=1.0)
    told = write_temporal_holdout(tmp_path, split=tmp_path)
    found = read_json(tmp_path / "outlook.json")["temporal"]
    assert (told.rows, told.split) == (6000, "made")
    assert (found["cut"], found["rows"] + found["rows_fitted"]) == ("2005-04-01", 6000)
    assert found["rmse"] > 0.9 > 2 * found["at_random"]["rmse"]
    assert found["bias_only_rmse"] > 0.9
    assert found["rows_of_unknown_users"] == 0


def test_without_dates_the_temporal_holdout_is_skipped(
    tmp_path: Path, split_manifest: Callable[..., SplitManifest]
) -> None:
    _write_split(tmp_path, split_manifest(digest="made", scale=[1.0, 5.0]), drift=0.0, dated=False)
    write_temporal_holdout(tmp_path, split=tmp_path)
    assert read_json(tmp_path / "outlook.json") == {"temporal": None}
