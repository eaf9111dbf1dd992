"""Cuts rows into blocks that threads can process in parallel without touching the same user or movie.

Users and movies are cut into groups with about equal numbers of rows. The blocks of one diagonal share neither a user
nor a movie, so their order does not matter and the bits are the same at any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Counts
from matinee.store.ratings import EncodedRatings, zeros
from matinee.train.kernels import count_blocks, place_rows, shuffle_blocks

# Numbers of rows below which there are so many groups of users, and of movies. More groups for more rows, because a
# block's vectors must fit the cache.
_GROUPS, _MOST_GROUPS = ((4_000_000, 8), (40_000_000, 32)), 64
_PART_ROWS = 1 << 22
_RUN = 2  # numbers per kernel call: a call takes milliseconds, so a signal does not wait long


@dataclass(frozen=True)
class Cut:
    """Users and movies in groups of consecutive codes."""

    groups: int  # of users, and as many of movies
    user_group: npt.NDArray[np.int32]  # by code
    movie_group: npt.NDArray[np.int32]

    @classmethod
    def of(cls, counts: tuple[Counts, Counts]) -> "Cut":
        """Cut users and movies by the numbers of their rows, so that groups have about equal numbers of rows."""
        users, movies = counts
        groups = groups_for(int(users.sum()))
        return cls(groups, _equal_groups(users, groups), _equal_groups(movies, groups))

    def users_in(self, groups: range) -> slice:
        """The codes of the users in consecutive groups."""
        return _codes_in(self.user_group, groups)

    def movies_in(self, groups: range) -> slice:
        """The codes of the movies in consecutive groups."""
        return _codes_in(self.movie_group, groups)


@dataclass(frozen=True)
class BlockedRows:
    """Rows in the order of their blocks, shuffled within each; block (i, j) starts at `starts[i * groups + j]`."""

    rows: EncodedRatings
    starts: Counts
    groups: int

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """Starts, users, movies and ratings: the inputs of each kernel."""
        return self.starts, self.rows.users, self.rows.movies, self.rows.ratings

    @property
    def sizes(self) -> Counts:
        """Rows of each block."""
        return np.diff(self.starts)

    def diagonal(self, shift: int) -> Counts:
        """The blocks (i, i + shift), by user group: no two share a user or a movie."""
        group = np.arange(self.groups)
        return group * self.groups + (group + shift) % self.groups


class KernelPool:
    """A thread pool for compiled kernels, which release the interpreter lock."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def share(self, kernel: Callable[..., None], work: Counts, *arguments: Any) -> None:
        """Call `kernel(run, *arguments)` for short runs of the numbers in `work`; it writes into its arguments.

        After a call fails or this thread is interrupted, no further call begins.
        """
        stopped = Event()

        def run(share: Counts) -> None:
            for start in range(0, len(share), _RUN):
                if not stopped.is_set():
                    kernel(np.ascontiguousarray(share[start : start + _RUN]), *arguments)

        shares = [work[number :: self.threads] for number in range(min(self.threads, len(work)))]
        if self._pool is None or len(shares) == 1:
            for share in shares:
                run(share)
            return
        try:
            for future in [self._pool.submit(run, share) for share in shares]:
                future.result()
        finally:
            stopped.set()


def block_rows(rows: EncodedRatings, cut: Cut, *, seed: int, pool: KernelPool) -> BlockedRows:
    """Sort rows into blocks and shuffle each block; the result depends on the rows' order and the seed.

    A block has the same rows in the same order if `rows` lacks rows of other blocks.
    """
    groups, in_groups = cut.groups, (cut.user_group, cut.movie_group, cut.groups)
    # The number of rows alone decides the number of parts. A signal waits for two of them.
    bounds = np.linspace(0, len(rows), max(len(rows) // _PART_ROWS, 1) + 1).astype(np.int64)
    parts = np.arange(len(bounds) - 1)
    counts = np.zeros((len(parts), groups * groups), np.int64)
    pool.share(count_blocks, parts, bounds, rows.users, rows.movies, *in_groups, counts)
    starts = np.concatenate([[0], np.cumsum(counts.sum(axis=0))])
    free = starts[:-1] + np.cumsum(counts, axis=0) - counts  # behind the rows of the parts before
    into = EncodedRatings(*(zeros(len(rows), dtype=column.dtype) for column in _columns(rows)))
    pool.share(place_rows, parts, bounds, *_columns(rows), *in_groups, free, *_columns(into))
    pool.share(shuffle_blocks, np.arange(groups * groups), starts, seed, *_columns(into))
    return BlockedRows(rows=into, starts=starts, groups=groups)


def groups_for(rows: int) -> int:
    """Number of groups of users, and of movies, for a number of rows."""
    return next((groups for limit, groups in _GROUPS if rows < limit), _MOST_GROUPS)


def _codes_in(group: npt.NDArray[np.int32], groups: range) -> slice:
    first, last = np.searchsorted(group, (groups.start, groups.stop))
    return slice(int(first), int(last))


def _columns(rows: EncodedRatings) -> tuple[npt.NDArray[Any], ...]:
    return rows.users, rows.movies, rows.ratings


def _equal_groups(counts: Counts, groups: int) -> npt.NDArray[np.int32]:
    """Cut codes into groups of consecutive codes with about equal numbers of rows."""
    before = np.cumsum(counts) - counts
    group: npt.NDArray[np.int32] = (before * groups // max(int(counts.sum()), 1)).astype(np.int32)
    return np.minimum(group, groups - 1)
