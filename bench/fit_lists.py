"""The ranking model on a generated sample of any size: seconds and memory of the fit, and nDCG@10 of its lists.

    python bench/fit_lists.py [--ratings N] [--users U] [--movies M] [--threads T] [--out RESULTS.json]

A random tenth of the ratings is held out. Lists cover the whole catalog without the movies that a user rated, for a
random 10,000 users who liked a held-out row. Lists by popularity are measured too. The defaults are the size of the
Netflix Prize data. `peak_gb` is the largest resident memory, in which the rows themselves are about 1.2 GB per 100 M.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from matinee.release.liking import liked_from, popularity
from matinee.release.ranking_model import RankingModel
from matinee.release.rating_levels import to_levels
from matinee.sample import write_sample
from matinee.settings import RankSettings
from matinee.store.system import available_cores
from matinee.train.ranking.fit import RankProgress, fit_ranking

_SCALE = (1.0, 5.0)
_TOP, _DISCOUNT = 10, 1 / np.log2(np.arange(2, 12))
_LISTED = 10_000  # users whose lists are made
_SHOWN_EVERY = 30  # seconds


def main() -> None:
    """Draw a sample, fit the ranking model to nine tenths of it, and print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=100_000_000)
    parser.add_argument("--users", type=int, default=480_189)
    parser.add_argument("--movies", type=int, default=17_770)
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--out", type=Path, help="results as JSON")
    call = parser.parse_args()
    train, test = draw(call.ratings, users=call.users, movies=call.movies)
    before = _peak_gb()
    started, cpu = time.perf_counter(), time.process_time()
    model = fit_ranking(
        train["user"].to_numpy(),
        train["movie"].to_numpy(),
        train["rating"].to_numpy(),
        users=call.users,
        movies=call.movies,
        scale=_SCALE,
        settings=RankSettings(),
        threads=call.threads,
        listener=_Shown(),
    )
    figures = {
        "train_rows": train.height,
        "users": call.users,
        "movies": call.movies,
        "rank": model.decode.shape[1],
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "peak_gb": round(_peak_gb(), 2),
        "peak_gb_before": round(before, 2),
        **measure(model, train, test),
    }
    print(json.dumps(figures, indent=2))
    if call.out:
        call.out.write_text(json.dumps(figures))


def draw(ratings: int, *, users: int, movies: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train and test rows of a sample, with codes from 0 instead of ids."""
    with tempfile.TemporaryDirectory() as scratch:
        write_sample(Path(scratch), ratings=ratings, users=users, movies=movies, format="parquet")
        ids = pl.scan_parquet(Path(scratch) / "ratings.parquet")
        user, movie, rating = ids.collect_schema().names()[:3]
        # A movie's id is its number from 1; those of users have gaps.
        rows = ids.select(
            user=(pl.col(user).rank("dense") - 1).cast(pl.Int32),
            movie=(pl.col(movie) - 1).cast(pl.Int32),
            rating=pl.col(rating).cast(pl.Float32),
        ).collect()
    held_out = pl.Series(np.random.default_rng(0).random(rows.height) < 1 / 10)
    return rows.filter(~held_out), rows.filter(held_out)


def measure(model: RankingModel, train: pl.DataFrame, test: pl.DataFrame) -> dict[str, float]:
    """NDCG@10 of the model's lists and of popularity's, over users who liked a test row."""
    liked = test.filter(pl.col("rating") >= liked_from(_SCALE)).group_by("user").agg("movie").sort("user")
    liked = liked.sample(min(_LISTED, liked.height), seed=0)
    rated = train.filter(pl.col("user").is_in(liked["user"].implode())).partition_by("user", as_dict=True)
    ones = [np.bincount(movies, minlength=model.movies) for movies in _movies(train)]
    popular = popularity(*ones)
    found: list[list[float]] = []
    for user, movies in liked.iter_rows():
        seen = rated.get((user,), train.clear())
        levels = to_levels(seen["rating"].to_numpy(), _SCALE)
        scores = model.scores(seen["movie"].to_numpy(), levels), popular
        found.append([_ndcg(score, seen["movie"].to_numpy(), np.array(movies)) for score in scores])
    ours, theirs = np.mean(found, axis=0)
    return {"lists": len(found), "ndcg": round(float(ours), 4), "popularity_ndcg": round(float(theirs), 4)}


def _movies(train: pl.DataFrame) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    likes = train.filter(pl.col("rating") >= liked_from(_SCALE))
    return train["movie"].to_numpy(), likes["movie"].to_numpy()


def _ndcg(scores: NDArray[np.float32], seen: NDArray[np.int32], liked: NDArray[np.int32]) -> float:
    scores = scores.copy()
    scores[seen] = -np.inf
    top = np.argpartition(-scores, _TOP)[:_TOP]
    hits = np.isin(top[np.argsort(-scores[top], kind="stable")], liked)
    return float(hits @ _DISCOUNT / _DISCOUNT[: min(len(liked), _TOP)].sum())


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)


class _Shown:
    """Prints a line of progress from time to time."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, progress: RankProgress) -> None:
        if progress.seconds - self._last > _SHOWN_EVERY:
            self._last = progress.seconds
            print(f"{progress.seconds:,.0f} s: {progress.stage} {progress.done}/{progress.total}", flush=True)


if __name__ == "__main__":
    main()
