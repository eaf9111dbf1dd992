"""Bias-only prediction: mean plus a shrunk bias per user and per movie.

What every model must beat (evaluate), and what a neural model answers where it knows but one side (train).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]
Vector = npt.NDArray[np.float64]

ROUNDS = 15  # the biases move by less than .001 long before
SHRINK = 5.0  # pseudo-rows at zero bias: one row moves a bias by a sixth of its residual
_CHUNK = 1 << 22  # rows at a time: memory stays at some tens of MB whatever the number of rows


@dataclass(frozen=True)
class Baseline:
    """The fitted mean and biases; the bias of a code without rows is 0."""

    mean: float
    user_bias: Vector
    movie_bias: Vector

    def predict(self, user_codes: Codes, movie_codes: Codes) -> Vector:
        """Unclipped ratings, one a pair; code -1 is unknown and adds no bias."""
        return self.mean + _known(self.user_bias, user_codes) + _known(self.movie_bias, movie_codes)


def fit_baseline(
    user_codes: Codes, movie_codes: Codes, ratings: npt.NDArray[np.float32], *, users: int, movies: int
) -> Baseline:
    """Alternate shrunk means of residuals, movies first, for a fixed number of rounds.

    The three columns are of one length; codes lie within `users` and `movies`. Sums are in float64 and in
    row order, so the same rows give the same bits.
    """
    mean = float(np.sum(ratings, dtype=np.float64) / max(len(ratings), 1))
    user_bias, movie_bias = np.zeros(users), np.zeros(movies)
    user_weight, movie_weight = np.full(users, SHRINK), np.full(movies, SHRINK)
    for part in _parts(len(ratings)):
        user_weight += np.bincount(user_codes[part], minlength=users)
        movie_weight += np.bincount(movie_codes[part], minlength=movies)
    for _ in range(ROUNDS):
        movie_bias = np.zeros(movies)
        for part in _parts(len(ratings)):
            residual = ratings[part] - mean - user_bias[user_codes[part]]
            movie_bias += np.bincount(movie_codes[part], residual, movies)
        movie_bias /= movie_weight
        user_bias = np.zeros(users)
        for part in _parts(len(ratings)):
            residual = ratings[part] - mean - movie_bias[movie_codes[part]]
            user_bias += np.bincount(user_codes[part], residual, users)
        user_bias /= user_weight
    return Baseline(mean=mean, user_bias=user_bias, movie_bias=movie_bias)


def _parts(rows: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, rows, _CHUNK))


def _known(bias: Vector, codes: Codes) -> Vector:
    if not len(bias):
        return np.zeros(len(codes))
    return np.where(codes < 0, 0.0, bias[codes])
