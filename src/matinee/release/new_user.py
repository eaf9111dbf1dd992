"""A user that a release was not trained on, met with a few ratings: what `Release.fold_in` returns."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError, ReleaseError
from matinee.release.idmap import IdMap, as_ids
from matinee.release.item_catalog import Codes, ItemCatalog, Scores
from matinee.release.narrowing import Narrow, Narrowing
from matinee.release.suggestion import Explanation, Suggestion
from matinee.release.taste import Taste, no_reasons


@dataclass(frozen=True, eq=False, repr=False)
class Guest:
    """A new user, met with a few ratings: answers as a release does for the users that it knows.

    `Release.fold_in` makes one. Nothing in it changes.

    Examples:
        >>> import matinee
        >>> guest = matinee.load("store/releases/v0001").fold_in({1: 5, 2: 4, 3: 1})
        >>> guest
        Guest(with 3 ratings of 150 movies)
        >>> guest.predict([4, 5]).shape
        (2,)
    """

    version: str  # of the release
    movies: IdMap
    catalog: ItemCatalog
    scale: tuple[float, float]
    expected: Scores  # rating by movie code, not cut to the scale
    level: Scores  # what of it is the movie's, whoever the user is
    expected_unknown: float  # of a movie that the release does not know
    rated: Codes
    taste: Taste | None = None  # None in a release without a ranking model

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

    def recommend(self, n: int = 10, *, explain: bool = False, **narrow: Unpack[Narrow]) -> list[Suggestion]:
        """The best movies that the user has not rated; scores are as in `Release.recommend`.

        Args:
            n: The length of the list, at most.
            explain: Add the reason to each suggestion, as in `Release.recommend`.
            narrow: What the list is narrowed to, as in `Release.recommend`.

        Returns:
            Suggestions (movie_id, title, score), the best first.

        Raises:
            ConfigError: n is below 1, or the list is narrowed to nonsense.
            ReleaseError: Reasons are asked for, and the release has no ranking model.
        """
        if explain and self.taste is None:
            raise no_reasons(self.version)
        expected = np.clip(self.expected, *self.scale)
        by_rating = self.expected - self.level + self.catalog.appeal
        scores = self.taste.scores() if self.taste else by_rating
        found = self.catalog.best(
            scores,
            n,
            without=self.rated,
            expected=expected,
            narrowing=Narrowing(**narrow) if narrow else None,
        )
        return self.taste.add_reasons(found) if self.taste and explain else found

    def explain(self, movie_id: int) -> Explanation:
        """Why a movie has its score for this user, as `Release.explain`.

        Args:
            movie_id: The movie.

        Returns:
            The score and its reasons.

        Raises:
            ConfigError: The release does not know the movie.
            ReleaseError: The release has no ranking model.
        """
        if self.taste is None:
            raise no_reasons(self.version)
        return self.taste.explain(movie_id)


def check_ratings(ratings: Mapping[int, float], scale: tuple[float, float]) -> None:
    """Raise ConfigError for a rating outside the scale."""
    low, high = scale
    for movie_id, rating in ratings.items():
        if not (math.isfinite(rating) and low <= rating <= high):
            raise ConfigError(
                f"Movie {movie_id} was rated {rating}; expected {low:g} to {high:g}, the scale of the release."
            )


def no_guests(version: str, *, model: str) -> ReleaseError:
    """The error for a release whose model can't take in a new user."""
    why = "it was published without prior.json."
    if model != "dot":
        why = f"its model is {model}, and only a dot product has a closed form for that."
    return ReleaseError(
        f"Release {version} can't take in a new user: {why} Train the dot model, or retrain with the user's ratings."
    )
