"""Cuts rows into blocks that threads can process in parallel without touching the same user or movie.

Users and movies are cut into groups with about equal numbers of rows. The blocks of one diagonal share neither a user
nor a movie, so their order does not matter and the bits are the same at any number of threads.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Counts
from matinee.store.ratings import EncodedRatings, count_codes, row_chunks, zeros
from matinee.train.kernels import count_blocks, place_rows, shuffle_blocks

# Groups of users and of movies; more groups for more rows, because a block's vectors must fit the cache.
_FEW, _MANY, _MANY_FROM = 8, 32, 4_000_000
_RUN = 2  # numbers per kernel call: a call takes milliseconds, so a signal does not wait long


@dataclass(frozen=True)
class BlockedRows:
    """Rows in the order of their blocks, shuffled within each; block (i, j) starts at `starts[i * groups + j]`."""

    rows: EncodedRatings
    starts: Counts
    groups: int
    counts: tuple[Counts, Counts]  # rows of each user code and of each movie code

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """Starts, users, movies and ratings: the inputs of each kernel."""
        return self.starts, self.rows.users, self.rows.movies, self.rows.ratings

    def diagonals(self) -> Iterator[Counts]:
        """Sets of blocks (i, i + d) that share no user and no movie; together they are all blocks with rows."""
        group = np.arange(self.groups)
        for shift in range(self.groups):
            blocks = group * self.groups + (group + shift) % self.groups
            if self.count(blocks):
                yield blocks

    def count(self, blocks: Counts) -> int:
        """Rows in some blocks."""
        return int((self.starts[blocks + 1] - self.starts[blocks]).sum())


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


def block_rows(rows: EncodedRatings, *, users: int, movies: int, seed: int, pool: KernelPool) -> BlockedRows:
    """Sort rows into blocks and shuffle each block; the result depends on the rows' order and the seed."""
    groups = _FEW if len(rows) < _MANY_FROM else _MANY
    counts = count_codes(rows.users, users), count_codes(rows.movies, movies)
    user_group, movie_group = (_equal_groups(count, groups) for count in counts)
    sizes = np.zeros(groups * groups, np.int64)
    for chunk in row_chunks(len(rows)):
        count_blocks(rows.users[chunk], rows.movies[chunk], user_group, movie_group, groups, sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    into = EncodedRatings(*(zeros(len(rows), dtype=column.dtype) for column in _columns(rows)))
    free = starts[:-1].copy()
    for chunk in row_chunks(len(rows)):
        some = EncodedRatings(rows.users[chunk], rows.movies[chunk], rows.ratings[chunk])
        place_rows(
            some.users, some.movies, some.ratings, user_group, movie_group, groups, free, *_columns(into)
        )
    pool.share(shuffle_blocks, np.arange(groups * groups), starts, seed, *_columns(into))
    return BlockedRows(rows=into, starts=starts, groups=groups, counts=counts)


def _columns(rows: EncodedRatings) -> tuple[npt.NDArray[Any], ...]:
    return rows.users, rows.movies, rows.ratings


def _equal_groups(counts: Counts, groups: int) -> npt.NDArray[np.int32]:
    """Cut codes into groups of consecutive codes with about equal numbers of rows."""
    before = np.cumsum(counts) - counts
    group: npt.NDArray[np.int32] = (before * groups // max(int(counts.sum()), 1)).astype(np.int32)
    return np.minimum(group, groups - 1)
