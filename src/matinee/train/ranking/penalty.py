"""Chooses the penalty of a ranking model: small fits of some users, without a tenth of their ratings, are compared.

Data sets differ in it by a factor of ten, and 2,048 users and 64 columns are enough to see that. The best penalty grows
with the number of users, so one below the usual is only tried where these are all users.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from matinee.release.arrays import Doubles
from matinee.release.liking import liked_from
from matinee.release.ranking_model import Floats, grade_codes
from matinee.release.rating_levels import to_levels
from matinee.settings.ranking import RankSettings
from matinee.splitmix64 import GOLDEN, mix
from matinee.store.ratings import EncodedRatings, row_chunks
from matinee.train.ranking.fit import RankListener, fit_ranking, usual_penalty

_USERS = 2048
_FEWEST_JUDGED = 100  # users with a held-out movie that they liked
_HELD_OUT = 0.1
_STEP = 3.0  # between two penalties; finer steps change the lists less than the choice of users does
_MOST_STEPS = 4
_ERRORS = 2.0  # standard errors by which another penalty must be better than the usual one
_TRIAL = {"rank": 64, "iterations": 3}
_TOP = 10


def with_penalty(
    settings: RankSettings,
    rows: EncodedRatings,
    *,
    users: int,
    scale: tuple[float, float],
    threads: int,
    listener: RankListener | None = None,
) -> RankSettings:
    """The settings with a penalty: the one that is set, or the best for lists of held-out ratings.

    Args:
        settings: see RankSettings.
        rows: what the model will be fitted on, no pair twice.
        users: number of user codes.
        scale: lowest and highest rating; equal where there are only plays.
        threads: CPU threads; the choice does not depend on them, nor on the order of rows.
        listener: called between pieces of work; what it raises stops the choice.

    Returns:
        The settings. The usual penalty stays unless another is better by two standard errors.
    """
    if settings.penalty is not None:
        return settings
    usual = usual_penalty(scale)
    trial = _Trial.of(rows, users=users, scale=scale)

    def measure(penalty: float) -> Doubles:
        there = settings.model_copy(update={"penalty": penalty, **_TRIAL})
        return trial.measure(there, threads=threads, listener=listener)

    factors = (_STEP,) if users > _USERS else (_STEP, 1 / _STEP)
    chosen = usual if len(trial.judged) < _FEWEST_JUDGED else _climb(measure, usual, factors)
    return settings.model_copy(update={"penalty": chosen})


def _climb(measure: Callable[[float], Doubles], usual: float, factors: Sequence[float]) -> float:
    """Multiply the usual penalty by the first factor that makes lists better, as long as it does."""
    penalty, best = usual, measure(usual)
    for factor in factors:
        for _ in range(_MOST_STEPS):
            found = measure(penalty * factor)
            gain, error = (found - best).mean(), (found - best).std() / len(best) ** 0.5
            if gain <= _ERRORS * error:
                break
            penalty, best = penalty * factor, found
        if penalty != usual:
            break
    return penalty


@dataclass(frozen=True)
class _Trial:
    """The ratings of some users, sorted by user and movie, with a tenth of them held out."""

    users: npt.NDArray[np.int32]
    movies: npt.NDArray[np.int32]
    ratings: npt.NDArray[np.float32]
    held_out: npt.NDArray[np.bool_]
    liked: npt.NDArray[np.bool_]
    scale: tuple[float, float]

    @classmethod
    def of(cls, rows: EncodedRatings, *, users: int, scale: tuple[float, float]) -> "_Trial":
        """Draw the users; their codes become 0, 1, ..."""
        draw = np.random.Generator(np.random.Philox(0)).permutation(users)[:_USERS]
        place = np.full(users, -1, np.int32)
        place[draw] = np.arange(len(draw), dtype=np.int32)
        found = [np.flatnonzero(place[rows.users[here]] >= 0) + here.start for here in row_chunks(len(rows))]
        own = np.concatenate([np.empty(0, np.intp), *found])
        own = own[np.lexsort((rows.movies[own], place[rows.users[own]]))]
        movies, ratings = rows.movies[own], rows.ratings[own]
        pair = rows.users[own].astype(np.uint64) << np.uint64(32) | movies.astype(np.uint64)
        return cls(
            place[rows.users[own]],
            movies,
            ratings,
            mix(pair + np.uint64(GOLDEN)) < np.uint64(_HELD_OUT * 2**64),
            ratings >= liked_from(scale),
            scale,
        )

    @cached_property
    def judged(self) -> npt.NDArray[np.int32]:
        """The users with a held-out movie that they liked."""
        return np.unique(self.users[self.held_out & self.liked])

    def measure(self, settings: RankSettings, *, threads: int, listener: RankListener | None) -> Doubles:
        """nDCG@10 of each judged user by a model of the other rows."""
        fitted, wanted = ~self.held_out, self.held_out & self.liked
        known, movies = np.unique(self.movies[fitted], return_inverse=True)
        model = fit_ranking(
            self.users[fitted],
            movies.astype(np.int32),
            self.ratings[fitted],
            users=int(self.users[-1]) + 1,
            movies=len(known),
            scale=self.scale,
            settings=settings,
            threads=threads,
            listener=listener,
        )
        grades = grade_codes(to_levels(self.ratings[fitted], self.scale))
        liked = np.minimum(np.searchsorted(known, self.movies[wanted]), len(known) - 1)
        liked[known[liked] != self.movies[wanted]] = -1  # nobody else rated it
        ndcgs = np.empty(len(self.judged))
        judged = np.stack([self.judged, self.judged + 1], axis=1)
        own_rows, held_rows = (np.searchsorted(self.users[rows], judged) for rows in (fitted, wanted))
        with threadpool_limits(1, "blas"):  # at two threads its sums have other bits
            for user, (own, theirs) in enumerate(zip(own_rows, held_rows, strict=True)):
                seen = movies[slice(*own)]
                scores = model.score(model.user_vector(seen, grades[slice(*own)])[None])[0]
                scores[seen] = -np.inf
                ndcgs[user] = _ndcg(scores, liked[slice(*theirs)])
        return ndcgs


def _ndcg(scores: Floats, liked: npt.NDArray[np.intp]) -> float:
    """nDCG@10 of the movies in the order of their scores."""
    first = np.argpartition(-scores, min(_TOP, len(scores)) - 1)[:_TOP]
    first = first[np.lexsort((first, -scores[first]))]
    discount = 1 / np.log2(np.arange(2, _TOP + 2))
    return float(np.isin(first, liked) @ discount[: len(first)] / discount[: len(liked)].sum())
