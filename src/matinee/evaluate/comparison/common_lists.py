"""The lists of several models for the same users, from the same rows and the same catalog."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.comparison.common_rows import SharedTestRows
from matinee.evaluate.comparison.subjects import Subject
from matinee.evaluate.paired_lists import RankedModel
from matinee.evaluate.ranking import ListMetrics, Task, make_task, measure_orders
from matinee.evaluate.user_scores import score_after
from matinee.release.arrays import Codes, Scores
from matinee.release.idmap import IdMap
from matinee.release.liking import liked_from
from matinee.release.ranking_model import RankingModel

_MOST_USERS = 20_000  # as the gate: a difference of means is then known to about a thousandth
PerUser = NDArray[np.float64]  # one per user


@dataclass(frozen=True)
class MeasuredLists:
    """The lists of one model, measured on each user."""

    ndcg: PerUser
    recall: PerUser
    lists: Codes  # [users, 10], -1 where nothing is left

    def shared_with(self, other: "MeasuredLists") -> float:
        """The share of the movies of these lists that the other lists for the same user; 0 without lists."""
        listed = self.lists >= 0
        common = (self.lists[:, :, None] == other.lists[:, None, :]).any(axis=2) & listed
        return float(common.sum() / max(listed.sum(), 1))


def rearranged(ranked: RankedModel, rows: SharedTestRows) -> RankingModel:
    """A ranking model with one row per movie of the split; rows of movies that it does not know are 0."""
    codes = IdMap(ranked.movie_ids).encode(rows.movies["movie_id"].to_numpy())
    known = codes >= 0
    return ranked.model.rearranged(known, codes[known], movies=rows.movies.height)


def measure_lists(rows: SharedTestRows, subjects: Sequence[Subject]) -> list[MeasuredLists]:
    """nDCG@10 and recall@10 of all models, on users who liked a row that none of the models was trained on.

    Movies that a model does not know, and those of test rows that a model was trained on, are in no list. Empty if a
    model has no ranking model.
    """
    ranked = [subject.model.lists() for subject in subjects]
    if not ranked or None in ranked:
        return []
    known = [(rearranged(each, rows), each.scale) for each in cast(list[RankedModel], ranked)]
    listed = np.all([model.popularity > 0 for model, _ in known], axis=0)
    task = _task(rows, listed)
    offset: Scores = np.where(listed, np.float32(0), np.float32(-np.inf))
    found = []
    for model, scale in known:
        scores = score_after(rows.fitted, task, model, users=rows.users.height, scale=scale)
        measured = measure_orders(scores, task, [offset], mrr=False)[0]
        found.append(MeasuredLists(measured.ndcgs, _recalls(measured, task), measured.lists))
    return found


def _task(rows: SharedTestRows, listed: NDArray[np.bool_]) -> Task:
    judged, hidden = rows.judged, rows.test.take(np.flatnonzero(~rows.unseen))
    return make_task(
        rows.fitted + hidden,
        judged.take(np.flatnonzero(listed[judged.movies])),
        relevant_from=liked_from(rows.scale),
        users=rows.users.height,
        movies=rows.movies.height,
        most=_MOST_USERS,
    )


def _recalls(measured: ListMetrics, task: Task) -> PerUser:
    """Recall@10 of each user."""
    places = np.repeat(np.arange(len(task.users)), np.diff(task.relevant.starts))
    wanted = places * task.movies + task.relevant.values
    keys = np.arange(len(task.users))[:, None] * task.movies + measured.lists
    hits = (np.isin(keys, wanted) & (measured.lists >= 0)).sum(axis=1)
    recalls: PerUser = hits / np.maximum(np.diff(task.relevant.starts), 1)
    return recalls
