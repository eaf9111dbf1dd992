"""A user that a release was not trained on, met with a few ratings: what `Release.fold_in` returns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.release.idmap import IdMap, as_ids
from matinee.release.item_catalog import Codes, ItemCatalog, Scores, Suggestion


@dataclass(frozen=True, eq=False, repr=False)
class Guest:
    """A new user, met with a few ratings: answers as a release does for the users that it knows.

    `Release.fold_in` makes one. Nothing in it changes.

    Example:
        >>> import matinee
        >>> guest = matinee.load("store/releases/v0001").fold_in({1: 5, 2: 4, 3: 1})
        >>> guest
        Guest(with 3 ratings of 150 movies)
        >>> guest.predict([4, 5]).shape
        (2,)
    """

    movies: IdMap
    catalog: ItemCatalog
    scale: tuple[float, float]
    expected: Scores  # rating by movie code, not cut to the scale
    level: Scores  # what of it is the movie's, whoever the user is
    expected_unknown: float  # of a movie that the release does not know
    rated: Codes
    preferred: Scores | None = None  # the ranking model's scores by movie code

    def __repr__(self) -> str:
        return f"Guest(with {len(self.rated):,} ratings of {len(self.movies):,} movies)"

    def predict(self, movie_ids: ArrayLike) -> NDArray[np.float32]:
        """Expected ratings of movies, within the scale.

        Args:
            movie_ids: One id, or ids of any shape. Ids that the release does not know are fine.

        Returns:
            The expected ratings, in the shape of the ids.

        Raises:
            ConfigError: An id is not an integer.
        """
        codes = self.movies.encode(as_ids(movie_ids, "movie"))
        expected = np.where(codes >= 0, self.expected[codes], np.float32(self.expected_unknown))
        predicted: NDArray[np.float32] = np.clip(expected, *self.scale).astype(np.float32)
        return predicted

    def recommend(self, n: int = 10) -> list[Suggestion]:
        """The best movies that the user has not rated; scores are as in `Release.recommend`.

        Args:
            n: The length of the list, at most.

        Returns:
            Suggestions (movie_id, title, score), the best first.

        Raises:
            ConfigError: n is below 1.
        """
        expected = np.clip(self.expected, *self.scale)
        by_rating = self.expected - self.level + self.catalog.appeal
        scores = by_rating if self.preferred is None else self.preferred
        return self.catalog.best(scores, n, without=self.rated, expected=expected)
