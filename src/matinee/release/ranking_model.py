"""A fitted ranking model: tables, vectors of users, scores, and its file. Needs only numpy.

A user's vector is the sum, over the movies that the user rated, of `encode_rated` plus the rating's grade times
`encode_liked`; a movie's score is the dot product of that vector and the movie's row of `decode`.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Floats as Floats  # noqa: PLC0414 - the fit takes it from here
from matinee.release.rating_levels import STEPS, Levels
from matinee.release.weights import read_weights, write_weights

Grades = npt.NDArray[np.uint8]

RANKING: Final = "ranking.safetensors"
# The ranking model that the figures belong to, where the release was refitted on all rows.
TESTED_RANKING: Final = "tested_ranking.safetensors"
TABLES: Final = ("encode_rated", "encode_liked", "decode", "popularity")

# A grade is 0 up to 3/8 of the scale, 1 where a rating counts as liked (3/4), and 5/3 at the top.
NEUTRAL: Final = 3 * STEPS // 8
GRADE_STEP: Final = np.float32(1 / (3 * STEPS // 4 - NEUTRAL))


def grade_codes(levels: Levels) -> Grades:
    """How much each rating says that the movie was liked, in steps of GRADE_STEP.

    Args:
        levels: Ratings as `matinee.release.rating_levels` has them.

    Returns:
        One byte per rating.
    """
    codes: Grades = np.maximum(levels, np.uint8(NEUTRAL)) - np.uint8(NEUTRAL)
    return codes


@dataclass(frozen=True, eq=False)
class RankingModel:
    """Tables of one row per movie; rows of movies that nobody rated are 0."""

    encode_rated: Floats  # [movies, rank]
    encode_liked: Floats  # [movies, rank]
    decode: Floats  # [movies, rank]
    popularity: Floats  # [movies]: the order for users who rated nothing

    @property
    def movies(self) -> int:
        """Number of movies."""
        return len(self.decode)

    def user_vectors(
        self, starts: npt.NDArray[np.int64], movies: npt.NDArray[np.integer[Any]], codes: Grades
    ) -> Floats:
        """Vectors of users, from what each of them rated.

        Args:
            starts: where each user's ratings start, with one more for the end.
            movies: movie code of each rating; a code below 0 or beyond the tables is an unknown movie and is skipped.
            codes: `grade_codes` of the ratings.

        Returns:
            One row per user; zeros for a user without a known movie.
        """
        found = np.zeros((len(starts) - 1, self.decode.shape[1]), np.float32)
        for user, (first, last) in enumerate(pairwise(starts)):
            found[user] = self.user_vector(movies[first:last], codes[first:last])
        return found

    def user_vector(self, movies: npt.NDArray[np.integer[Any]], codes: Grades) -> Floats:
        """Vector of one user who rated these movies, in the order given; as in `user_vectors`."""
        known = (movies >= 0) & (movies < self.movies)
        here = movies[known]
        grades = codes[known] * GRADE_STEP
        # Summed in float64, so that the order of a user's ratings does not show.
        total = self.encode_rated[here].sum(axis=0, dtype=np.float64)
        total += grades.astype(np.float64) @ self.encode_liked[here].astype(np.float64)
        vector: Floats = total.astype(np.float32)
        return vector

    def scores(self, movies: npt.NDArray[np.integer[Any]], levels: Levels) -> Floats:
        """The score of every movie [movies] for a user with these ratings; popularity for a user without ratings."""
        found: Floats = self.score(self.user_vector(movies, grade_codes(levels))[None])[0]
        return found

    def score(self, vectors: Floats) -> Floats:
        """Scores of all movies for each vector, [users, movies]; popularity for a vector of zeros."""
        scores = vectors @ self.decode.T
        scores[~vectors.any(axis=1)] = self.popularity
        return scores

    def rearranged(self, places: npt.NDArray[Any], rows: npt.NDArray[Any], *, movies: int) -> "RankingModel":
        """The model of another catalog: its movies at `places` are the movies `rows` of this one, the others are 0.

        Args:
            places: movie codes of the new catalog, or a mask of them.
            rows: as many movie codes of this model.
            movies: number of movies of the new catalog.
        """
        tables = {name: np.zeros((movies, *getattr(self, name).shape[1:]), np.float32) for name in TABLES}
        for name, table in tables.items():
            table[places] = getattr(self, name)[rows]
        return RankingModel(**tables)

    def shares(
        self, movies: npt.NDArray[np.integer[Any]], codes: Grades, *, movie: int | npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        """What each of a user's ratings adds to the score of a movie [ratings]; together they are the score.

        With several movies, [ratings, movies].
        """
        rows = self.encode_rated[movies].astype(np.float64)
        rows += (codes * GRADE_STEP).astype(np.float64)[:, None] * self.encode_liked[movies]
        parts: npt.NDArray[np.float64] = rows @ self.decode[movie].astype(np.float64).T
        return parts


def save_model(path: Path, model: RankingModel) -> None:
    """Write a model as safetensors, whole or not at all.

    Raises OSError or SafetensorError when it can't be written.
    """
    write_weights(path, {name: np.ascontiguousarray(getattr(model, name)) for name in TABLES})


def load_model(path: Path) -> RankingModel:
    """Read a model; what was stored in float16 comes back as float32.

    Raises OSError or SafetensorError when it can't be read, KeyError when a table is missing.
    """
    tables = read_weights(path)
    return RankingModel(**{name: tables[name] for name in TABLES})
