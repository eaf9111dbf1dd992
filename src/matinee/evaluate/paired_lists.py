"""The lists of a candidate and of the champion, measured on the same users: what the gate's rule `lists` goes by.

A ranking model knows a user by the sum over what the user rated, so either model can rank for any user. Both get the
same users, the same rows of them, and the same catalog: the movies that both were fitted on.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matinee.evaluate.metrics import DatedRatings, Estimate
from matinee.evaluate.ranking import Task, make_task, mean_and_error, measure_orders
from matinee.evaluate.user_scores import score_after
from matinee.release.arrays import Scores
from matinee.release.idmap import IdMap
from matinee.release.ranking_model import RankingModel

_MOST_USERS = 20_000  # a difference of means is then known to about a thousandth


@dataclass(frozen=True)
class RankedModel:
    """A ranking model with the ids of its movies and the scale of the ratings that it was fitted on."""

    model: RankingModel
    movie_ids: npt.NDArray[np.int64]
    scale: tuple[float, float]


@dataclass(frozen=True)
class PairedLists:
    """nDCG@10 of two models for the same users, one entry per user; none if the champion has no ranking model."""

    candidate: npt.NDArray[np.float64]
    champion: npt.NDArray[np.float64]
    champion_has_lists: bool = True

    @classmethod
    def without_champion_lists(cls) -> "PairedLists":
        """What there is to compare with a release of an earlier version."""
        return cls(np.zeros(0), np.zeros(0), champion_has_lists=False)

    @property
    def difference(self) -> Estimate:
        """Mean nDCG@10 of the candidate - that of the champion."""
        return Estimate(*mean_and_error(self.candidate - self.champion))


@dataclass(frozen=True)
class ListRows:
    """The rows of a comparison: what users are known by, what they liked or not later, and what is in no list.

    Args:
        seen: What both models know the users by.
        judged: Test rows that neither model was trained on.
        hidden: Other rows that one of the models was trained on: their movies stand in no list.
        users: Number of user codes.
        relevant_from: Lowest rating that counts as liked.
        most_users: Users to compare at most.
    """

    seen: DatedRatings
    judged: DatedRatings
    hidden: DatedRatings
    users: int
    relevant_from: float
    most_users: int


def pair_lists(candidate: RankedModel, champion: RankedModel, rows: ListRows) -> PairedLists:
    """Measure both models' lists on users who liked a judged movie that both models know."""
    theirs = _by_ids(champion, candidate.movie_ids)
    both = (candidate.model.popularity > 0) & (theirs.popularity > 0)
    task = _task(rows, both)
    offset: Scores = np.where(both, np.float32(0), np.float32(-np.inf))

    def measure(model: RankingModel, scale: tuple[float, float]) -> npt.NDArray[np.float64]:
        scores = score_after(rows.seen, task, model, users=rows.users, scale=scale)
        return measure_orders(scores, task, [offset], mrr=False)[0].ndcgs

    return PairedLists(measure(candidate.model, candidate.scale), measure(theirs, champion.scale))


def _task(rows: ListRows, both: npt.NDArray[np.bool_]) -> Task:
    known = np.flatnonzero(both[rows.judged.movies])
    return make_task(
        rows.seen + rows.hidden if len(rows.hidden) else rows.seen,
        rows.judged.take(known),
        relevant_from=rows.relevant_from,
        users=rows.users,
        movies=len(both),
        most=min(rows.most_users, _MOST_USERS),
    )


def _by_ids(ranked: RankedModel, movie_ids: npt.NDArray[np.int64]) -> RankingModel:
    """The same model with one row per given movie id; rows of movies that it does not know are 0."""
    codes = IdMap(ranked.movie_ids).encode(movie_ids)
    known = codes >= 0
    return ranked.model.rearranged(known, codes[known], movies=len(movie_ids))
