"""Reads the rows of one rank's users, in the order of the split, without holding the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from matinee.release.arrays import Floats
from matinee.store.ratings import EncodedRatings, count_codes, read_batches
from matinee.train.blocks import Cut
from matinee.train.problem import Totals, in_units
from matinee.train.ranks.group import Ranks
from matinee.train.ranks.ring import Ring


def read_own_ratings(
    split: Path,
    subsets: Sequence[str],
    *,
    users: int,
    movies: int,
    scale: tuple[float, float],
    ranks: Ranks,
) -> tuple[EncodedRatings, Totals]:
    """The rows of this rank's users, and the figures of all rows.

    Args:
        split: Folder of the split.
        subsets: Its subsets to read.
        users: Number of users.
        movies: Number of movies.
        scale: Lowest and highest rating.
        ranks: The processes that share the rows.
    """
    counts = np.zeros(users, np.int64), np.zeros(movies, np.int64)
    for batch in read_batches(split, subsets, part=ranks.rank, parts=ranks.size):
        for count, codes in zip(counts, (batch.users, batch.movies), strict=True):
            count += count_codes(codes, len(count))  # noqa: PLW2901 - in place
    for count in counts:
        ranks.add_up(count)
    own = Ring(ranks, Cut.of(counts)).users
    size = int(counts[0][own].sum())
    rows = EncodedRatings(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.float32))
    mean, done = _Mean(), 0
    for batch in read_batches(split, subsets):
        mean.add(in_units(batch.ratings, scale))
        mine = (batch.users >= own.start) & (batch.users < own.stop)
        here = slice(done, done := done + int(np.count_nonzero(mine)))
        rows.users[here], rows.movies[here] = batch.users[mine], batch.movies[mine]
        rows.ratings[here] = batch.ratings[mine]
    return rows, Totals(np.float32(mean.value), counts)


class _Mean:
    """The mean of numbers that come in pieces, with the bits of `np.mean` of all of them in float64.

    numpy casts as many numbers as its buffer holds, and adds the sum of each buffer to that of the ones before.
    """

    def __init__(self) -> None:
        self._waiting = np.empty(0, np.float32)
        self._sum, self._count = np.float64(0), 0

    def add(self, numbers: Floats) -> None:
        """Add a piece."""
        joined = np.concatenate([self._waiting, numbers])
        whole = len(joined) - len(joined) % np.getbufsize()
        for start in range(0, whole, np.getbufsize()):
            self._sum += np.add.reduce(joined[start : start + np.getbufsize()], dtype=np.float64)
        self._waiting = joined[whole:]
        self._count += len(numbers)

    @property
    def value(self) -> np.float64:
        """The mean of what was added."""
        total: np.float64 = self._sum + np.add.reduce(self._waiting, dtype=np.float64)
        return total / self._count
