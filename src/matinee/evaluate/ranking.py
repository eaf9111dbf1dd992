"""How well a model orders movies: the full catalogue without what a user has seen, never a sample of movies.

Beside it stands popularity, which is hard to beat here. The share of a user's own test rows put in the right
order is in `matinee.evaluate.order`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from matinee.evaluate.metrics import Codes, Rows

Scores = NDArray[np.float32]
Scorer = Callable[[Codes], Scores]  # user codes [n] -> a score a movie [n, movies]; higher is better

TOP = 10
_CELLS = 1 << 23  # scores at a time: 32 MB, whatever the number of users and movies


@dataclass(frozen=True)
class Lists:
    """A list of movie codes for each of some users, one after the other: user i has values[starts[i]:starts[i+1]]."""

    starts: NDArray[np.int64]
    values: Codes

    @classmethod
    def of(cls, users: Codes, movies: Codes, *, chosen: Codes, codes: int) -> "Lists":
        """The movies of the chosen users, in the order of `chosen`; `codes` is the number of user codes."""
        place = np.full(codes, -1, np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        rows = np.flatnonzero(place[users] >= 0)
        places = place[users[rows]]
        starts = np.concatenate([[0], np.cumsum(np.bincount(places, minlength=len(chosen)))])
        return cls(starts.astype(np.int64), movies[rows][np.argsort(places, kind="stable")])

    def part(self, start: int, stop: int) -> tuple[NDArray[np.int64], Codes]:
        """For users start..stop-1: the user's place, from 0, and the movie of each entry."""
        lengths = np.diff(self.starts[start : stop + 1])
        places = np.repeat(np.arange(stop - start), lengths)
        return places, self.values[self.starts[start] : self.starts[stop]]


@dataclass(frozen=True)
class Task:
    """Whom to rank for, what each has seen already and what they turned out to like."""

    users: Codes
    seen: Lists
    relevant: Lists  # never empty
    movies: int


@dataclass(frozen=True)
class Ranking:
    """Figures of one ordering, means over users; `coverage` is the share of movies in anyone's top 10."""

    ndcg: float
    recall: float
    mrr: float
    coverage: float
    ndcg_standard_error: float

    def to_json(self) -> dict[str, float]:
        return {
            f"ndcg_at_{TOP}": self.ndcg,
            f"recall_at_{TOP}": self.recall,
            "mrr": self.mrr,
            f"coverage_at_{TOP}": self.coverage,
            f"ndcg_at_{TOP}_standard_error": self.ndcg_standard_error,
        }


def make_task(
    seen: Rows, judged: Rows, *, relevant_from: float, users: int, movies: int, most: int, seed: int = 0
) -> Task:
    """The users with a relevant row among `judged`; a seeded draw of `most` of them when there are more.

    A row is relevant when its rating is at least `relevant_from`; `users` and `movies` count the codes.
    """
    liked = judged.ratings >= relevant_from
    chosen = np.unique(judged.users[liked]).astype(np.int32)
    if len(chosen) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
    return Task(
        users=chosen,
        seen=Lists.of(seen.users, seen.movies, chosen=chosen, codes=users),
        relevant=Lists.of(judged.users[liked], judged.movies[liked], chosen=chosen, codes=users),
        movies=movies,
    )


def rank(score: Scorer, task: Task, offsets: Sequence[Scores], *, mrr: bool = True) -> list[Ranking]:
    """Order the catalogue for each user by score + offset, once for each of the offsets [movies].

    nDCG@10 with binary gain, recall@10 over all relevant movies, the reciprocal rank of the first relevant
    movie anywhere in the catalogue, which takes nearly as long as all else and is NaN without `mrr`. Equal scores
    keep the order of the codes.
    """
    results = [_Tally(task, mrr=mrr) for _ in offsets]
    for start, stop in _parts(task):
        scores = score(task.users[start:stop])
        places, movies = task.seen.part(start, stop)
        for offset, result in zip(offsets, results, strict=True):
            shifted = scores + offset
            shifted[places, movies] = -np.inf
            result.add(shifted, start, stop)
    return [result.ranking() for result in results]


def _parts(task: Task) -> Iterator[tuple[int, int]]:
    step = max(_CELLS // max(task.movies, 1), 1)
    return ((start, min(start + step, len(task.users))) for start in range(0, len(task.users), step))


class _Tally:
    """Figures of one ordering as the users go by."""

    def __init__(self, task: Task, *, mrr: bool) -> None:
        self._task, self._mrr = task, mrr
        self._ndcg = np.zeros(len(task.users))
        self._recall = np.zeros(len(task.users))
        self._reciprocal = np.full(len(task.users), np.nan)
        self._shown = np.zeros(task.movies, np.bool_)

    def add(self, scores: Scores, start: int, stop: int) -> None:
        """Take in the users start..stop-1, whose scores are given, -inf where a movie is out of question."""
        places, movies = self._task.relevant.part(start, stop)
        wanted = np.zeros(scores.shape, np.bool_)
        wanted[places, movies] = True
        users, positions, shown = top(scores, TOP)
        hits = wanted[users, shown]
        gains = np.bincount(users, hits / np.log2(positions + 2), minlength=stop - start)
        relevant = np.count_nonzero(wanted, axis=1)
        self._ndcg[start:stop] = gains / _IDEAL[np.minimum(relevant, TOP)]
        self._recall[start:stop] = np.bincount(users, hits, minlength=stop - start) / relevant
        if self._mrr:
            self._reciprocal[start:stop] = 1 / (1 + _first_rank(scores, wanted))
        self._shown[shown] = True

    def ranking(self) -> Ranking:
        users = max(len(self._ndcg), 1)
        return Ranking(
            ndcg=float(self._ndcg.sum() / users),
            recall=float(self._recall.sum() / users),
            mrr=float(self._reciprocal.sum() / users),
            coverage=float(self._shown.mean()),
            ndcg_standard_error=float(self._ndcg.std() / np.sqrt(users)),
        )


# The best DCG that n relevant movies allow, n from 0 to TOP.
_IDEAL = np.concatenate([[1.0], np.cumsum(1 / np.log2(np.arange(TOP) + 2))])


def top(scores: Scores, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The best `size` columns of each row, fewer where the rest is -inf: row, position from 0, column."""
    size = min(size, scores.shape[1])
    # torch's selection took 0.5 s where numpy's took 28 s, on 17,770 movies that are mostly tied.
    limit = torch.topk(torch.from_numpy(scores), size, dim=1, sorted=True).values[:, -1].numpy()
    rows, columns = np.nonzero((scores >= limit[:, None]) & (scores > -np.inf))
    order = np.lexsort((columns, -scores[rows, columns], rows))
    rows, columns = rows[order], columns[order]
    first = np.searchsorted(rows, np.arange(len(scores)))
    positions = np.arange(len(rows)) - first[rows]
    kept = positions < size
    return rows[kept], positions[kept], columns[kept]


def _first_rank(scores: Scores, wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The rank, from 0, of the best wanted column of each row."""
    rows = np.arange(len(scores))
    best = np.where(wanted, scores, -np.inf).argmax(axis=1)
    score = scores[rows, best][:, None]
    ahead = np.count_nonzero(scores > score, axis=1)
    ties = np.count_nonzero((scores == score) & (np.arange(scores.shape[1]) < best[:, None]), axis=1)
    return np.asarray(ahead + ties)
