"""The recommend step: a release's list for every user, or for some, to one Parquet file.

The scores of a few users and movies at a time: they stay in the cache, and memory does not grow with the users.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from threadpoolctl import threadpool_limits

from matinee import forward
from matinee.errors import ConfigError
from matinee.recommend_kernel import keep_best
from matinee.release import Release
from matinee.settings import RecommendSettings
from matinee.shelf import Codes, Scores
from schemas.recommendations import Recommendations

log = logging.getLogger(__name__)

_USERS, _MOVIES = (
    128,
    1024,
)  # scores at a time: half a megabyte a thread, which its cache holds beside the factors
_GROUP = 1 << 16  # users of a row group, at most
_BYTES_A_ROW = 200  # of a list while its row group is made: codes, columns, titles, the copy that is checked
_SCHEMA = pa.schema(
    [
        ("user_id", pa.int64()),
        ("rank", pa.int32()),
        ("movie_id", pa.int64()),
        ("title", pa.string()),
        ("score", pa.float32()),
    ]
)
Lists = tuple[Scores, Codes]  # [users, top] each; code -1 where a list is shorter


class Recommended(BaseModel):
    """What was written."""

    model_config = ConfigDict(frozen=True)

    release: str
    users: int
    rows: int
    out: str
    seconds: float


def recommend_all(
    release: Release, *, out: Path, top: int, settings: RecommendSettings, threads: int = 0
) -> Recommended:
    """Write the `top` best unseen movies of every user of the release, as `Release.recommend` orders them.

    Threads: 0 takes all cores. Raises ConfigError when `out` can't be written or `top` is below 1.
    """
    _check_top(top)
    started = time.perf_counter()
    threads = threads or len(os.sched_getaffinity(0))
    users = len(release.users)
    size = int(np.clip((settings.memory_mb << 20) // (2 * _BYTES_A_ROW * top), 1, _GROUP))
    search = _Search(release, _scorer(release), top)
    with _writing(out, release) as write, threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        rows = 0
        waiting = _submit(pool, search, range(min(size, users)))
        for start in range(0, users, size):
            found, group = waiting, range(start, min(start + size, users))
            # The next group is searched while this one is written.
            waiting = _submit(pool, search, range(group.stop, min(group.stop + size, users)))
            best, codes = map(np.concatenate, zip(*(part.result() for part in found), strict=True))
            rows += write(_table(release, np.arange(group.start, group.stop), best, codes))
            log.info("%s of %s users", f"{group.stop:,}", f"{users:,}")
    return _told(release, out, users=users, rows=rows, started=started)


def recommend_some(release: Release, user_ids: Sequence[int], *, out: Path, top: int) -> Recommended:
    """Write the lists of the users named, in their order; one that the release does not know gets what is popular.

    Raises ConfigError when `out` can't be written or `top` is below 1.
    """
    started = time.perf_counter()
    lists = [(user_id, release.recommend(user_id, top)) for user_id in user_ids]
    rows = [
        (user_id, rank, *suggestion)
        for user_id, suggestions in lists
        for rank, suggestion in enumerate(suggestions, 1)
    ]
    columns = list(zip(*rows, strict=True)) or [()] * len(_SCHEMA)
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)], _SCHEMA
    )
    with _writing(out, release) as write:
        write(table)
    return _told(release, out, users=len(user_ids), rows=len(rows), started=started)


@dataclass(frozen=True)
class _Search:
    """Finds the best movies of some users; nothing in it changes, so threads share it."""

    release: Release
    score: Callable[[slice, slice], Scores]
    top: int

    def __call__(self, users: slice) -> Lists:
        shelf, count = self.release.shelf, users.stop - users.start
        best = np.full((count, self.top), -np.inf, np.float32)
        codes = np.full((count, self.top), -1, np.int32)
        starts = np.asarray(shelf.seen_offsets[users.start : users.stop + 1])
        seen = np.asarray(shelf.seen_movies[starts[0] : starts[-1]])
        place, end = starts[:-1] - starts[0], starts[1:] - starts[0]
        offset = self._offset()
        for first in range(0, len(offset), _MOVIES):
            scores = self.score(users, slice(first, min(first + _MOVIES, len(offset))))
            keep_best(scores, offset, first, seen, place, end, best, codes)
        return best, codes

    def _offset(self) -> Scores:
        """What popularity adds; the scores of models without factors hold the movie's own level, which goes."""
        appeal, dot = self.release.shelf.appeal, self.release.manifest["model"] == "dot"
        return appeal if dot else appeal - forward.movie_level(self.release.weights)


def _scorer(release: Release) -> Callable[[slice, slice], Scores]:
    """Scores [users, movies] of two ranges of codes; of a dot, the products alone."""
    weights, model = release.weights, release.manifest["model"]
    if model == "dot":
        left, right = weights["user_factors"], np.ascontiguousarray(weights["movie_factors"].T)
        return lambda users, movies: left[users] @ right[:, movies]

    def predict(users: slice, movies: slice) -> Scores:
        codes = [np.arange(side.start, side.stop, dtype=np.int32) for side in (users, movies)]
        pairs = np.repeat(codes[0], len(codes[1])), np.tile(codes[1], len(codes[0]))
        return forward.predict(weights, *pairs, model=model).reshape(len(codes[0]), len(codes[1]))

    return predict


def _submit(pool: ThreadPoolExecutor, search: _Search, users: range) -> list[Any]:
    starts = range(users.start, users.stop, _USERS)
    return [pool.submit(search, slice(start, min(start + _USERS, users.stop))) for start in starts]


def _table(release: Release, users: NDArray[np.int64], best: Scores, codes: Codes) -> pa.Table:
    """The lists of some users as rows."""
    if release.manifest["model"] == "dot":
        best = best + (release.weights["mean"] + release.weights["user_bias"][users])[:, None]
    place, rank = np.nonzero(codes >= 0)
    movies = codes[place, rank]
    return pa.table(
        [
            release.users.decode(users[place].astype(np.int32)),
            (rank + 1).astype(np.int32),
            release.movies.decode(movies),
            release.shelf.titles.take(pa.array(movies)).cast(pa.string()),
            best[place, rank].astype(np.float32),
        ],
        _SCHEMA,
    )


@contextlib.contextmanager
def _writing(out: Path, release: Release) -> Iterator[Callable[[pa.Table], int]]:
    """A function that writes a row group and returns its rows; the file appears once it is whole."""
    partial = out.with_name(f".{out.name}.{os.getpid()}")
    schema = _SCHEMA.with_metadata({"matinee.release": release.version})

    def write(table: pa.Table) -> int:
        Recommendations.validate(pl.DataFrame(table))
        writer.write_table(table.cast(schema))
        return int(table.num_rows)

    try:
        with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
            yield write
        partial.replace(out)
    except FileNotFoundError:
        raise ConfigError(
            f"{out.parent} is not there. Make the folder, or name another with --out."
        ) from None
    except OSError as error:
        raise ConfigError(f"{out} could not be written: {error.strerror or error}.") from None
    finally:
        partial.unlink(missing_ok=True)


def _told(release: Release, out: Path, *, users: int, rows: int, started: float) -> Recommended:
    seconds = round(time.perf_counter() - started, 3)
    return Recommended(release=release.version, users=users, rows=rows, out=str(out), seconds=seconds)


def _check_top(top: int) -> None:
    if top < 1:
        raise ConfigError(f"Lists of {top} movies were asked for; expected 1 or more.")
