"""Chooses the penalty of a ranking model: small fits of some users, without a tenth of their ratings, are compared.

Data sets differ in it by a factor of ten, and quick fits of 2,048 users are enough to see that. The best penalty grows
with the number of users, so one below the usual is only tried where these are all users.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from matinee.release.arrays import Doubles
from matinee.release.liking import liked_from
from matinee.release.ranking_model import Floats, RankingModel, grade_codes
from matinee.release.rating_levels import to_levels
from matinee.settings.ranking import RankSettings
from matinee.splitmix64 import GOLDEN, mix
from matinee.store.ratings import EncodedRatings, placed_rows
from matinee.train.ranking.fit import RankListener, RankProgress, fit_ranking, usual_penalty
from matinee.train.ranking.quick import QUICK

_USERS = 2048
_FEWEST_JUDGED = 100  # users with a held-out movie that they liked
_HELD_OUT = 0.1
_STEP = 3.0  # between two penalties; finer steps change the lists less than the choice of users does
_MOST_STEPS = 4
_ERRORS = 2.0  # standard errors by which another penalty must be better than the usual one
_TRIAL_SIZE = QUICK.model_dump(include={"rank", "iterations"})
_TOP = 10
_AT_ONCE = 256  # users whose scores are held


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

    def measure(penalties: Sequence[float]) -> list[Doubles]:
        """The figures by each penalty; small fits leave cores idle, so they run at the same time."""
        there = [settings.model_copy(update={"penalty": penalty, **_TRIAL_SIZE}) for penalty in penalties]
        fit = partial(trial.measure, threads=max(1, threads // len(there)), listener=_in_turn(listener))
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(len(there)) as pool:
            return [done.result() for done in [pool.submit(copy_context().run, fit, each) for each in there]]

    factors = (_STEP,) if users > _USERS else (_STEP, 1 / _STEP)
    chosen = usual if len(trial.judged) < _FEWEST_JUDGED else _climb(measure, usual, factors)
    return settings.model_copy(update={"penalty": chosen})


def _in_turn(listener: RankListener | None) -> RankListener | None:
    """A listener for several fits at a time: it is called by one of them after the other."""
    if listener is None:
        return None
    lock = Lock()

    def report(point: RankProgress) -> None:
        with lock:
            listener(point)

    return report


def _climb(
    measure: Callable[[Sequence[float]], list[Doubles]], usual: float, factors: Sequence[float]
) -> float:
    """Multiply the usual penalty by the first factor that makes lists better, as long as it does."""
    best, *firsts = measure([usual, *(usual * factor for factor in factors)])
    for factor, first in zip(factors, firsts, strict=True):
        penalty, found = usual, first
        for step in range(_MOST_STEPS):
            if step:
                (found,) = measure([penalty * factor])
            gain, error = (found - best).mean(), (found - best).std() / len(best) ** 0.5
            if gain <= _ERRORS * error:
                break
            penalty, best = penalty * factor, found
        if penalty != usual:
            return penalty
    return usual


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
        own = placed_rows(rows.users, place)
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
        liked = np.minimum(np.searchsorted(known, self.movies[wanted]), len(known) - 1)
        liked[known[liked] != self.movies[wanted]] = len(known)  # nobody else rated it
        grades = grade_codes(to_levels(self.ratings[fitted], self.scale))
        seen = _Pairs(self.users[fitted], movies)
        vectors = model.user_vectors(seen.starts(int(self.users[-1]) + 1), movies, grades)
        with threadpool_limits(1, "blas"):  # at two threads its sums have other bits
            return _ndcgs(model, vectors, seen, _Pairs(self.users[wanted], liked))[self.judged]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of codes, sorted by user."""

    users: npt.NDArray[np.int32]
    movies: npt.NDArray[np.intp]

    def starts(self, users: int) -> npt.NDArray[np.intp]:
        """Where the pairs of each user start, with one more for the end."""
        return np.searchsorted(self.users, np.arange(users + 1))

    def of(self, first: int, last: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
        """The pairs of some users in a row, as places in a table of these users and all movies."""
        here = slice(*np.searchsorted(self.users, [first, last]))
        return self.users[here] - first, self.movies[here]


def _ndcgs(model: RankingModel, vectors: Floats, seen: _Pairs, liked: _Pairs) -> Doubles:
    """nDCG@10 of the liked movies of each user, without those already seen; 0 for a user who liked none."""
    found = np.zeros(len(vectors))
    best = np.cumsum(1 / np.log2(np.arange(2, _TOP + 2)))
    for first in range(0, len(vectors), _AT_ONCE):
        scores = model.score(vectors[first : first + _AT_ONCE])
        last = first + len(scores)
        scores[seen.of(first, last)] = -np.inf
        hits = np.zeros((len(scores), model.movies + 1), np.bool_)  # with a column for unknown movies
        hits[liked.of(first, last)] = True
        top = np.argpartition(-scores, min(_TOP, model.movies) - 1)[:, :_TOP]
        top = np.take_along_axis(top, np.lexsort((top, -np.take_along_axis(scores, top, 1)), axis=1), 1)
        gains = np.take_along_axis(hits, top, 1) @ np.diff(best[: top.shape[1]], prepend=0)
        wanted = np.bincount(liked.of(first, last)[0], minlength=len(scores))
        found[first:last] = gains / best[np.clip(wanted, 1, _TOP) - 1]
    return found
