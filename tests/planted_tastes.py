"""Users and movies with planted tastes, and a ranking model fitted to them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from matinee.release.ranking_model import RankingModel
from matinee.settings.ranking import RankSettings
from matinee.train.ranking.fit import fit_ranking

SCALE = (1.0, 5.0)


RatingColumns = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32]]


def planted_tastes(
    users: int, movies: int, *, seed: int = 0, tastes: int = 6
) -> tuple[RatingColumns, npt.NDArray[Any]]:
    """Users who watch and like the movies of their taste more often, and the chance of each pair to be watched."""
    draw = np.random.default_rng(seed)
    taste, kind = draw.integers(tastes, size=users), draw.integers(tastes, size=movies)
    popular = draw.gamma(1.0, size=movies) * 0.05
    match = taste[:, None] == kind
    chance = np.minimum(popular * np.where(match, 6.0, 0.7), 0.9)
    user, movie = np.nonzero(draw.random(chance.shape) < chance)
    ratings = np.where(match[user, movie], 4, 2) + draw.integers(-1, 2, size=len(user))
    return (user.astype(np.int32), movie.astype(np.int32), ratings.astype(np.float32)), chance


def fit_planted(rows: RatingColumns, users: int, movies: int, **given: Any) -> RankingModel:
    call = {
        key: given.pop(key) for key in ("threads", "device", "checkpoint", "listener", "seed") if key in given
    }
    return fit_ranking(*rows, users=users, movies=movies, scale=SCALE, settings=RankSettings(**given), **call)
