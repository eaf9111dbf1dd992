"""What an engine fits: the rows, the sizes and the place."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Counts
from matinee.store.ratings import EncodedRatings, count_codes, row_chunks


@dataclass(frozen=True)
class Totals:
    """Figures of all rows of a fit, which a rank needs besides its own rows."""

    mean: np.float32  # in units of the fit
    counts: tuple[Counts, Counts]  # rows of each user code and of each movie code

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.counts[0].sum())


@dataclass(frozen=True)
class Problem:
    """One fit: rows to fit on, rows to stop by (None in a refit), sizes, and means.

    With several ranks, `rows` are those of this rank's users, and `given` has the figures of all rows.
    """

    rows: EncodedRatings
    valid: EncodedRatings | None
    users: int
    movies: int
    scale: tuple[float, float]
    device: str  # cpu or cuda
    threads: int
    given: Totals | None = None

    @property
    def ratings_in_units(self) -> npt.NDArray[np.float32]:
        """What engines fit."""
        ratings = np.empty_like(self.rows.ratings)
        for chunk in row_chunks(len(ratings)):
            ratings[chunk] = in_units(self.rows.ratings[chunk], self.scale)
        return ratings

    @property
    def unit(self) -> float:
        """A quarter of the scale: engines fit in it, so that one step size suits 1 to 5 and 1 to 100."""
        return unit_of(self.scale)

    @cached_property
    def totals(self) -> Totals:
        """The figures of all rows."""
        if self.given is not None:
            return self.given
        counts = count_codes(self.rows.users, self.users), count_codes(self.rows.movies, self.movies)
        return Totals(np.float32(np.mean(self.ratings_in_units, dtype=np.float64)), counts)


def unit_of(scale: tuple[float, float]) -> float:
    """A quarter of a rating scale."""
    return (scale[1] - scale[0]) / 4


def in_units(ratings: npt.NDArray[np.float32], scale: tuple[float, float]) -> npt.NDArray[np.float32]:
    """Ratings in units of a quarter of their scale."""
    return np.divide(ratings, np.float32(unit_of(scale)))
