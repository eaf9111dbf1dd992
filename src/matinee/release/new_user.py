"""A user that a release was not trained on, met with a few ratings: what `Release.fold_in` returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.release.idmap import IdMap, as_ids
from matinee.release.item_catalog import Codes, ItemCatalog, Scores, Suggestion


@dataclass(frozen=True, eq=False, repr=False)
class Guest:
    """Answers for one new user as a release does for those that it knows; nothing in it changes."""

    movies: IdMap
    catalog: ItemCatalog
    scale: tuple[float, float]
    expected: Scores  # rating by movie code, not cut to the scale
    level: Scores  # what of it is the movie's, whoever the user is
    expected_unknown: float  # of a movie that the release does not know
    rated: Codes

    def __repr__(self) -> str:
        return f"Guest(with {len(self.rated):,} ratings of {len(self.movies):,} movies)"

    def predict(self, movie_ids: ArrayLike) -> NDArray[np.float32]:
        """Expected ratings of movies, any shape, within the scale.

        Raises ConfigError for ids that are not integers.
        """
        codes = self.movies.encode(as_ids(movie_ids, "movie"))
        expected = np.where(codes >= 0, self.expected[codes], np.float32(self.expected_unknown))
        predicted: NDArray[np.float32] = np.clip(expected, *self.scale).astype(np.float32)
        return predicted

    def recommend(self, n: int = 10) -> list[Suggestion]:
        """The n best movies that the user has not rated; the score is as in `Release.recommend`.

        Raises ConfigError when n is below 1.
        """
        return self.catalog.best(self.expected - self.level + self.catalog.appeal, n, without=self.rated)
