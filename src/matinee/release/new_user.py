"""A user that a release was not trained on, met with a few ratings: what `Release.fold_in` returns."""

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError, ReleaseError
from matinee.errors.text import shown
from matinee.release.arrays import Codes, Scores
from matinee.release.idmap import Id, IdMap
from matinee.release.item_catalog import ItemCatalog
from matinee.release.narrowing import Narrow, Narrowing
from matinee.release.plays import no_predictions
from matinee.release.scoring import of_vector
from matinee.release.suggestion import Explanation, Suggestion
from matinee.release.taste import Taste, no_reasons
from matinee.release.user_prior import UserPrior, describe


@dataclass(frozen=True, eq=False)
class Expected:
    """What a new user would rate."""

    ratings: Scores  # by movie code, not cut to the scale
    unknown: float  # of a movie that the release does not know
    weights: Mapping[str, NDArray[Any]]  # of the release


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
    expected: Expected | None  # None in a release of plays
    rated: Codes
    taste: Taste | None = None  # None in a release without a ranking model
    unknown: tuple[Id, ...] = ()  # rated movies that the release does not know

    def __repr__(self) -> str:
        others = f", and {len(self.unknown):,} of unknown ones" if self.unknown else ""
        return f"Guest(with {len(self.rated):,} ratings of {len(self.movies):,} movies{others})"

    def predict(self, movie_ids: ArrayLike) -> NDArray[np.float32]:
        """Expected ratings of movies, within the scale.

        Args:
            movie_ids: One id, or ids of any shape. Ids that the release does not know are fine.

        Returns:
            The expected ratings, in the shape of the ids.

        Raises:
            ConfigError: An id is of the other kind.
            ReleaseError: The release was trained on plays.
        """
        if self.expected is None:
            raise no_predictions(self.version)
        codes = self.movies.find(movie_ids, "movie")
        ratings = np.where(codes >= 0, self.expected.ratings[codes], np.float32(self.expected.unknown))
        predicted: NDArray[np.float32] = np.clip(ratings, *self.scale).astype(np.float32)
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
        expected = self.expected
        if self.taste is None:
            assert expected is not None  # nosec B101 # for mypy: a release has at least one of the two models
            scores = self.catalog.by_rating(expected.ratings, expected.weights)
        else:
            scores = self.taste.scores()
        found = self.catalog.best(
            scores,
            n,
            without=self.rated,
            expected=None if expected is None else np.clip(expected.ratings, *self.scale),
            narrowing=Narrowing.of(narrow),
        )
        return self.taste.add_reasons(found) if self.taste and explain else found

    def explain(self, movie_id: Id) -> Explanation:
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


def expect_ratings(
    rated: Codes,
    stars: NDArray[np.float64],
    *,
    prior: UserPrior,
    weights: Mapping[str, NDArray[Any]],
    train_rows: NDArray[np.int64],
) -> Expected:
    """What a user who gave these ratings would rate, by a dot model; code -1 is a movie that it does not know."""
    rows = np.where(rated < 0, 0, train_rows[rated])
    movies = describe(weights, train_rows, rated)
    mean, size = float(weights["mean"].sum()), weights["movie_factors"].shape[1]
    *vector, bias = prior.posterior_mean(movies, stars - mean - movies[:, size], rows=rows)
    return Expected(of_vector(weights, np.array(vector, np.float32), bias), mean + bias, weights)


def read_ratings(
    ratings: Mapping[Any, float] | Iterable[tuple[Id, float]] | Iterable[Id], scale: tuple[float, float]
) -> dict[Id, float]:
    """Ratings by movie id.

    Raises ConfigError for a rating outside the scale, and for ids without ratings, which only a release of plays can
    use.
    """
    pairs = list(ratings.items() if isinstance(ratings, Mapping) else ratings)
    try:
        given: dict[Id, float] = dict(() if any(isinstance(each, str) for each in pairs) else pairs)
    except (TypeError, ValueError):
        given = {}
    if given and len(given) < len(pairs):
        twice = next(
            movie_id for number, (movie_id, _) in enumerate(pairs) if movie_id in dict(pairs[:number])
        )
        raise ConfigError(f"Movie {shown(twice, 80)} was rated twice. Give the rating that holds.")
    if pairs and not given:
        raise ConfigError(
            "Ids of movies were given without ratings. Give the rating of each movie too, such as {1: 5, 2: 4}: 5 for "
            "movie 1, and 4 for movie 2."
        )
    low, high = scale
    for movie_id, rating in given.items():
        is_number = isinstance(rating, Real) and not isinstance(rating, bool | np.bool_)
        if not (is_number and math.isfinite(rating) and low <= rating <= high):
            raise ConfigError(
                f"Movie {shown(movie_id, 80)} was rated {rating!r:.80}; expected {low:g} to {high:g}, the scale of the "
                "release."
            )
    return given


def find_unknown(ids: Sequence[Id], codes: Codes, version: str) -> tuple[Id, ...]:
    """The ids whose code is -1: the release does not know them. If it knows none, that is a warning as well."""
    if not len(ids):
        warnings.warn("No movies were given, so the answers are those for an average user.", stacklevel=4)
    unknown = tuple(movie_id for movie_id, code in zip(ids, codes, strict=True) if code < 0)
    if len(unknown) == len(ids) > 0:
        warnings.warn(
            f"None of the movies that were given, such as {shown(repr(ids[0]), 80)}, is known to release {version}. So "
            "nothing is known of the user's taste, and only the level of the ratings counts. Check the ids.",
            stacklevel=4,
        )
    return unknown


def no_guests(version: str, *, model: str) -> ReleaseError:
    """The error for a release whose model can't take in a new user."""
    why = "it was published without prior.json."
    if model != "dot":
        why = f"its model is {model}, and only a dot product has a closed form for that."
    return ReleaseError(
        f"Release {version} can't take in a new user: {why} Train the dot model, or retrain with the user's ratings."
    )
