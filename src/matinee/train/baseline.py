"""Bias-only prediction: mean plus a shrunk bias per user and per movie.

The baseline that every model must beat (evaluate), and the answer of a neural model if only the user or only the movie
is known (train).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Codes, Doubles
from matinee.store.system import available_cores
from matinee.train.baseline_kernel import add_residuals

ROUNDS = 15  # the biases move by less than .001 long before
SHRINK = 5.0  # pseudo-rows at zero bias: one row moves a bias by a sixth of its residual
_CHUNKS = 8  # shared by threads; fixed, so that sums do not depend on the number of cores
_CHUNK = 1 << 22


@dataclass(frozen=True)
class Baseline:
    """The fitted mean and biases; the bias of a code without rows is 0."""

    mean: float
    user_bias: Doubles
    movie_bias: Doubles

    def predict(self, user_codes: Codes, movie_codes: Codes) -> Doubles:
        """Unclipped ratings, one per pair; code -1 is unknown and adds no bias."""
        return self.mean + _known(self.user_bias, user_codes) + _known(self.movie_bias, movie_codes)


def fit_baseline(
    user_codes: Codes, movie_codes: Codes, ratings: npt.NDArray[np.float32], *, users: int, movies: int
) -> Baseline:
    """Fit the mean and the biases: shrunk means of residuals in turn, movies first, for a fixed number of rounds.

    Sums are in float64, and of chunks that do not depend on the machine, so the same rows give the same bits.

    Args:
        user_codes: One code per rating, below `users`.
        movie_codes: One code per rating, below `movies`.
        ratings: The ratings.
        users: Number of user codes.
        movies: Number of movie codes.

    Returns:
        The mean, and a bias per user and per movie.
    """
    mean = float(np.sum(ratings, dtype=np.float64) / max(len(ratings), 1))
    user_bias, movie_bias = np.zeros(users), np.zeros(movies)
    weights = [_count(codes, size) + SHRINK for codes, size in ((user_codes, users), (movie_codes, movies))]
    with ThreadPoolExecutor(available_cores()) as pool:

        def residuals(codes: Codes, others: Codes, bias: Doubles, *, size: int) -> Doubles:
            def of_chunk(chunk: slice) -> Doubles:
                sums = np.zeros(size)
                add_residuals(codes[chunk], others[chunk], ratings[chunk], mean, bias, sums)
                return sums

            return np.asarray(sum(pool.map(of_chunk, _chunks(len(codes)))))

        for _ in range(ROUNDS):
            movie_bias = residuals(movie_codes, user_codes, user_bias, size=movies) / weights[1]
            user_bias = residuals(user_codes, movie_codes, movie_bias, size=users) / weights[0]
    return Baseline(mean=mean, user_bias=user_bias, movie_bias=movie_bias)


def _count(codes: Codes, size: int) -> Doubles:
    """Rows by code, in chunks, because bincount makes a copy in int64."""
    rows = np.zeros(size)
    for start in range(0, len(codes), _CHUNK):
        rows += np.bincount(codes[start : start + _CHUNK], minlength=size)
    return rows


def _chunks(rows: int) -> list[slice]:
    ends = [rows * chunk // _CHUNKS for chunk in range(_CHUNKS + 1)]
    return [slice(start, stop) for start, stop in pairwise(ends)]


def _known(bias: Doubles, codes: Codes) -> Doubles:
    if not len(bias):
        return np.zeros(len(codes))
    return np.where(codes < 0, 0.0, bias[codes])
