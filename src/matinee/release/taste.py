"""One user's ratings as the ranking model sees them: the scores that they give, and the reasons behind each score."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from matinee.errors import ConfigError, ReleaseError
from matinee.errors.text import shown
from matinee.release.arrays import Codes, Scores
from matinee.release.idmap import Id
from matinee.release.item_catalog import ItemCatalog
from matinee.release.plays import is_of_plays
from matinee.release.ranking_model import RankingModel, grade_codes
from matinee.release.rating_levels import Levels, shortest_rating
from matinee.release.suggestion import Explanation, Reason, Suggestion


@dataclass(frozen=True, eq=False)
class Taste:
    """What one user rated. A score is a sum over these ratings, so each of them has an exact share of it."""

    model: RankingModel
    catalog: ItemCatalog
    scale: tuple[float, float]
    rated: Codes  # movies that the release knows
    levels: Levels

    def scores(self) -> Scores:
        """The score of every movie, by code; popularity for a user without ratings."""
        return self.model.scores(self.rated, self.levels)

    def explain(self, movie_id: Id) -> Explanation:
        """The score of a movie and the share of each rating. Raises ConfigError if the movie is unknown."""
        movie = self.catalog.movies.find_one(movie_id, "movie")
        if movie < 0:
            raise ConfigError(
                f"The release does not know movie {shown(movie_id, 80)}. Ask for a movie of the titles file."
            )
        shares = self._shares(movie)
        order = np.lexsort((self.rated, -np.abs(shares)))
        by_popularity = not len(shares)
        return Explanation(
            movie_id=self.catalog.movies.one(movie),
            title=self.catalog.titles[movie].as_py(),
            score=float(self.model.popularity[movie] if by_popularity else shares.sum()),
            reasons=tuple(self._reason(place, shares[place]) for place in order.tolist()),
        )

    def add_reasons(self, suggestions: Sequence[Suggestion]) -> list[Suggestion]:
        """The same suggestions with the rated movie that speaks most for each; None where none does."""
        movies = self.catalog.movies.find([each.movie_id for each in suggestions], "movie").astype(np.int64)
        shares = self._shares(movies)
        if not shares.size:
            return list(suggestions)
        best = shares.argmax(axis=0).tolist()
        return [
            replace(each, because=self._reason(place, share))
            if (share := shares[place, column]) > 0
            else each
            for column, (each, place) in enumerate(zip(suggestions, best, strict=True))
        ]

    def _shares(self, movies: int | NDArray[np.int64]) -> NDArray[np.float64]:
        """The share of each rating in the score of a movie [ratings], or of some [ratings, movies]."""
        return self.model.shares(self.rated, grade_codes(self.levels), movie=movies)

    def _reason(self, place: int, share: float) -> Reason:
        movie = self.rated[place]
        return Reason(
            movie_id=self.catalog.movies.one(movie),
            title=self.catalog.titles[int(movie)].as_py(),
            rating=None if is_of_plays(self.scale) else shortest_rating(self.levels[place], self.scale),
            share=float(share),
        )


def no_reasons(version: str) -> ReleaseError:
    """The error for a release whose lists are not a sum over what a user rated."""
    return ReleaseError(
        f"Release {version} has no ranking model, so its scores have no reasons. Retrain to get a release that has one."
    )
