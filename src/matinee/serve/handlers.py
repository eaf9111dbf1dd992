"""The answer to each question, from the release that it names. Each method is a route of the server."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query

from matinee.errors import ConfigError
from matinee.release import Release
from matinee.release.idmap import Id
from matinee.release.plays import is_of_plays
from matinee.release.rating_levels import shortest_rating
from matinee.release.suggestion import Reason, Suggestion
from matinee.serve import requests, responses
from matinee.serve.loaded_releases import LoadedReleases


class Handlers:
    """Answers requests. Safe to use from several threads."""

    def __init__(self, loaded: LoadedReleases) -> None:
        self._loaded = loaded

    def predict(self, asked: requests.PredictRequest) -> responses.Predictions:
        """Predict the ratings of pairs of users and movies."""
        release = self._loaded.named(asked.release).release
        users, movies = [each.user_id for each in asked.pairs], [each.movie_id for each in asked.pairs]
        return responses.Predictions(
            release=release.version,
            ratings=release.predict(users, movies).tolist(),
            unknown_users=int((release.users.find(users, "user") < 0).sum()),
            unknown_movies=int((release.movies.find(movies, "movie") < 0).sum()),
        )

    def recommend(self, asked: requests.RecommendRequest) -> responses.MovieList:
        """List the movies that a user will like best, of those that the user has not rated."""
        release = self._loaded.named(asked.release).release
        found = release.recommend(asked.user_id, asked.n, explain=asked.explain, **asked.narrow)
        known = _code(release, asked.user_id) >= 0
        return responses.MovieList(
            release=release.version, user_id=asked.user_id, known=known, movies=_suggested(release, found)
        )

    def fold_in(self, asked: requests.FoldInRequest) -> responses.GuestList:
        """List movies for a new user, from a few ratings. Nothing is stored."""
        release = self._loaded.named(asked.release).release
        guest = release.fold_in(_given(asked.ratings, release))
        found = guest.recommend(asked.n, explain=asked.explain, **asked.narrow)
        return responses.GuestList(
            release=release.version, unknown=list(guest.unknown), movies=_suggested(release, found)
        )

    def similar(self, asked: Annotated[requests.SimilarRequest, Query()]) -> responses.SimilarMovies:
        """List the movies that are most similar to a movie."""
        release = self._loaded.named(asked.release).release
        movie_id = release.movies.parse(asked.movie_id, "movie")
        found = release.similar(movie_id, asked.n)
        facts = _facts(release, [movie_id, *(each.movie_id for each in found)])
        return responses.SimilarMovies(
            release=release.version,
            movie=responses.Movie(**facts[0]),
            movies=[
                responses.Similar(**each, score=one.score) for each, one in zip(facts[1:], found, strict=True)
            ],
        )

    def explain(self, asked: Annotated[requests.ExplainRequest, Query()]) -> responses.ExplainedScore:
        """Explain which of a user's ratings give a movie its score."""
        release = self._loaded.named(asked.release).release
        user_id = release.users.parse(asked.user_id, "user")
        found = release.explain(user_id, release.movies.parse(asked.movie_id, "movie"))
        listed, others = found.reasons[: asked.n], found.reasons[asked.n :]
        return responses.ExplainedScore(
            release=release.version,
            movie=responses.Movie(**_facts(release, [found.movie_id])[0]),
            known=_code(release, user_id) >= 0,
            score=found.score,
            reasons=_reasons(release, listed),
            other_reasons=len(others),
            other_share=sum(each.share for each in others),
        )

    def ratings(self, asked: Annotated[requests.RatingsRequest, Query()]) -> responses.UserRatings:
        """List what a user rated, the highest rating first."""
        release = self._loaded.named(asked.release).release
        user_id = release.users.parse(asked.user_id, "user")
        code = _code(release, user_id)
        rated = release.catalog.seen(code).tolist()
        stars = _stars(release, code, len(rated))
        order = sorted(range(len(rated)), key=lambda place: -(stars[place] or 0.0))[: asked.n]
        facts = _facts(release, [release.movies.one(rated[place]) for place in order])
        return responses.UserRatings(
            release=release.version,
            user_id=user_id,
            known=code >= 0,
            count=len(rated),
            movies=[
                responses.Rated(**each, rating=stars[place]) for each, place in zip(facts, order, strict=True)
            ],
        )

    def search(self, asked: Annotated[requests.SearchRequest, Query()]) -> responses.SearchResult:
        """Find movies by words of their titles, and users by the start of their ids."""
        loaded = self._loaded.named(asked.release)
        release = loaded.release
        codes = loaded.index.movies(asked.q, asked.n)
        rows = release.catalog.train_rows[codes].tolist()
        facts = _facts(release, [release.movies.one(code) for code in codes])
        return responses.SearchResult(
            release=release.version,
            movies=[
                responses.Found(**each, train_rows=count) for each, count in zip(facts, rows, strict=True)
            ],
            users=loaded.index.users(asked.q, asked.n),
        )

    def releases(self) -> responses.Releases:
        """List the releases that can be asked, the newest first."""
        champion = self._loaded.champion.release.version
        return responses.Releases(
            releases=[
                responses.ReleaseFacts(
                    version=each.version,
                    champion=each.version == champion,
                    created=each.created,
                    model=each.model,
                    rmse=rmse if isinstance(rmse := each.metrics.get("rmse"), int | float) else None,
                    scale=(each.scale[0], each.scale[1]),
                    plays=each.feedback == "implicit",
                )
                for each in self._loaded.manifests()
            ]
        )

    def healthz(self) -> responses.Health:
        """Say which release answers, and whether it is the champion."""
        loaded, problem = self._loaded.champion, self._loaded.problem
        return responses.Health(
            status="stale" if problem else "ok",
            release=loaded.release.version,
            since=loaded.since,
            problem=problem,
        )


def _code(release: Release, user_id: Id) -> int:
    return int(release.users.find([user_id], "user")[0])


def _facts(release: Release, movie_ids: Sequence[Id]) -> list[Any]:
    """The keywords of `responses.Movie` for each movie."""
    if not movie_ids:
        return []
    catalog = release.catalog
    codes = release.movies.find(list(movie_ids), "movie").tolist()
    return [
        {
            "movie_id": movie_id,
            "title": catalog.titles[code].as_py(),
            "year": int(catalog.years[code]) or None,
        }
        for movie_id, code in zip(movie_ids, codes, strict=True)
    ]


def _suggested(release: Release, found: Sequence[Suggestion]) -> list[responses.Suggested]:
    facts = _facts(release, [each.movie_id for each in found])
    reasons = iter(_reasons(release, [each.because for each in found if each.because]))
    return [
        responses.Suggested(
            **about,
            score=each.score,
            expected_rating=each.expected_rating,
            because=next(reasons) if each.because else None,
        )
        for about, each in zip(facts, found, strict=True)
    ]


def _reasons(release: Release, found: Sequence[Reason]) -> list[responses.Reason]:
    facts = _facts(release, [each.movie_id for each in found])
    return [
        responses.Reason(**about, rating=each.rating, share=each.share)
        for about, each in zip(facts, found, strict=True)
    ]


def _stars(release: Release, code: int, count: int) -> list[float | None]:
    """A user's ratings, in the order of `catalog.seen`; None where the release does not know them."""
    if release.ranking is None or is_of_plays(release.scale):
        return [None] * count
    return [shortest_rating(level, release.scale) for level in release.catalog.levels(code)]


def _given(ratings: Sequence[requests.GuestRating], release: Release) -> dict[Id, float] | list[Id]:
    """Ratings as `Release.fold_in` takes them.

    Raises ConfigError if they are not of the kind that the release was trained on.
    """
    stars = {each.movie_id: each.rating for each in ratings if each.rating is not None}
    plays = is_of_plays(release.scale)
    if plays and stars:
        raise ConfigError(
            f"`ratings` has ratings, but release {release.version} was trained on plays. Leave out `rating`, as in "
            '{"movie_id": 3}.'
        )
    if ratings and not plays and not stars:
        raise ConfigError(
            f"`ratings` has movies without a rating, but release {release.version} was trained on ratings. Add "
            '`rating`, as in {"movie_id": 3, "rating": 5}.'
        )
    return stars or [each.movie_id for each in ratings]
