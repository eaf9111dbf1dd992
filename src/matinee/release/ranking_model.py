"""A fitted ranking model: tables, vectors of users, scores, and the file they are kept in. Needs numpy alone.

A user's vector is the sum, over the movies that the user rated, of `encode_rated` plus the rating's grade times
`encode_liked`; a movie's score is the dot product of that vector and the movie's row of `decode`.
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.release.weights import read_weights, write_weights

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

# A grade is 0 up to 3/8 of the scale, 1 where a rating counts as liked (3/4), and 5/3 at the top.
_NEUTRAL, _LIKED = 0.375, 0.75
GRADE_STEP = np.float32((1 - _NEUTRAL) / (_LIKED - _NEUTRAL) / 255)
_TABLES = ("encode_rated", "encode_liked", "decode", "popularity")


def grade_codes(ratings: npt.NDArray[Any], scale: tuple[float, float]) -> Codes:
    """How much each rating says that the movie was liked, in steps of GRADE_STEP.

    Args:
        ratings: ratings on the scale.
        scale: lowest and highest rating; equal where there is nothing but plays, and all grades are 0 then.

    Returns:
        One byte per rating, so that a release that keeps these has the very grades of the fit.
    """
    low, high = scale
    if high <= low:
        return np.zeros(len(ratings), np.uint8)
    above = (np.asarray(ratings, np.float64) - low) / (high - low) - _NEUTRAL
    codes: Codes = np.rint(np.clip(above / (1 - _NEUTRAL), 0, 1) * 255).astype(np.uint8)
    return codes


@dataclass(frozen=True)
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
        self, starts: npt.NDArray[np.int64], movies: npt.NDArray[np.integer[Any]], codes: Codes
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

    def user_vector(self, movies: npt.NDArray[np.integer[Any]], codes: Codes) -> Floats:
        """Vector of one user who rated these movies, in the order given; as in `user_vectors`."""
        known = (movies >= 0) & (movies < self.movies)
        here = movies[known]
        grades = codes[known] * GRADE_STEP
        # Summed in float64, so that the order of a user's ratings does not show.
        total = self.encode_rated[here].sum(axis=0, dtype=np.float64)
        total += grades.astype(np.float64) @ self.encode_liked[here].astype(np.float64)
        vector: Floats = total.astype(np.float32)
        return vector

    def score(self, vectors: Floats) -> Floats:
        """Scores of all movies for each vector, [users, movies]; popularity for a vector of zeros."""
        scores = vectors @ self.decode.T
        scores[~vectors.any(axis=1)] = self.popularity
        return scores

    def shares(
        self, movies: npt.NDArray[np.integer[Any]], codes: Codes, *, movie: int
    ) -> npt.NDArray[np.float64]:
        """What each of a user's ratings adds to the score of one movie; together they are the score."""
        rows = self.encode_rated[movies].astype(np.float64)
        rows += (codes * GRADE_STEP).astype(np.float64)[:, None] * self.encode_liked[movies]
        parts: npt.NDArray[np.float64] = rows @ self.decode[movie].astype(np.float64)
        return parts


def save_model(path: Path, model: RankingModel, *, half: bool = False) -> None:
    """Write a model as safetensors, whole or not at all; `half` keeps its vectors in float16.

    Raises OSError or SafetensorError when it can't be written.
    """
    tables = {name: getattr(model, name) for name in _TABLES}
    if half:
        tables |= {name: tables[name].astype(np.float16) for name in _TABLES[:3]}
    write_weights(path, {name: np.ascontiguousarray(table) for name, table in tables.items()})


def load_model(path: Path) -> RankingModel:
    """Read a model; what was stored in float16 comes back as float32.

    Raises OSError or SafetensorError when it can't be read, KeyError when a table is missing.
    """
    tables = read_weights(path)
    return RankingModel(**{name: tables[name] for name in _TABLES})
