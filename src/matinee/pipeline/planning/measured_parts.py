"""Measures the parts of fits and of lists: seconds of a core for one unit of each kind of work.

Each is measured twice, and the faster time counts: the first call may wait for memory, and other programs disturb.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from threadpoolctl import threadpool_limits

from matinee.evaluate.catalog import measure_ranking
from matinee.evaluate.inputs import collect_inputs
from matinee.evaluate.leakage import measure_leakage
from matinee.evaluate.recent import count_recent_of
from matinee.evaluate.step import measure
from matinee.pipeline.planning.data_cost import ORDERS
from matinee.pipeline.planning.fit_cost import FAR, NEAR, fit_units
from matinee.pipeline.planning.rank_cost import factor_parts
from matinee.release.ranking_model import RANKING, load_model
from matinee.release.rating_levels import Levels, to_levels
from matinee.settings import GradientTraining, Settings
from matinee.settings.training import DotModel
from matinee.store.ratings import EncodedRatings, count_rows, read_ratings
from matinee.store.system import available_cores, sync_data
from matinee.train.blocks import KernelPool
from matinee.train.problem import Problem
from matinee.train.ranking.normal import MovieSide, UserSide
from matinee.train.ranking.rows import GradedRows, group_rows
from matinee.train.ranking.tiles import Report
from matinee.train.sgd import SgdEngine

_COLUMNS: Final = 48  # of a product, as in the fit of a large catalog
_RANKED: Final = 2000  # users whose lists are measured
_HASHED, _WRITTEN = 1 << 24, 1 << 26
_EPOCHS: Final = 2

Timed = dict[str, float]


@dataclass(frozen=True)
class FarSize:
    """Rows whose users' vectors no cache of a core holds, although each block has several rows of a user."""

    rows: int = 3_500_000
    users: int = 100_000
    movies: int = 4_000


FactoredSide = MovieSide | UserSide


def least(measure: Callable[[], Timed], *, times: int = 2) -> Timed:
    """The shortest of some measurements, by name."""
    found = [measure() for _ in range(times)]
    return {name: min(each[name] for each in found) for name in found[0]}


def measure_rows(split: Path) -> Timed:
    """Reading rows, their levels, and both sides of the ranking model's equations."""
    timed: Timed = {}
    with _clock(timed, "read_row"):
        read = read_ratings(split, ("train", "valid"))
    with _clock(timed, "level_row"):
        levels = to_levels(read.ratings, (1.0, 5.0))
    users, movies = _sizes(split)
    with threadpool_limits(1, "blas"):
        rows = _group(read, levels, users, movies)
        units = _measure_sides(rows, timed)
    with _clock(timed, "hashed_byte"):
        hashlib.sha256(bytes(_HASHED))
    units |= {"read_row": len(read), "level_row": len(read), "hashed_byte": _HASHED}
    return {name: timed[name] / max(units[name], 1.0) for name in timed}


def _group(rows: EncodedRatings, levels: Levels, users: int, movies: int) -> GradedRows:
    pool = KernelPool(available_cores())
    return group_rows(rows.users, rows.movies, levels, users=users, movies=movies, pool=pool)


def _measure_sides(rows: GradedRows, timed: Timed) -> Timed:
    """Set up and factor both matrices, and make products; returns the units of each."""
    ridge = (800 + 0.5 * rows.squares).astype(np.float32)
    right = np.random.default_rng(0).standard_normal((2, rows.movies, _COLUMNS)).astype(np.float32)
    cells = rows.by_user.packed()
    assert cells is not None  # nosec B101 # for mypy: in the sample, nobody rates a movie twice
    side = _set_up(lambda report: MovieSide(rows, ridge, cells, report), "movie_pair", timed)
    with _clock(timed, "solve_flop"):
        side.solve(right.copy())
        side.gram(right)
    _set_up(lambda report: UserSide(rows, ridge, report), "user_pair", timed)
    with _clock(timed, "product_cell"):
        rows.back(rows.times(right))
    by_user, by_movie = np.diff(rows.by_user.starts), np.diff(rows.by_movie.starts)
    size = 2.0 * rows.movies
    return {
        "movie_pair": float((by_user**2).sum()) / 2,
        "user_pair": float((by_movie**2).sum()) / 2,
        "factor_flop": sum(part.units for side in (size, rows.users) for part in factor_parts(side)),
        "solve_flop": 2 * 2 * size**2 * _COLUMNS,
        "product_cell": 2.0 * len(rows.by_user.others) * _COLUMNS,
    }


def _set_up(make: Callable[[Report], FactoredSide], pairs: str, timed: Timed) -> FactoredSide:
    """Make a side; the last report of its products divides the seconds between products and factor."""
    started = time.process_time()
    marks = {"products": started}
    side = make(lambda stage, done, total: marks.__setitem__(stage, time.process_time()))
    timed[pairs] = timed.get(pairs, 0.0) + marks["products"] - started
    timed["factor_flop"] = timed.get("factor_flop", 0.0) + time.process_time() - marks["products"]
    return side


def measure_near(split: Path) -> Timed:
    """Fits of the preset `fast` whose vectors are in the cache of a core."""
    return _measure_engine(read_ratings(split, ("train",)), *_sizes(split), NEAR)


def measure_far(size: FarSize) -> Timed:
    """Fits of the preset `fast` whose vectors no cache of a core holds, and grouping of as many rows."""
    draw, timed = np.random.default_rng(0), Timed()
    far = EncodedRatings(
        draw.integers(0, size.users, size.rows, dtype=np.int32),
        draw.integers(0, size.movies, size.rows, dtype=np.int32),
        draw.integers(1, 6, size.rows).astype(np.float32),
    )
    levels = np.zeros(size.rows, np.uint8)
    with _clock(timed, "group_row"):
        _group(far, levels, size.users, size.movies)
    grouped = {"group_row": timed["group_row"] / size.rows}
    return grouped | _measure_engine(far, size.users, size.movies, FAR)


def _measure_engine(rows: EncodedRatings, users: int, movies: int, name: str) -> Timed:
    timed: Timed = {}
    fast = Settings().resolved()
    model, training = fast.model, fast.train
    assert isinstance(model, DotModel)  # nosec B101 # for mypy: the defaults are those of the preset `fast`
    assert isinstance(training, GradientTraining)  # nosec B101
    problem = Problem(rows, None, users, movies, (1.0, 5.0), "cpu", available_cores())
    with _clock(timed, "block_row"):
        engine = SgdEngine(problem, model, training=training)
    with _clock(timed, name):
        for epoch in range(1, _EPOCHS + 1):
            for _ in engine.run_epoch(epoch):
                pass
    units = fit_units(fast, rows=len(rows), users=users, movies=movies, epochs=_EPOCHS)
    return {"block_row": timed["block_row"] / len(rows), name: timed[name] / units}


def measure_evaluation(split: Path, candidate: Path, ranking: Path) -> Timed:
    """Errors and lists as the evaluation has them: seconds by row, and those of one order of all users."""
    timed: Timed = {}
    model, subsets = load_model(ranking / RANKING), ("train", "valid")
    with _clock(timed, "rows"):
        inputs = collect_inputs(candidate, split, None)
        leakage = measure_leakage(split, subsets, inputs.test)
        recent = count_recent_of(split, subsets, movies=len(inputs.movie_ids))
    with _clock(timed, "lists"):
        found = measure_ranking(
            inputs.catalog, model, inputs.fitted, inputs.test, users=_RANKED, recent=recent
        )
    with _clock(timed, "rows"):
        measure(inputs, found, leakage=leakage)
    rows = len(inputs.fitted) + len(inputs.test)
    return {
        "evaluate_row": timed["rows"] / rows,
        "users": float(found.users),
        "movies": float(found.catalogue),
        "seconds": timed["lists"] / ORDERS,
    }


def measure_disk(folder: Path) -> Timed:
    """Writing bytes to a disk: seconds of the wall clock, since a step waits for it."""
    before = time.perf_counter()
    with (folder / "written").open("wb") as file:
        file.write(bytes(_WRITTEN))
        file.flush()
        sync_data(file.fileno())
    return {"written_byte": (time.perf_counter() - before) / _WRITTEN}


def _sizes(split: Path) -> tuple[int, int]:
    return count_rows(split / "users.parquet"), count_rows(split / "movies.parquet")


@contextmanager
def _clock(timed: Timed, name: str) -> Iterator[None]:
    """Add the seconds of all cores that the block takes."""
    before = time.process_time()
    yield
    timed[name] = timed.get(name, 0.0) + time.process_time() - before
