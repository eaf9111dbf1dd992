"""Scores of a ranking model for users as some rows show them: what the measured lists are made of."""

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking import Scorer, Task
from matinee.recommend.encode import user_vectors
from matinee.release.ranking_model import RankingModel
from matinee.release.rating_levels import to_levels
from matinee.store.ratings import placed_rows


def score_after(
    rows: DatedRatings, task: Task, model: RankingModel, *, users: int, scale: tuple[float, float]
) -> Scorer:
    """The scores of a ranking model for the users of a task, each known by what `rows` says of them.

    Args:
        rows: What the users rated; rows of other users are skipped.
        task: The users to rank for.
        model: Its tables have one row per movie code.
        users: Number of user codes.
        scale: The scale of the ratings.

    Returns:
        A function from user codes of the task to scores of all movies; popularity for users without a known movie.
    """
    vectors = _vectors(rows, task, model, users=users, scale=scale)
    place = np.full(users, -1, np.int32)
    place[task.users] = np.arange(len(task.users), dtype=np.int32)
    return lambda codes: model.score(vectors[place[codes]])


def _vectors(
    rows: DatedRatings, task: Task, model: RankingModel, *, users: int, scale: tuple[float, float]
) -> NDArray[np.float32]:
    place = np.full(users, -1, np.int32)
    place[task.users] = np.arange(len(task.users), dtype=np.int32)
    chosen = placed_rows(rows.users, place)
    chosen = chosen[np.argsort(place[rows.users[chosen]], kind="stable")]
    counts = np.bincount(place[rows.users[chosen]], minlength=len(task.users))
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return user_vectors(model, starts, rows.movies[chosen], to_levels(rows.ratings[chosen], scale))
