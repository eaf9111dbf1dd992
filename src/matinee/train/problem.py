"""What an engine fits: the rows, the sizes and the place."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matinee.store.ratings import EncodedRatings, row_chunks


@dataclass(frozen=True)
class Problem:
    """One fit: rows to fit on, rows to stop by (None in a refit), sizes, and means."""

    rows: EncodedRatings
    valid: EncodedRatings | None
    users: int
    movies: int
    scale: tuple[float, float]
    device: str  # cpu or cuda
    threads: int

    @property
    def ratings_in_units(self) -> npt.NDArray[np.float32]:
        """What engines fit."""
        ratings, unit = np.empty_like(self.rows.ratings), np.float32(self.unit)
        for chunk in row_chunks(len(ratings)):
            np.divide(self.rows.ratings[chunk], unit, out=ratings[chunk])
        return ratings

    @property
    def unit(self) -> float:
        """A quarter of the scale: engines fit in it, so that one step size suits 1 to 5 and 1 to 100."""
        return (self.scale[1] - self.scale[0]) / 4
