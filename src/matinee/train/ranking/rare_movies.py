"""The rarely rated movies of a large catalog: they are left out of the fit, and then added to its model.

Half of the movies of a large catalog have a twentieth of its ratings, but a matrix of twice the size takes eight times
as long to factor. Lists are as good without these movies in the fit (docs/notes.md).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Counts
from matinee.release.ranking_model import Floats, RankingModel
from matinee.train.ranking.rows import GradedRows

FEWEST: Final = 8192  # movies that are always part of the fit
_SHARE: Final = 0.95  # of the ratings that the fit has at least
_RIDGE: Final = 0.1  # of the mean square of the users' vectors: a movie with three ratings leads no list


def frequent_movies(counts: Counts, *, users: int) -> npt.NDArray[np.intp]:
    """The codes of the movies to fit, ascending: the most rated ones, or all where the catalog is small.

    Args:
        counts: Ratings of each movie.
        users: Number of users. With few users, all movies are fitted: the matrix that is factored is that of users.
    """
    if len(counts) <= FEWEST or users <= 2 * len(counts):
        return np.arange(len(counts))
    order = np.argsort(-counts, kind="stable")
    known = np.cumsum(counts[order])
    needed = int(np.searchsorted(known, _SHARE * known[-1])) + 1
    return np.sort(order[: max(needed, FEWEST)])


def add_rare_movies(
    model: RankingModel, rows: GradedRows, rare: GradedRows, *, ridge: Floats, weight: np.float32
) -> tuple[Floats, Floats]:
    """The rows that rare movies have in the tables of a model which was fitted without them.

    `decode` is a ridge regression from the users' vectors to the targets of a movie. The encoder is one step down the
    objective of the whole fit. Its step sizes are row sums of the Gram matrix, so it never goes too far, however many
    rare movies a user has rated.

    Args:
        model: The model of the frequent movies.
        rows: Ratings of the frequent movies.
        rare: Ratings of the rare movies, by the same users.
        ridge: Penalties of the encoder of the rare movies, [2, rare].
        weight: `rated_weight` of the targets.

    Returns:
        The encoder, [2, rare, rank], and `decode`, [rare, rank].
    """
    vectors = rows.times(np.stack([model.encode_rated, model.encode_liked]))
    gram = _gram(vectors)
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    decode = np.linalg.solve(gram, _target(weight, rare.back(vectors)).T).T.astype(np.float32)
    # What the targets of all movies ask of the users' vectors, less what these are.
    missing = rows.times(_spread(weight, model.decode))
    missing += rare.times(_spread(weight, decode))
    missing -= vectors
    encoder = rare.back(missing)
    grades = rare.back(np.ones((rare.users, 1), np.float32))[1]
    squares = rare.squares[..., None]
    own = np.stack([weight * squares[0] + grades, weight * grades + squares[1]]).astype(np.float32)
    encoder -= own * decode  # a movie says nothing about itself
    sums = rare.back(rare.times(np.ones((2, rare.movies, 1), np.float32)))
    encoder /= sums + ridge[..., None]
    return encoder, decode


def _gram(vectors: Floats) -> npt.NDArray[np.float64]:
    total = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), FEWEST):
        block = vectors[start : start + FEWEST].astype(np.float64)
        total += block.T @ block
    return total


def _spread(weight: np.float32, decode: Floats) -> Floats:
    """The features of targets: a rating counts `weight`, and its grade 1."""
    return np.stack([weight * decode, decode])


def _target(weight: np.float32, features: Floats) -> Floats:
    found: Floats = weight * features[0] + features[1]
    return found
