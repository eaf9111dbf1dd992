"""The vectors of many users from what they rated, as `RankingModel.user_vector` makes one."""

import numpy as np
from numpy.typing import NDArray

from matinee.recommend.kernel import encode_users
from matinee.release.arrays import Codes, Scores
from matinee.release.ranking_model import GRADE_STEP, RankingModel, grade_codes
from matinee.release.rating_levels import Levels


def user_vectors(model: RankingModel, starts: NDArray[np.int64], movies: Codes, levels: Levels) -> Scores:
    """Vectors [users, k]: user i rated movies[starts[i]:starts[i+1]] with these levels; starts[0] is 0."""
    vectors = np.empty((len(starts) - 1, model.decode.shape[1]), np.float32)
    grades = grade_codes(levels) * GRADE_STEP
    encode_users(starts, movies, grades, model.encode_rated, model.encode_liked, vectors)
    return vectors
