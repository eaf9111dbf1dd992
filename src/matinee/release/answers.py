"""What a loaded release answers: predictions, lists, similar movies, and what it makes of a new user."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError, ReleaseError
from matinee.release import scoring as forward
from matinee.release.idmap import IdMap, as_ids
from matinee.release.item_catalog import ItemCatalog, Scores, Suggestion
from matinee.release.new_user import Guest
from matinee.release.user_prior import UserPrior, describe


@dataclass(frozen=True, eq=False, repr=False)
class Release:
    """A loaded release. Safe to use from several threads: nothing in it changes after loading."""

    path: Path
    manifest: dict[str, Any]
    users: IdMap
    movies: IdMap
    weights: dict[str, NDArray[Any]]
    catalog: ItemCatalog
    user_prior: UserPrior | None  # of the dot model alone

    def __repr__(self) -> str:
        model, users, movies = self.manifest["model"], len(self.users), len(self.movies)
        return f"Release({self.version}: {model}, {users:,} users, {movies:,} movies, {self.path})"

    @property
    def version(self) -> str:
        """The name under which the store lists it."""
        return str(self.manifest["version"])

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        low, high = self.manifest["scale"]
        return low, high

    def predict(self, user_ids: ArrayLike, movie_ids: ArrayLike) -> NDArray[np.float32]:
        """Expected ratings of pairs, within the scale; source ids, of one shape or shapes that numpy broadcasts to one.

        A user or movie that the model does not know gets the mean and the bias of the one it does know. Raises
        ConfigError for ids that are not integers and for shapes that do not fit.
        """
        given = as_ids(user_ids, "user"), as_ids(movie_ids, "movie")
        try:
            users, movies = np.broadcast_arrays(self.users.encode(given[0]), self.movies.encode(given[1]))
        except ValueError:
            raise ConfigError(
                f"User ids of shape {given[0].shape} and movie ids of shape {given[1].shape} are no pairs. "
                "Give as many of one as of the other."
            ) from None
        raw = forward.predict(self.weights, users.ravel(), movies.ravel(), model=self.manifest["model"])
        predicted: NDArray[np.float32] = np.clip(raw, *self.scale).astype(np.float32).reshape(users.shape)
        return predicted

    def recommend(self, user_id: int, n: int = 10) -> list[Suggestion]:
        """The n best movies that a user has not rated, by the user's taste and by popularity.

        The score is the expected rating with what popularity adds in place of the movie's bias. Its weight was chosen
        by evaluate for the order alone, so a score may lie outside the scale. A user that the release does not know
        gets what is popular; a movie without training rows is in no list. Raises ConfigError when n is below 1.
        """
        code = int(self.users.encode(as_ids([user_id], "user"))[0])
        taste = self.expect(code) - forward.movie_level(self.weights)
        return self.catalog.best(taste + self.catalog.appeal, n, without=self.catalog.seen(code))

    def similar(self, movie_id: int, n: int = 10) -> list[Suggestion]:
        """The n movies whose vectors point most nearly where this movie's does; the score is the cosine, -1 to 1.

        The vectors are the factors of the dot model and the embeddings of the others. Raises ConfigError for a movie
        without training rows, of which nothing is known, and when n is below 1.
        """
        code = int(self.movies.encode(as_ids([movie_id], "movie"))[0])
        if code < 0 or not self.catalog.trained[code]:
            raise ConfigError(
                f"Movie {movie_id} has no training row in release {self.version}, so nothing is like it or unlike it. "
                "Ask for a movie that was rated."
            )
        vectors = self._movie_vectors()
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
        return self.catalog.best(
            vectors @ vectors[code] / lengths / lengths[code], n, without=np.array([code], np.int32)
        )

    def fold_in(self, ratings: Mapping[int, float] | Iterable[tuple[int, float]]) -> Guest:
        """A new user from ratings by movie id: the mean of the posterior of the vector, in closed form.

        Which movies were rated says something before the ratings do. Of a movie given twice the later rating counts;
        one that the model does not know says how high the user rates, no more. Raises ReleaseError for a model that
        has no closed form, ConfigError for a rating outside the scale.
        """
        if self.user_prior is None:
            raise ReleaseError(
                f"Release {self.version} can't take in a new user: {self._why_no_user_prior()} "
                "Train the dot model, or retrain with the user's ratings."
            )
        given = dict(ratings)
        self._check_ratings(given)
        rated = self.movies.encode(as_ids(list(given), "movie"))
        rows = np.where(rated < 0, 0, self.catalog.train_rows[rated])
        movies = describe(self.weights, self.catalog.train_rows, rated)
        mean, size = float(self.weights["mean"].sum()), self.weights["movie_factors"].shape[1]
        stars = np.fromiter(given.values(), np.float64, len(given))
        *vector, bias = self.user_prior.posterior_mean(movies, stars - mean - movies[:, size], rows=rows)
        return Guest(
            movies=self.movies,
            catalog=self.catalog,
            scale=self.scale,
            expected=self._dot(np.array(vector, np.float32), bias),
            level=forward.movie_level(self.weights),
            expected_unknown=mean + bias,
            rated=rated[rated >= 0],
        )

    def expect(self, user_code: int) -> Scores:
        """The expected rating of every movie, by code, not cut to the scale; code -1 is a user nobody knows."""
        if self.manifest["model"] != "dot":
            movies = np.arange(len(self.movies), dtype=np.int32)
            user = np.array([user_code], np.int32)
            scores: Scores = forward.grid(self.weights, user, movies, model=self.manifest["model"])[0]
            return scores
        if user_code < 0:
            return self._dot(np.zeros(self.weights["user_factors"].shape[1], np.float32), 0.0)
        return self._dot(self.weights["user_factors"][user_code], float(self.weights["user_bias"][user_code]))

    def _dot(self, vector: NDArray[Any], bias: float) -> Scores:
        scores: Scores = self.weights["movie_factors"] @ vector + self.weights["movie_bias"]
        return (scores + np.float32(float(self.weights["mean"].sum()) + bias)).astype(np.float32)

    def _movie_vectors(self) -> NDArray[np.float32]:
        tables = ("movie_factors", "movie_embedding", "movie_dot", "movie_mlp")
        found = [self.weights[name] for name in tables if name in self.weights]
        return np.concatenate(found, axis=1).astype(np.float32)

    def _why_no_user_prior(self) -> str:
        if self.manifest["model"] != "dot":
            return (
                f"its model is {self.manifest['model']}, and only a dot product has a closed form for that."
            )
        return "it was published without prior.json."

    def _check_ratings(self, ratings: Mapping[int, float]) -> None:
        low, high = self.scale
        for movie_id, rating in ratings.items():
            if not (math.isfinite(rating) and low <= rating <= high):
                raise ConfigError(
                    f"Movie {movie_id} was rated {rating}; expected {low:g} to {high:g}, the scale of the release."
                )
