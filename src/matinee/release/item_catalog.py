"""The item catalog: movies with titles and popularity, and the movies that each user has rated.

It turns scores into lists.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from matinee.errors import ConfigError
from matinee.formats.base import Format
from matinee.release import liking
from matinee.release.arrays import Codes, Scores
from matinee.release.checks import LARGEST
from matinee.release.idmap import IdMap
from matinee.release.narrowing import Narrowing, Years, is_count
from matinee.release.rating_levels import Levels
from matinee.release.scoring import movie_level
from matinee.release.suggestion import Suggestion

OFFSETS = "seen.offsets.npy"
MOVIES = "seen.movies.npy"
LEVELS = "seen.levels.npy"


class RankingNote(Format):
    """What lists need of `ranking` in metrics.json."""

    popularity_weight: Annotated[float, Field(ge=-LARGEST, le=LARGEST)]


@dataclass(frozen=True, eq=False)
class ItemCatalog:
    """Movies by code. The lists of rated movies are memory-mapped, so only the pages of requested users are read."""

    movies: IdMap
    titles: pa.ChunkedArray
    train_rows: NDArray[np.int64]
    liked_rows: NDArray[np.int64]  # train rows that liked the movie
    years: Years  # 0 if unknown
    popularity_weight: float  # rating points per unit of `liking.popularity`, chosen by evaluate
    seen_offsets: NDArray[np.int64]
    seen_movies: Codes
    seen_levels: Levels | None = None  # how each was rated; None in a release without a ranking model

    @property
    def movie_ids(self) -> NDArray[Any]:
        """The ids by code: int64, or str."""
        return self.movies.ids

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Which movies have train rows; the others are in no list."""
        return self.train_rows > 0

    @property
    def appeal(self) -> Scores:
        """What popularity adds to a movie's score, in place of its bias; -inf for a movie that must not be listed."""
        added = np.float32(self.popularity_weight) * liking.popularity(self.train_rows, self.liked_rows)
        return np.where(self.trained, added, np.float32(-np.inf))

    def by_rating(self, expected: Scores, weights: Mapping[str, NDArray[Any]]) -> Scores:
        """Scores without a ranking model: expected ratings, with popularity in place of each movie's level."""
        scores: Scores = expected - movie_level(weights) + self.appeal
        return scores

    def seen(self, user_code: int) -> Codes:
        """The movies that a user rated; none for code -1."""
        if user_code < 0:
            return np.empty(0, np.int32)
        return self.seen_movies[self.seen_offsets[user_code] : self.seen_offsets[user_code + 1]]

    def levels(self, user_code: int) -> Levels:
        """How the user rated each of `seen`; only in a release with a ranking model."""
        assert self.seen_levels is not None  # nosec B101 # for mypy: a ranking model is loaded with it
        if user_code < 0:
            return np.empty(0, np.uint8)
        return self.seen_levels[self.seen_offsets[user_code] : self.seen_offsets[user_code + 1]]

    def best(
        self,
        scores: Scores,
        n: int,
        *,
        without: Codes,
        expected: Scores | None = None,
        narrowing: Narrowing | None = None,
    ) -> list[Suggestion]:
        """The n movies of the highest scores [movies], fewer when fewer are left; of equal ones the lower id first.

        `recommend --all`, the ONNX export and the evaluation have the same order in code of their own
        (`matinee.recommend.kernel` and `search`, `matinee.publish.onnx_export`, `matinee.evaluate.ranking` and its
        kernel): change all.

        `expected` are the expected ratings [movies] to show with them. Raises ConfigError when n is below 1.
        """
        if not is_count(n):
            raise ConfigError(f"A list of {n!r:.80} movies was requested; expected a whole number from 1.")
        scores = np.where(self.trained, scores, np.float32(-np.inf))
        scores[without] = -np.inf
        if narrowing and narrowing.masks:
            scores[~narrowing.allowed(self.movies, self.years)] = -np.inf
        caps = narrowing is not None and narrowing.caps
        limit = np.partition(scores, -n)[-n] if n < len(scores) and not caps else -np.inf
        codes = np.flatnonzero((scores >= limit) & (scores > -np.inf))
        order = codes[np.lexsort((codes, -scores[codes]))].tolist()
        if narrowing and caps:
            order = narrowing.cut(order, n, titles=self.titles, years=self.years)
        return [
            Suggestion(
                movie_id=self.movies.one(code),
                title=self.titles[code].as_py(),
                score=float(scores[code]),
                expected_rating=None if expected is None else float(expected[code]),
            )
            for code in order[:n]
        ]
