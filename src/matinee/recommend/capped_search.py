"""Lists with few movies of one franchise or year: longer lists are searched and cut, and the whole order if need be."""

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.recommend.kernel import keep_capped
from matinee.recommend.saved_lists import Lists
from matinee.recommend.search import FullRows, Search
from matinee.release import Release
from matinee.release.narrowing import Narrowing, franchises

_LONGER: Final = 4  # times as long as asked for: most lists then hold enough movies that may stay
_NO_LIMIT: Final = 1 << 30


class CappedSearch:
    """Cuts the lists of another search by the limits of a narrowing."""

    def __init__(
        self, release: Release, top: int, *, narrowing: Narrowing, make: Callable[[int], Search]
    ) -> None:
        """`make` makes a search of lists of a length."""
        movies = len(release.movies)
        self._top = top
        self._search = make(min(_LONGER * top, movies))
        self._rows = FullRows(release, allowed=mask_of(release, narrowing))
        self.users_at_a_time = self._search.users_at_a_time
        by_franchise = narrowing.per_franchise is not None
        titles = release.catalog.titles.to_pylist() if by_franchise else [None] * movies
        self._franchises, self._years = franchises(titles), release.catalog.years
        self._limits = narrowing.per_franchise or _NO_LIMIT, narrowing.per_year or _NO_LIMIT

    def __call__(self, users: slice) -> Lists:
        """As `Search` has it."""
        best, codes = self._search(users)
        whole = codes[:, -1] < 0  # the list holds everything that may be listed
        if codes.shape[1] == len(self._years):
            whole[:] = True
        best, codes = self._cut(best, codes)
        for place in np.flatnonzero(~whole & (codes[:, -1] < 0)).tolist():
            best[place], codes[place] = (part[0] for part in self._cut(*self._rows(users.start + place)))
        return best, codes

    def _cut(self, best: NDArray[np.float32], codes: NDArray[np.int32]) -> Lists:
        keep_capped(best, codes, self._franchises, self._limits[0], self._years, self._limits[1], self._top)
        return best[:, : self._top].copy(), codes[:, : self._top].copy()


def mask_of(release: Release, narrowing: Narrowing) -> NDArray[np.bool_] | None:
    """The movies that may be listed at all; None for all."""
    if not narrowing.masks:
        return None
    return narrowing.allowed(release.catalog.movies, release.catalog.years)
