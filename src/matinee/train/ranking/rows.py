"""Ratings grouped by user and by movie, 10 bytes per rating, and products with them."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Counts
from matinee.release.ranking_model import GRADE_STEP, Floats, Grades
from matinee.store.ratings import count_codes, row_chunks
from matinee.train.blocks import KernelPool
from matinee.train.ranking.kernels import (
    count_keys,
    count_repeats,
    count_selected,
    place,
    select,
    sum_by_movie,
    sum_by_user,
    transpose,
)

_PART_WORK = 1 << 22  # rows times columns of one part: milliseconds
_SOME_MOVIES = 4096
_PART_ROWS, _MOST_PARTS = (
    1 << 22,
    16,
)  # of a regrouping: a signal waits for two parts, a second with 100 M rows


class PackedCells(NamedTuple):
    """The other code and the grade of each rating in one number, for loops that read them in random order."""

    cells: npt.NDArray[np.uint32]  # [ratings]: 256 * other code + grade code / unit
    unit: np.uint8  # divides every grade code
    bits: int  # that the largest grade code has after the division
    repeats: int  # ratings of one movie that one user has at most; 1 unless duplicates are kept


@dataclass(frozen=True)
class Group:
    """Ratings in the order of the codes of users or of movies, within each in the order of the other codes."""

    starts: Counts
    others: npt.NDArray[np.int32]
    codes: Grades

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """What each kernel reads."""
        return self.starts, self.others, self.codes

    def packed(self) -> PackedCells | None:
        """The ratings in the same order, four bytes each; None if one key has too many of one other code to count.

        A matrix of 2**24 other codes, which would not fit into a number, never fits into `rank.dense_mb`.
        """
        unit = np.gcd.reduce(np.flatnonzero(count_codes(self.codes, 256)).astype(np.uint8)) or np.uint8(1)
        cells, largest = np.empty(len(self.others), np.uint32), 0
        for chunk in row_chunks(len(cells)):
            grades = self.codes[chunk] // unit
            cells[chunk] = self.others[chunk].astype(np.uint32) << 8 | grades
            largest = max(largest, int(grades.max()))
        repeats, bits = self._repeats(), largest.bit_length()
        return PackedCells(cells, unit, bits, repeats) if repeats < 1 << (16 - bits) else None

    def _repeats(self) -> int:
        most, bounds = np.ones(1, np.int64), self.bounds(_PART_WORK)
        for first, last in pairwise(bounds):
            count_repeats(np.arange(first, last), self.starts, self.others, most)
        return int(most[0])

    def bounds(self, work: int) -> Counts:
        """Cuts between codes such that each part has about `work` rows; never within one code."""
        total = int(self.starts[-1])
        cuts = np.searchsorted(self.starts, np.arange(0, total, max(work, 1))[1:])
        return np.unique(np.concatenate([[0], cuts, [len(self.starts) - 1]]))


@dataclass(frozen=True)
class GradedRows:
    """A matrix of users and features, X = [rated, grade], by user and by movie; features are arrays [2, movies, .]."""

    by_user: Group
    by_movie: Group
    pool: KernelPool

    @property
    def users(self) -> int:
        """Number of users."""
        return len(self.by_user.starts) - 1

    @property
    def movies(self) -> int:
        """Number of movies."""
        return len(self.by_movie.starts) - 1

    @cached_property
    def squares(self) -> npt.NDArray[np.float64]:
        """The diagonal of X'X, [2, movies]."""
        found = np.zeros((2, self.movies))
        found[0] = np.diff(self.by_movie.starts)
        for first in range(0, self.movies, _SOME_MOVIES):
            last = min(first + _SOME_MOVIES, self.movies)
            starts = self.by_movie.starts[first : last + 1]
            grades = self.by_movie.codes[starts[0] : starts[-1]].astype(np.float64) * GRADE_STEP
            sums = np.concatenate([[0.0], np.cumsum(grades**2)])
            found[1, first:last] = np.diff(sums[starts - starts[0]])
        return found

    def times(self, tables: Floats) -> Floats:
        """X V for features V [2, movies, columns]: one row per user."""
        out = np.empty((self.users, tables.shape[2]), np.float32)
        bounds = self.by_user.bounds(_PART_WORK // tables.shape[2])
        self.pool.share(
            sum_by_user, np.arange(len(bounds) - 1), bounds, *self.by_user.columns, GRADE_STEP, tables, out
        )
        return out

    def back(self, table: Floats) -> Floats:
        """X'Z for one row per user: features [2, movies, columns]."""
        out = np.empty((2, self.movies, table.shape[1]), np.float32)
        bounds = self.by_movie.bounds(_PART_WORK // table.shape[1])
        self.pool.share(
            sum_by_movie, np.arange(len(bounds) - 1), bounds, *self.by_movie.columns, GRADE_STEP, table, out
        )
        return out


def check_codes(
    user_codes: npt.NDArray[np.int32], movie_codes: npt.NDArray[np.int32], *, users: int, movies: int
) -> None:
    """Raise ValueError if a code is outside its range."""
    for name, codes, size in (("user", user_codes, users), ("movie", movie_codes, movies)):
        if len(codes) and not 0 <= codes.min() <= codes.max() < size:
            raise ValueError(f"{name} codes go from {codes.min()} to {codes.max()}; expected 0 to {size - 1}")


def select_rows(
    user_codes: npt.NDArray[np.int32],
    movie_codes: npt.NDArray[np.int32],
    grades: Grades,
    *,
    codes: npt.NDArray[np.intp],
    movies: int,
    pool: KernelPool,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], Grades]:
    """The ratings of some of the movies, whose codes become 0, 1, ...; in the same order."""
    places = np.full(movies, -1, np.int32)
    places[codes] = np.arange(len(codes), dtype=np.int32)
    bounds = np.linspace(0, len(grades), len(grades) // _PART_ROWS + 2).astype(np.int64)
    parts = np.arange(len(bounds) - 1)
    counts = np.zeros(len(parts), np.int64)
    pool.share(count_selected, parts, bounds, movie_codes, places, counts)
    starts, size = np.cumsum(counts) - counts, int(counts.sum())
    selected = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.uint8)
    pool.share(select, parts, bounds, movie_codes, user_codes, grades, places, starts, *selected)
    found_movies, found_users, found_grades = selected
    return found_users, found_movies, found_grades


def group_rows(
    user_codes: npt.NDArray[np.int32],
    movie_codes: npt.NDArray[np.int32],
    grades: Grades,
    *,
    users: int,
    movies: int,
    pool: KernelPool,
) -> GradedRows:
    """Group ratings by user and by movie; the result does not depend on their order."""
    by_user, by_movie = (
        Group(
            np.concatenate([[0], np.cumsum(count_codes(codes, size))]),
            np.empty(len(codes), np.int32),
            np.empty(len(codes), np.uint8),
        )
        for codes, size in ((user_codes, users), (movie_codes, movies))
    )
    bounds = np.linspace(0, len(grades), _parts(len(grades), movies) + 1).astype(np.int64)
    free = _first_places(bounds, movie_codes, by_movie.starts, pool)
    columns = movie_codes, user_codes, grades
    pool.share(place, np.arange(len(free)), bounds, *columns, free, by_movie.others, by_movie.codes)
    _regroup(by_movie, by_user, pool)
    _regroup(by_user, by_movie, pool)
    return GradedRows(by_user, by_movie, pool)


def _regroup(source: Group, target: Group, pool: KernelPool) -> None:
    rows = len(source.others)
    bounds = source.bounds(-(-rows // _parts(rows, len(target.starts) - 1)))
    free = _first_places(source.starts[bounds], source.others, target.starts, pool)
    pool.share(transpose, np.arange(len(free)), bounds, *source.columns, free, target.others, target.codes)


def _parts(rows: int, keys: int) -> int:
    """Parts of a regrouping, by the sizes alone; each needs a count per key, in total no more numbers than rows."""
    return min(max(rows // max(keys, _PART_ROWS), 1), _MOST_PARTS)


def _first_places(bounds: Counts, keys: npt.NDArray[np.int32], starts: Counts, pool: KernelPool) -> Counts:
    """Where the first row of each key goes that a part has, [parts, keys]: behind those of the parts before."""
    counts = np.zeros((len(bounds) - 1, len(starts) - 1), np.int64)
    pool.share(count_keys, np.arange(len(counts)), bounds, keys, counts)
    place = starts[:-1].copy()
    for count in counts:
        place += count
        np.subtract(place, count, out=count)
    return counts
