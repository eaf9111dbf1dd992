"""Lists of all users equal the list of each user, with any blocks, memory and threads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
import torch

import matinee
from matinee.errors import ConfigError
from matinee.recommend import lists, recommend_all, recommend_some, search
from matinee.recommend.saved_lists import Lists
from matinee.settings import RecommendSettings

Make = Callable[..., Path]
SETTINGS = RecommendSettings(device="cpu")
# A linear model with two numbers per user and per movie, and the baseline for unknown ids.
LINEAR = {
    "user_embedding": np.random.default_rng(1).normal(size=(50, 2)),
    "movie_embedding": np.random.default_rng(2).normal(size=(40, 2)),
    "output.weight": np.array([[1.0, -2.0, 0.5, 1.0]]),
    "output.bias": np.array([3.0]),
    "user_rows": np.r_[np.ones(49), 0],
    "movie_rows": np.r_[np.ones(39), 0],
    "baseline.mean": np.array([3.0]),
    "baseline.user_bias": np.zeros(50),
    "baseline.movie_bias": np.linspace(-1, 1, 40),
}


@pytest.fixture(params=["kernel", "torch", "cuda"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to search. The code for a GPU also runs on the CPU."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    if request.param != "kernel":
        device = "cpu" if request.param == "torch" else "cuda"
        monkeypatch.setattr(
            lists, "_device", lambda release, _: device if release.manifest["model"] == "dot" else None
        )
        monkeypatch.setattr(search, "_BYTES_A_SCORE", 1 << 12)  # 52 users and 2,500 movies
    return str(request.param)


def _read(out: Path) -> dict[int, list[tuple[int, str | None]]]:
    lists: dict[int, list[tuple[int, str | None]]] = {}
    for user_id, rank, movie_id, title, *_ in pl.read_parquet(out).iter_rows():
        lists.setdefault(user_id, []).append((movie_id, title))
        assert rank == len(lists[user_id])
    return lists


@pytest.mark.parametrize(
    ("shape", "top"),
    [
        ({}, 10),
        ({}, 100),  # more than the catalog: lists are as long as possible
        ({"users": 300, "movies": 2500, "size": 3}, 7),  # several blocks of users and of movies
        ({"model": "linear", **LINEAR}, 10),
        ({"ranked": True}, 10),
        ({"ranked": True, "users": 300, "movies": 2500, "size": 3}, 7),
    ],
)
def test_lists_of_all_users_equal_those_of_one_user(
    shape: dict[str, int], top: int, random_release: Make, tmp_path: Path, engine: str
) -> None:
    release = matinee.load(random_release(**shape))
    out = tmp_path / "out.parquet"
    done = recommend_all(release, out=out, top=top, settings=SETTINGS)
    lists = _read(out)
    assert list(lists) == release.users.ids.tolist()
    assert done.rows == sum(map(len, lists.values()))
    scores = pl.read_parquet(out)["score"].to_numpy()
    expected = [release.recommend(user_id, top) for user_id in lists]
    np.testing.assert_allclose(
        scores, [one.score for found in expected for one in found], rtol=1e-5, atol=1e-4
    )
    assert [[(movie.movie_id, movie.title) for movie in found] for found in expected] == list(lists.values())


def test_bits_do_not_depend_on_memory_and_threads(random_release: Make, tmp_path: Path) -> None:
    release = matinee.load(random_release(users=3000, movies=90))
    tables = []
    for threads, memory_mb, top in ((1, 512, 90), (2, 16, 90)):
        out = tmp_path / f"{threads}.parquet"
        recommend_all(
            release,
            out=out,
            top=top,
            settings=SETTINGS.model_copy(update={"memory_mb": memory_mb}),
            threads=threads,
        )
        tables.append(pl.read_parquet(out))
    assert pq.ParquetFile(out).num_row_groups > 1
    assert tables[0].equals(tables[1])


def test_scores_on_a_gpu_stay_within_the_memory_limit(random_release: Make) -> None:
    release = matinee.load(random_release(users=50, movies=3000))
    found = search.TorchSearch(release, 10, device="cpu", memory_mb=16)
    assert 0 < found.users_at_a_time * 3000 * search._BYTES_A_SCORE <= 16 << 20


def test_of_equal_scores_the_lower_id_comes_first(random_release: Make, tmp_path: Path, engine: str) -> None:
    flat = {"movie_factors": np.zeros((40, 5)), "movie_bias": np.zeros(40)}
    release = matinee.load(random_release(**flat))
    release.catalog.__dict__.update(train_rows=np.full(40, 5), liked_rows=np.full(40, 5))
    recommend_all(release, out=tmp_path / "out.parquet", top=3, settings=SETTINGS)
    for user_id, movies in _read(tmp_path / "out.parquet").items():
        seen = set(release.movies.decode(release.catalog.seen((user_id - 3) // 10)).tolist())
        assert [movie for movie, _ in movies] == [movie for movie in range(3, 400, 10) if movie not in seen][
            :3
        ]


@pytest.mark.parametrize("dies_at", range(1, 12))  # searches: blocks of 128 users, 4 blocks per group
def test_a_killed_call_is_continued(
    dies_at: int, random_release: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = matinee.load(random_release(users=1200, movies=90))
    monkeypatch.setattr(lists, "_GROUP", 400)
    searched: list[int] = []
    search_users = search.KernelSearch.__call__

    def mortal(self: search.KernelSearch, users: slice) -> Lists:
        searched.append(users.start)
        if len(searched) == dies_at:
            raise KeyboardInterrupt
        return search_users(self, users)

    def run(name: str, top: int = 5) -> pl.DataFrame:
        searched.clear()
        recommend_all(release, out=tmp_path / name, top=top, settings=SETTINGS, threads=1)
        return pl.read_parquet(tmp_path / name)

    whole = run("whole.parquet")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(search.KernelSearch, "__call__", mortal)
        run("out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    dies_at = 0
    monkeypatch.setattr(search.KernelSearch, "__call__", mortal)
    kept = len(list(tmp_path.glob(".out.parquet.*.partial/*.safetensors")))
    assert run("out.parquet").equals(whole)
    assert searched == [
        first for group in range(kept, 3) for first in range(400 * group, 400 * group + 400, 128)
    ]
    assert {path.name for path in tmp_path.iterdir()} == {"store", "whole.parquet", "out.parquet"}


def test_saved_parts_of_other_lists_are_not_used(
    random_release: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, out = matinee.load(random_release(users=900)), tmp_path / "out.parquet"
    monkeypatch.setattr(lists, "_GROUP", 300)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(lists, "rows_of_codes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        recommend_all(release, out=out, top=5, settings=SETTINGS)
    left = list(tmp_path.glob(".out.parquet.*.partial"))
    assert len(list(left[0].iterdir())) >= 1
    recommend_all(release, out=out, top=3, settings=SETTINGS)
    assert pl.read_parquet(out)["rank"].max() == 3
    assert {path.name for path in tmp_path.iterdir()} == {"store", "out.parquet"}


def test_a_missing_gpu_is_reported(random_release: Make, tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    settings = RecommendSettings(device="cuda")
    with pytest.raises(ConfigError, match=r"recommend\.device=cuda"):
        recommend_all(matinee.load(random_release()), out=tmp_path / "out.parquet", top=3, settings=settings)


def test_the_file_names_its_release(random_release: Make, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    done = recommend_some(matinee.load(random_release()), [23, 999_999, 13], out=out, top=2)
    assert (done.release, done.users, done.rows) == ("v0001", 3, 6)
    file = pq.ParquetFile(out)
    assert file.schema_arrow.names == ["user_id", "rank", "movie_id", "title", "score", "expected_rating"]
    assert file.schema_arrow.metadata[b"matinee.release"] == b"v0001"
    assert pl.read_parquet(out)["user_id"].to_list() == [23, 23, 999_999, 999_999, 13, 13]


def test_a_wrong_call_leaves_no_files(random_release: Make, tmp_path: Path) -> None:
    release = matinee.load(random_release())
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        recommend_all(release, out=tmp_path / "nowhere" / "out.parquet", top=3, settings=SETTINGS)
    with pytest.raises(ConfigError, match="0 movies"):
        recommend_all(release, out=tmp_path / "out.parquet", top=0, settings=SETTINGS)
    with pytest.raises(ConfigError, match="0 movies"):
        recommend_some(release, [13], out=tmp_path / "out.parquet", top=0)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
