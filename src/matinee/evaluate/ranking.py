"""Ranking metrics over the full catalog without movies that the user has seen; movies are never sampled.

Popularity is the baseline, and hard to beat here. `matinee.evaluate.pairwise_accuracy` measures the order of a
user's own test rows.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking_kernel import count_ahead, count_places, fill_places, follow_order
from matinee.formats.metrics import RankingFigures
from matinee.recommend.kernel import keep_best
from matinee.release.arrays import Codes, Scores
from matinee.store import progress
from matinee.store.background import map_stoppable
from matinee.store.system import available_cores

Scorer = Callable[[Codes], Scores]  # user codes [n] -> scores of all movies [n, movies]; higher is better

TOP = 10
_CELLS, _MOST_CELLS = 1 << 21, 1 << 28  # scores at a time: 8 MB per thread if possible, 1 GB in all threads
_FEWEST_USERS = 32  # with fewer, most of the time goes to reading the movies' vectors


@dataclass(frozen=True)
class CodesByUser:
    """A list of movie codes for each of some users, in the order of the rows.

    User i has values[starts[i]:starts[i+1]].
    """

    starts: NDArray[np.int64]
    values: Codes

    @classmethod
    def of(cls, users: Codes, movies: Codes, *, chosen: Codes, codes: int) -> "CodesByUser":
        """The movies of the chosen users, in the order of `chosen`; `codes` is the number of user codes."""
        place = np.full(codes, -1, np.int32)
        place[chosen] = np.arange(len(chosen), dtype=np.int32)
        counts = np.zeros(len(chosen), np.int64)
        # On another thread: what a signal raises on the main one is lost in the compiler's callbacks.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(count_places, users, place, counts).result()
            starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            values = np.empty(starts[-1], np.int32)
            pool.submit(fill_places, users, place, movies, starts[:-1].copy(), values).result()
        return cls(starts, values)

    def chunk(self, start: int, stop: int) -> tuple[NDArray[np.int64], Codes]:
        """For users start..stop-1: the user's place, from 0, and the movie of each entry."""
        lengths = np.diff(self.starts[start : stop + 1])
        places = np.repeat(np.arange(stop - start), lengths)
        return places, self.values[self.starts[start] : self.starts[stop]]


@dataclass(frozen=True)
class Task:
    """The users to rank for, the movies that each has seen, and the test movies that each liked."""

    users: Codes
    seen: CodesByUser
    relevant: CodesByUser  # never empty
    movies: int


@dataclass(frozen=True, eq=False)
class ListMetrics:
    """Metrics of one ordering, as means over users; `coverage` is the share of movies in any user's top 10."""

    ndcgs: NDArray[np.float64]  # of each user
    recall: float
    mrr: float
    coverage: float
    lists: Codes  # the first TOP of each user, [users, TOP]; -1 where nothing is left
    deeper: Mapping[int, tuple[float, float]]  # nDCG and recall by length of the lists

    @property
    def ndcg(self) -> float:
        """The mean over users."""
        return mean_and_error(self.ndcgs)[0]

    def figures(self) -> RankingFigures:
        """The figures as metrics.json has them, whose names say how long the lists are."""
        ndcg, error = mean_and_error(self.ndcgs)
        found = RankingFigures(
            ndcg_at_10=ndcg,
            recall_at_10=self.recall,
            mrr=self.mrr,
            coverage_at_10=self.coverage,
            ndcg_at_10_standard_error=error,
        )
        deeper = {
            f"{name}_at_{length}": figure
            for length, both in self.deeper.items()
            for name, figure in zip(("ndcg", "recall"), both, strict=True)
        }
        return found.model_copy(update=deeper)


def mean_and_error(of_users: NDArray[np.float64]) -> tuple[float, float]:
    """A mean over users and its standard error; 0 and 0 for none."""
    users = max(len(of_users), 1)
    spread = float(of_users.std()) if len(of_users) else 0.0
    return float(of_users.sum() / users), spread / users**0.5


def make_task(
    seen: DatedRatings,
    judged: DatedRatings,
    *,
    relevant_from: float,
    users: int,
    movies: int,
    most: int,
    seed: int = 0,
) -> Task:
    """The users with a relevant row among `judged`; a seeded sample of `most` of them if there are more.

    Args:
        seen: Rows that the lists leave out.
        judged: Rows that the lists are compared with.
        relevant_from: The lowest rating that counts as relevant.
        users: Number of user codes.
        movies: Number of movie codes.
        most: Maximum number of users.
        seed: Random seed of the sample.

    Returns:
        The users, with the seen and the relevant movies of each.
    """
    liked = judged.ratings >= relevant_from
    chosen = np.unique(judged.users[liked]).astype(np.int32)
    if len(chosen) > most:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, most, replace=False))
    return Task(
        users=chosen,
        seen=CodesByUser.of(seen.users, seen.movies, chosen=chosen, codes=users),
        relevant=CodesByUser.of(judged.users[liked], judged.movies[liked], chosen=chosen, codes=users),
        movies=movies,
    )


def measure_orders(
    score: Scorer, task: Task, offsets: Sequence[Scores], *, mrr: bool = True, deeper: Sequence[int] = ()
) -> list[ListMetrics]:
    """Order the catalog of each user by score + offset, and measure the lists. Equal scores keep the order of codes.

    Args:
        score: The scores of some users, [users, movies]. It is called from several threads.
        task: The users, and the movies that are left out or relevant.
        offsets: One array [movies] per measurement.
        mrr: Whether to compute the reciprocal rank of the first relevant movie; without it, it is NaN.
        deeper: Lengths of longer lists whose nDCG and recall are computed too.

    Returns:
        The figures of each user, once per offset: nDCG@10 with binary gain and recall@10 over all relevant movies.
    """
    results = [_UserSums(task, deeper) for _ in offsets]

    def work(chunk: tuple[int, int]) -> None:
        block = _Block.of(task, *chunk)
        scores = score(task.users[slice(*chunk)])
        scores[block.seen] = -np.inf
        for offset, result in zip(offsets, results, strict=True):
            shown = top(scores, offset, size=result.length)
            ahead = np.empty(len(scores), np.int64)
            if mrr:
                count_ahead(scores, offset, block.starts, block.liked, ahead)
            result.add(block, shown, ahead if mrr else None)

    _by_chunks(work, task)
    return [result.ranking() for result in results]


def measure_shared_order(
    task: Task, scores: Scores, *, mrr: bool = True, deeper: Sequence[int] = ()
) -> ListMetrics:
    """The figures of `measure_orders` for one score per movie, [movies], that is the same for all users."""
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > -np.inf]
    place = np.full(task.movies, -1, np.int64)
    place[order] = np.arange(len(order))
    result = _UserSums(task, deeper)
    seen, liked = task.seen, task.relevant

    def work(chunk: tuple[int, int]) -> None:
        users = np.arange(*chunk)
        shown, ahead = np.full((len(users), result.length), -1, np.int32), np.empty(len(users), np.int64)
        follow_order(users, order, place, seen.starts, seen.values, liked.starts, liked.values, shown, ahead)
        result.add(_Block.of(task, *chunk), shown, ahead if mrr else None)

    _by_chunks(work, task)
    return result.ranking()


def _by_chunks(work: Callable[[tuple[int, int]], None], task: Task) -> None:
    step = max(_CELLS // max(task.movies, 1), _FEWEST_USERS)
    threads = max(min(available_cores(), _MOST_CELLS // (step * max(task.movies, 1))), 1)
    chunks = [(start, min(start + step, len(task.users))) for start in range(0, len(task.users), step)]
    progress.begin("ranking lists", total=len(task.users), unit="users")
    # The products of a block are small: one thread per block is faster than all threads on one block.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for _ in map_stoppable(pool, work, chunks):
            progress.advance(step)


@dataclass(frozen=True)
class _Block:
    """Consecutive users, the movies that they have seen, and the movies that they liked."""

    users: slice
    seen: tuple[NDArray[np.int64], Codes]  # user's place and movie
    starts: NDArray[np.int64]
    liked: Codes  # user i of the block has liked[starts[i]:starts[i+1]]
    pairs: NDArray[np.int64]  # the same as user * movies + movie, each once, in order
    movies: int

    @classmethod
    def of(cls, task: Task, start: int, stop: int) -> "_Block":
        relevant = task.relevant.starts[start : stop + 1]
        places, liked = task.relevant.chunk(start, stop)
        seen, pairs = task.seen.chunk(start, stop), np.unique(places * task.movies + liked)
        return cls(slice(start, stop), seen, relevant - relevant[0], liked, pairs, task.movies)

    def count_liked(self) -> NDArray[np.int64]:
        """The number of movies that each user liked."""
        return np.bincount(self.pairs // self.movies, minlength=len(self.starts) - 1)

    def find_liked(self, shown: Codes) -> NDArray[np.bool_]:
        """Whether the user liked a movie of the user's list, [users, length]; -1 is no movie."""
        asked = np.arange(len(shown))[:, None] * self.movies + shown
        places = np.minimum(np.searchsorted(self.pairs, asked), len(self.pairs) - 1)
        found: NDArray[np.bool_] = (self.pairs[places] == asked) & (shown >= 0)
        return found


class _UserSums:
    """Metrics of one ordering per user; blocks may come from several threads."""

    def __init__(self, task: Task, deeper: Sequence[int]) -> None:
        self._lengths = (TOP, *deeper)
        self._ndcg, self._recall = np.zeros((2, len(self._lengths), len(task.users)))
        self._reciprocal = np.full(len(task.users), np.nan)
        self._lists = np.full((len(task.users), TOP), -1, np.int32)
        self._movies = task.movies

    @property
    def length(self) -> int:
        """The number of movies that a list needs."""
        return max(self._lengths)

    def add(self, block: _Block, shown: Codes, ahead: NDArray[np.int64] | None) -> None:
        """Add the lists of the users of a block [users, length], and the movies before the first liked one."""
        hits, relevant = block.find_liked(shown), block.count_liked()
        for place, length in enumerate(self._lengths):
            first, discount = hits[:, :length], _discount(length)
            best = np.concatenate([[1.0], np.cumsum(discount)])  # by number of relevant movies
            self._ndcg[place, block.users] = first @ discount / best[np.minimum(relevant, length)]
            self._recall[place, block.users] = np.count_nonzero(first, axis=1) / relevant
        self._lists[block.users] = shown[:, :TOP]
        if ahead is not None:
            self._reciprocal[block.users] = np.where(ahead < 0, 0, 1 / np.maximum(ahead + 1, 1))

    def ranking(self) -> ListMetrics:
        users = max(len(self._lists), 1)
        ndcgs, recalls = (figures.sum(axis=1) / users for figures in (self._ndcg, self._recall))
        shown = np.zeros(self._movies, np.bool_)
        shown[self._lists[self._lists >= 0]] = True
        return ListMetrics(
            ndcgs=self._ndcg[0],
            recall=float(recalls[0]),
            mrr=float(self._reciprocal.sum() / users),
            coverage=float(shown.mean()),
            lists=self._lists,
            deeper={
                length: (float(ndcgs[place]), float(recalls[place]))
                for place, length in enumerate(self._lengths)
                if place
            },
        )


def _discount(length: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 1 / np.log2(np.arange(length) + 2)
    return found


def top(scores: Scores, offset: Scores, *, size: int) -> Codes:
    """The best `size` columns of each row by score + offset, [rows, size]; -1 where only -inf is left."""
    best = np.full((len(scores), size), -np.inf, np.float32)
    codes = np.full((len(scores), size), -1, np.int32)
    none = np.zeros(len(scores), np.int64)  # seen movies are -inf already
    keep_best(scores, offset, 0, np.zeros(0, np.int32), none, none, best, codes)
    return codes
