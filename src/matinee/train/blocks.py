"""Rows cut into blocks that threads can work on side by side without touching the same user or movie.

Users and movies are cut into groups of about equal rows; the blocks of one diagonal share neither a user nor a
movie, so their order does not matter and the bits are the same at any number of threads.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.store.rows import Rows, blank, count_codes, pieces
from matinee.train.kernels import count_blocks, place_rows, shuffle_blocks

Counts = npt.NDArray[np.int64]

# Groups a side: more of them from a number of rows on, where a block's vectors outgrow the cache.
_FEW, _MANY, _MANY_FROM = 8, 32, 4_000_000
_RUN = 2  # parts in one call of a kernel: milliseconds, and a signal waits for no more than these


@dataclass(frozen=True)
class BlockedRows:
    """Rows in the order of their blocks, shuffled within each; block (i, j) starts at `starts[i * groups + j]`."""

    rows: Rows
    starts: Counts
    groups: int
    counts: tuple[Counts, Counts]  # rows of each user code and of each movie code

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """Starts, users, movies, ratings: what each kernel reads."""
        return self.starts, self.rows.users, self.rows.movies, self.rows.ratings

    def diagonals(self) -> Iterator[Counts]:
        """Sets of blocks (i, i + d) that share no user and no movie; together all that have rows."""
        side = np.arange(self.groups)
        for shift in range(self.groups):
            blocks = side * self.groups + (side + shift) % self.groups
            if self.count(blocks):
                yield blocks

    def count(self, blocks: Counts) -> int:
        """Rows in some blocks."""
        return int((self.starts[blocks + 1] - self.starts[blocks]).sum())


class Crew:
    """Some threads that run compiled kernels, which release the interpreter's lock."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def share(self, kernel: Callable[..., None], parts: Counts, *arguments: Any) -> None:
        """Call `kernel(run, *arguments)` for short runs of `parts` until all are done; it writes into its arguments.

        Once a call fails, or this thread is interrupted, as by a cancelled run, no other call begins.
        """
        stopped = Event()

        def work(share: Counts) -> None:
            for start in range(0, len(share), _RUN):
                if not stopped.is_set():
                    kernel(np.ascontiguousarray(share[start : start + _RUN]), *arguments)

        shares = [parts[number :: self.threads] for number in range(min(self.threads, len(parts)))]
        if self._pool is None or len(shares) == 1:
            for share in shares:
                work(share)
            return
        try:
            for future in [self._pool.submit(work, share) for share in shares]:
                future.result()
        finally:
            stopped.set()


def block_rows(rows: Rows, *, users: int, movies: int, seed: int, crew: Crew) -> BlockedRows:
    """Sort rows into blocks and shuffle each block; the result depends on the rows' order and the seed."""
    groups = _FEW if len(rows) < _MANY_FROM else _MANY
    counts = count_codes(rows.users, users), count_codes(rows.movies, movies)
    user_group, movie_group = (_equal_groups(count, groups) for count in counts)
    sizes = np.zeros(groups * groups, np.int64)
    for piece in pieces(len(rows)):
        count_blocks(rows.users[piece], rows.movies[piece], user_group, movie_group, groups, sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    into = Rows(*(blank(len(rows), dtype=column.dtype) for column in _columns(rows)))
    free = starts[:-1].copy()
    for piece in pieces(len(rows)):
        some = Rows(rows.users[piece], rows.movies[piece], rows.ratings[piece])
        place_rows(
            some.users, some.movies, some.ratings, user_group, movie_group, groups, free, *_columns(into)
        )
    crew.share(shuffle_blocks, np.arange(groups * groups), starts, seed, *_columns(into))
    return BlockedRows(rows=into, starts=starts, groups=groups, counts=counts)


def _columns(rows: Rows) -> tuple[npt.NDArray[Any], ...]:
    return rows.users, rows.movies, rows.ratings


def _equal_groups(counts: Counts, groups: int) -> npt.NDArray[np.int32]:
    """Cut codes into groups of neighbours with about equal numbers of rows."""
    before = np.cumsum(counts) - counts
    group: npt.NDArray[np.int32] = (before * groups // max(int(counts.sum()), 1)).astype(np.int32)
    return np.minimum(group, groups - 1)
