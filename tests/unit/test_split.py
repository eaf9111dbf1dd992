"""Splits by time: no row is lost or duplicated, and no test row is older than a train row."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinee import ingest, split
from matinee.errors import ConfigError, DataError
from matinee.settings import Settings, SplitSettings
from matinee.settings.ingest import IngestSettings
from matinee.split import encode
from matinee.split.hash_split import SUBSETS, TEST, TRAIN, VALID
from matinee.split.time_split import UNDATED, choose_cuts, hold_out_last
from matinee.store import Store

FRACTIONS = st.floats(0.01, 0.9)
DAYS = st.lists(st.one_of(st.just(UNDATED), st.integers(-3, 12)), min_size=1, max_size=200)


@given(DAYS, FRACTIONS, FRACTIONS)
def test_a_temporal_cut_leaves_no_subset_empty_and_cuts_no_day(
    drawn: list[int], test_fraction: float, valid_fraction: float
) -> None:
    days = np.array(drawn, np.int32)
    values, counts = np.unique(days, return_counts=True)
    rows = dict(zip(values.tolist(), counts.tolist(), strict=True))
    try:
        cuts = choose_cuts(rows, test_fraction=test_fraction, valid_fraction=valid_fraction)
    except DataError:
        assert len(set(drawn)) < 3
        return
    train, valid, test = (days[cuts.assign(days) == number] for number in (TRAIN, VALID, TEST))
    assert len(train) + len(valid) + len(test) == len(days)
    assert train.max() < valid.min() <= valid.max() < test.min()


def test_temporal_cuts_are_nearest_to_the_shares() -> None:
    cuts = choose_cuts(dict.fromkeys(range(100), 10), test_fraction=0.1, valid_fraction=0.05)
    assert (cuts.valid_from, cuts.test_from) == (
        85,
        90,
    )  # 40 and 50 rows are equally near to 45: the earlier day is chosen
    # Half of all rows are of the last day, so either all of them are test rows or none.
    cuts = choose_cuts({0: 5, 1: 5, 2: 10}, test_fraction=0.1, valid_fraction=0.05)
    assert cuts.to_json().model_dump() == {"valid_from": "1970-01-02", "test_from": "1970-01-03"}


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=80), st.integers(1, 3))
def test_the_last_ratings_of_each_user_are_held_out(rows: list[tuple[int, int]], n: int) -> None:
    users, days = (np.array(column, np.int32) for column in (zip(*rows, strict=True) if rows else ([], [])))
    subsets = hold_out_last(users, days, n=n)
    for user in set(users.tolist()):
        mine = [row for row in range(len(rows)) if users[row] == user]
        by_time = sorted(mine, key=lambda row: (days[row], row))
        expected = [TRAIN] * len(mine)
        if len(mine) > 2 * n:
            expected = [TRAIN] * (len(mine) - 2 * n) + [VALID] * n + [TEST] * n
        assert [int(subsets[row]) for row in by_time] == expected


def _write(folder: Path, *, dated: bool, rows: int = 600) -> list[tuple[int, int, date | None]]:
    draw = np.random.default_rng(3)
    pairs = draw.permutation(40 * 30)[:rows]
    lines = []
    found: list[tuple[int, int, date | None]] = []
    for place, pair in enumerate(pairs):
        user, movie = int(pair) // 30 + 1, int(pair) % 30 + 1
        day = date(2005, 1, 1) + timedelta(int(draw.integers(0, 90))) if dated and place % 50 else None
        lines.append(f"{user},{movie},{draw.integers(1, 6)},{day or ''}\n")
        found.append((user, movie, day))
    (folder / "ratings.csv").write_text("userID,movieID,rating,date\n" + "".join(lines))
    return found


def _split(folder: Path, strategy: str) -> tuple[dict[str, pl.DataFrame], dict[str, object]]:
    store = Store.open(folder / "store")
    dataset = store.ensure(
        ingest.plan(store, ratings=[folder / "ratings.csv"], titles=None, settings=IngestSettings())
    )
    encoding = store.ensure(encode.plan(store, dataset))
    settings = SplitSettings(strategy=strategy)  # type: ignore[arg-type]
    made = store.path(store.ensure(split.plan(store, dataset, encoding, settings=settings)))
    users = pl.read_parquet(made / "users.parquet")["user_id"]
    movies = pl.read_parquet(made / "movies.parquet")["movie_id"]
    subsets = {}
    for subset in SUBSETS:
        rows = pl.read_parquet(made / f"{subset}.parquet")
        subsets[subset] = rows.with_columns(
            user_id=users[rows["user_code"].to_list()], movie_id=movies[rows["movie_code"].to_list()]
        )
    return subsets, store.manifest("splits", made.name)


@pytest.mark.parametrize("strategy", ["temporal", "last_n"])
def test_a_file_is_split_by_time(strategy: str, tmp_path: Path) -> None:
    given_rows = _write(tmp_path, dated=True)
    subsets, manifest = _split(tmp_path, strategy)
    dealt = [
        row for rows in subsets.values() for row in rows.select("user_id", "movie_id", "date").iter_rows()
    ]
    assert sorted(dealt, key=repr) == sorted(given_rows, key=repr)
    if strategy == "temporal":
        assert subsets["train"]["date"].max() < subsets["valid"]["date"].min()  # type: ignore[operator]
        assert subsets["valid"]["date"].max() < subsets["test"]["date"].min()  # type: ignore[operator]
        assert str(subsets["test"]["date"].min()) == manifest["days"]["test_from"]  # type: ignore[index]
        assert subsets["test"].height == pytest.approx(60, abs=7)
    else:
        newest = subsets["train"].group_by("user_id").agg(pl.col("date").max().alias("newest"))
        tested = subsets["test"].join(newest, on="user_id")
        assert tested.height == subsets["test"].height == subsets["test"]["user_id"].n_unique() > 30
        assert (tested["date"] >= tested["newest"]).all()


@pytest.mark.parametrize("strategy", ["temporal", "last_n"])
def test_a_temporal_split_without_dates_is_refused_with_advice(strategy: str, tmp_path: Path) -> None:
    _write(tmp_path, dated=False)
    with pytest.raises(DataError, match=r"none of the 600 has one\. Name their column .*stratified"):
        _split(tmp_path, strategy)
    settings = Settings(split=SplitSettings(strategy=strategy))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=f"strategy={strategy} chooses its own test rows"):
        settings.for_test_files(["test.csv"])
