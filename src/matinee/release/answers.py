"""What a loaded release answers: predictions, lists, similar movies, and what it makes of a new user."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.release import scoring as forward
from matinee.release.arrays import Codes, Scores
from matinee.release.idmap import Id, IdMap
from matinee.release.item_catalog import ItemCatalog
from matinee.release.manifest import ReleaseManifest
from matinee.release.narrowing import Narrow, Narrowing
from matinee.release.new_user import Expected, Guest, expect_ratings, find_unknown, no_guests, read_ratings
from matinee.release.plays import PLAYS_MODEL, no_predictions, played_ids
from matinee.release.ranking_model import RankingModel
from matinee.release.rating_levels import Levels, to_levels
from matinee.release.suggestion import Explanation, Suggestion
from matinee.release.taste import Taste, no_reasons
from matinee.release.user_prior import UserPrior


@dataclass(frozen=True, eq=False, repr=False)
class Release:
    """A loaded release. Safe to use from several threads: nothing in it changes after loading.

    `matinee.load` makes one. Ids are those of the rating files: integers, or texts if the files have text ids.

    Attributes:
        path: The folder that it was loaded from.
        manifest: The content of manifest.json: `manifest.model`, or `manifest["model"]`.
        users: The user ids that it knows.
        movies: The movie ids that it knows.
        weights: The arrays of the model, by name.
    """

    path: Path
    manifest: ReleaseManifest
    users: IdMap
    movies: IdMap
    weights: dict[str, NDArray[Any]]  # empty in a release of plays
    catalog: ItemCatalog
    user_prior: UserPrior | None  # only for the dot model
    ranking: RankingModel | None = None  # None in a release of an earlier version

    def __repr__(self) -> str:
        model, users, movies = self.manifest.model, len(self.users), len(self.movies)
        return f"Release({self.version}: {model}, {users:,} users, {movies:,} movies, {self.path})"

    @property
    def version(self) -> str:
        """Its name in the store."""
        return self.manifest.version

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        return self.manifest.scale[0], self.manifest.scale[1]

    @property
    def predicts(self) -> bool:
        """Whether the release predicts ratings; one of plays has only lists."""
        return self.manifest.model != PLAYS_MODEL

    def predict(self, user_ids: ArrayLike, movie_ids: ArrayLike) -> NDArray[np.float32]:
        """Expected ratings of pairs of users and movies, within the scale.

        An unknown id adds nothing to the mean and the other's bias; a movie without ratings may be known by its title.

        Args:
            user_ids: One id, or ids of any shape.
            movie_ids: As many ids, or a shape that numpy broadcasts with that of `user_ids`.

        Returns:
            The expected ratings, in the shape of the pairs.

        Raises:
            ConfigError: An id is of the other kind, or the shapes do not fit.
            ReleaseError: The release was trained on plays.

        Examples:
            >>> import matinee
            >>> release = matinee.load("store/releases/v0001")
            >>> [f"{rating:.1f}" for rating in release.predict([5449, 11041], [1, 2])]
            ['2.3', '3.8']
            >>> release.predict(5449, [1, 2, 999_999]).shape
            (3,)
        """
        if not self.predicts:
            raise no_predictions(self.version)
        given = self.users.find(user_ids, "user"), self.movies.find(movie_ids, "movie")
        try:
            users, movies = np.broadcast_arrays(*given)
        except ValueError:
            raise ConfigError(
                f"User ids of shape {given[0].shape} and movie ids of shape {given[1].shape} are not pairs. "
                "Give as many user ids as movie ids."
            ) from None
        raw = forward.predict(self.weights, users.ravel(), movies.ravel(), model=self.manifest.model)
        predicted: NDArray[np.float32] = np.clip(raw, *self.scale).astype(np.float32).reshape(users.shape)
        return predicted

    def recommend(
        self, user_id: Id, n: int = 10, *, explain: bool = False, **narrow: Unpack[Narrow]
    ) -> list[Suggestion]:
        """The movies that a user will like best, of those that they have not rated.

        The ranking model orders them. An unknown user gets popular movies. Movies without training rows are in no list.

        Args:
            user_id: The user.
            n: The length of the list, at most.
            explain: Add to each suggestion, as `because`, the rated movie with the largest positive share of its score.
            narrow: What the list is narrowed to, by the keywords of `Narrow`: `exclude`, `only`, `years` and others.

        Returns:
            Suggestions, the best first. Each unpacks as (movie_id, title, score) and has an `expected_rating`, None in
            a release of plays. The score has no unit. Without a ranking model, as in releases of earlier versions, it
            is the expected rating with a weight on popularity in place of the movie's bias.

        Raises:
            ConfigError: The id is not an integer, n is below 1, or the list is narrowed to nonsense.
            ReleaseError: Reasons are asked for, and the release has no ranking model.

        Examples:
            >>> import matinee
            >>> release = matinee.load("store/releases/v0001")
            >>> for movie_id, title, score in release.recommend(5449, n=2):
            ...     print(movie_id, title)
            41 The Electric Quarry
            93 The Gilded Juggler
            >>> len(release.recommend(5449, n=10, only=[41, 60], years=(1900, 2100)))
            2
        """
        code, taste = self._code(user_id), self._taste(user_id)
        if explain and taste is None:
            raise no_reasons(self.version)
        expected = self.expect(code) if self.predicts else None
        found = self.catalog.best(
            taste.scores() if taste else self.catalog.by_rating(self.expect(code), self.weights),
            n,
            without=self.catalog.seen(code),
            expected=None if expected is None else np.clip(expected, *self.scale),
            narrowing=Narrowing.of(narrow),
        )
        return taste.add_reasons(found) if taste and explain else found

    def explain(self, user_id: Id, movie_id: Id) -> Explanation:
        """Why a movie has its score for a user: what each of the user's ratings adds to it.

        The score of the ranking model is a sum over the movies that the user rated, so the shares are exact.

        Args:
            user_id: The user. For one that is unknown or has no ratings there are no reasons.
            movie_id: The movie, rated by the user or not.

        Returns:
            The score and its reasons, the largest absolute share first. The shares add up to the score.

        Raises:
            ConfigError: An id is of the other kind, or the release does not know the movie.
            ReleaseError: The release has no ranking model.

        Examples:
            >>> import matinee
            >>> release = matinee.load("store/releases/v0001")
            >>> found = release.explain(5449, 41)
            >>> abs(found.score - sum(reason.share for reason in found.reasons)) < 1e-5
            True
        """
        taste = self._taste(user_id)
        if taste is None:
            raise no_reasons(self.version)
        return taste.explain(movie_id)

    def similar(self, movie_id: Id, n: int = 10) -> list[Suggestion]:
        """The movies whose vectors are closest in direction to a movie's vector.

        The vectors are the ranking model's; without one, the rating model's.

        Args:
            movie_id: The movie.
            n: The length of the list, at most.

        Returns:
            Suggestions (movie_id, title, score), the most similar first. The score is the cosine, -1 to 1.

        Raises:
            ConfigError: The movie is unknown or has no training rows, so that nothing is known of it; or n is below 1.

        Examples:
            >>> import matinee
            >>> release = matinee.load("store/releases/v0001")
            >>> [similar.movie_id for similar in release.similar(1, n=2)]
            [26, 131]
        """
        code = self.movies.find_one(movie_id, "movie")
        if code < 0:
            raise ConfigError(
                f"The release does not know movie {shown(movie_id, 80)}. Ask for a movie of the titles file."
            )
        if not self.catalog.trained[code]:
            raise ConfigError(
                f"Movie {shown(movie_id, 80)} has no training row in release {self.version}, so no movie is similar "
                "to it. Ask for a movie that was rated."
            )
        vectors = self._movie_vectors()
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.finfo(np.float32).tiny)
        return self.catalog.best(
            vectors @ vectors[code] / lengths / lengths[code], n, without=np.array([code], np.int32)
        )

    def fold_in(self, ratings: Mapping[Any, float] | Iterable[tuple[Id, float]] | Iterable[Id]) -> Guest:
        """Meet a new user with a few ratings: the mean of the posterior of the user's vector, in closed form.

        Nothing is trained. The choice of movies counts as well as their ratings.

        Args:
            ratings: Ratings by movie id, or pairs of movie id and rating; the later one of a movie counts. An unknown
                movie only says how high the user rates. For a release of plays, the ids of the movies played.

        Returns:
            A guest, which answers for this user. `guest.unknown` has the ids that the release does not know. If it
            knows none of them, or none are given, a UserWarning says so.

        Raises:
            ReleaseError: The release is of ratings, and its model is not `dot`, the default.
            ConfigError: A rating lies outside the scale, or an id is not an integer.

        Examples:
            >>> import matinee
            >>> release = matinee.load("store/releases/v0001")
            >>> guest = release.fold_in({1: 5, 2: 4, 3: 1})
            >>> [movie_id for movie_id, title, score in guest.recommend(n=2)]
            [23, 30]
        """
        if not self.predicts:
            ids = played_ids(ratings, self.version)
            played = self.movies.find(ids, "movie")
            return self._guest(ids, played, np.ones(len(ids)))
        if self.user_prior is None:
            raise no_guests(self.version, model=self.manifest.model)
        given = read_ratings(ratings, self.scale)
        rated = self.movies.find(list(given), "movie")
        stars = np.fromiter(given.values(), np.float64, len(given))
        expected = expect_ratings(
            rated, stars, prior=self.user_prior, weights=self.weights, train_rows=self.catalog.train_rows
        )
        return self._guest(list(given), rated, stars, expected)

    def _guest(
        self, ids: Sequence[Id], codes: Codes, ratings: NDArray[np.float64], expected: Expected | None = None
    ) -> Guest:
        rated = codes[codes >= 0]
        return Guest(
            version=self.version,
            movies=self.movies,
            catalog=self.catalog,
            scale=self.scale,
            expected=expected,
            rated=rated,
            unknown=find_unknown(ids, codes, self.version),
            taste=self._make_taste(rated, to_levels(ratings[codes >= 0], self.scale)),
        )

    def _code(self, user_id: Id) -> int:
        return self.users.find_one(user_id, "user")

    def _taste(self, user_id: Id) -> Taste | None:
        """What a user rated, for the ranking model; None without one."""
        if self.ranking is None:
            return None
        code = self._code(user_id)
        return self._make_taste(self.catalog.seen(code), self.catalog.levels(code))

    def _make_taste(self, rated: Codes, levels: Levels) -> Taste | None:
        if self.ranking is None:
            return None
        return Taste(self.ranking, self.catalog, scale=self.scale, rated=rated, levels=levels)

    def expect(self, user_code: int) -> Scores:
        """The expected rating of every movie, not cut to the scale.

        Args:
            user_code: The code of a user, as `users.encode` gives it; -1 is a user that the release does not know.

        Returns:
            One rating per movie code.
        """
        if not self.predicts:
            raise no_predictions(self.version)
        return forward.of_user(self.weights, user_code, model=self.manifest.model)

    def _movie_vectors(self) -> NDArray[np.float32]:
        return forward.movie_vectors(self.weights) if self.ranking is None else self.ranking.encode_rated
