"""The ranking section of a report: how well the lists of the ranking model find what users turned out to like.

Next to them are lists by expected rating, which lose to plain popularity because what people watch decides what they
rate, and lists by popularity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.metrics import DatedRatings, count_clusters
from matinee.evaluate.pairwise_accuracy import share_in_order
from matinee.evaluate.ranking import (
    TOP,
    ListMetrics,
    Scorer,
    Task,
    make_task,
    measure_orders,
    measure_shared_order,
)
from matinee.evaluate.recent import order_by_recent
from matinee.evaluate.shown_movies import describe_lists
from matinee.evaluate.user_scores import score_after
from matinee.formats.metrics import PairOrders, Ranking, RankingFigures
from matinee.release import scoring as forward
from matinee.release.arrays import Doubles, Scores
from matinee.release.liking import liked_from, popularity
from matinee.release.ranking_model import RankingModel
from matinee.store.ratings import count_codes, row_chunks

# Rating points per unit of popularity on a scale of 1 to 5, for users without a rating. The best one was between .8 and
# 1.4 on each data set that was tried (docs/notes.md).
POPULARITY_WEIGHT = 1.0
_LONGER = (20, 100)  # other lengths of lists than TOP
_PAIRS = 200_000_000  # that a model without factors may score: about half a minute on two cores

SAYS = (
    "Test rows are movies that people chose to watch and rate; an unrated movie may be just as good. Ranking metrics "
    "therefore show how well liked movies are found among all others, which popularity does well too. They cannot show "
    "how much people would like movies that they would not have found themselves. Compare them with popularity, not "
    "with other data sets, splits or sampled rankings."
)


PLAYS_SAY = (
    "Test rows are movies that people chose to play; an unplayed movie may be just as good. These figures therefore "
    "show how well plays are found among all movies, which popularity does well too. They cannot show how much people "
    "would like movies that they would not have found themselves. Compare them with popularity, not with other data "
    "sets, splits or sampled rankings."
)


@dataclass(frozen=True)
class NamedWeights:
    """The tables of a model that predicts ratings, and its name."""

    weights: Mapping[str, NDArray[Any]]
    name: str


@dataclass(frozen=True)
class Catalog:
    """The movies that a model ranks; `train_rows` and `liked_rows`, by movie code, count the rows of its fit."""

    rating_model: NamedWeights | None  # None where there are plays alone
    train_rows: NDArray[np.int64]
    liked_rows: NDArray[np.int64]
    users: int
    scale: tuple[float, float]

    @classmethod
    def of(
        cls,
        fitted: DatedRatings,
        *,
        rating_model: NamedWeights | None,
        sizes: tuple[int, int],
        scale: tuple[float, float],
    ) -> Self:
        """The catalog of models that were fitted on some rows, with the numbers of users and movies."""
        users, movies = sizes
        liked = np.zeros(movies, np.int64)
        for chunk in row_chunks(len(fitted)):
            likes = fitted.ratings[chunk] >= liked_from(scale)
            liked += np.bincount(fitted.movies[chunk][likes], minlength=movies)
        rows = count_codes(fitted.movies, movies)
        return cls(rating_model, train_rows=rows, liked_rows=liked, users=users, scale=scale)

    @property
    def relevant_from(self) -> float:
        """The lowest rating that counts as liked."""
        return liked_from(self.scale)

    @property
    def popularity(self) -> Scores:
        """The popularity of each movie, which `recommend` weights."""
        return popularity(self.train_rows, self.liked_rows)

    def most_users(self, wanted: int) -> int:
        """The number of users to rank for: `wanted`, or fewer if the model is slow."""
        if self.rating_model is None or _has_factors(self.rating_model.weights):
            return wanted
        return min(wanted, max(_PAIRS // max(len(self.train_rows), 1), 1))


def measure_ranking(
    catalog: Catalog,
    model: RankingModel,
    seen: DatedRatings,
    test: DatedRatings,
    *,
    users: int,
    recent: NDArray[np.int64] | None = None,
) -> Ranking:
    """Measure lists over the catalog: by the ranking model, by expected rating, and by popularity, also of late.

    Args:
        catalog: The movies, and the rating model.
        model: The ranking model.
        seen: Rows that the lists leave out.
        test: Rows that the lists are compared with.
        users: Maximum number of users; fewer where the rating model takes long.
        recent: Rows of each movie in the last 30 days; None without dates.

    Returns:
        The figures of each way to order the lists.
    """
    task = make_task(
        seen,
        test,
        relevant_from=catalog.relevant_from,
        users=catalog.users,
        movies=len(catalog.train_rows),
        most=catalog.most_users(users),
    )
    lists = _Lists(catalog, model, task)
    liked = test.ratings >= catalog.relevant_from
    rated = catalog.rating_model
    return Ranking(
        says=SAYS if rated else PLAYS_SAY,
        relevant_from=catalog.relevant_from,
        top=TOP,
        catalogue=len(catalog.train_rows),
        users=len(task.users),
        users_with_relevant_rows=count_clusters(test.users[liked]),
        popularity_weight=POPULARITY_WEIGHT * (catalog.scale[1] - catalog.scale[0]) / 4,
        recommend=lists.by_preference(seen),
        expected_rating=lists.by_rating(rated) if rated else None,
        popularity=lists.by_offset(catalog.train_rows.astype(np.float32)),
        recent_popularity=None
        if recent is None
        else lists.by_offset(order_by_recent(recent, catalog.train_rows)),
    )


@dataclass(frozen=True)
class _Lists:
    """Figures of lists for the users of a task, by what the lists are ordered by."""

    catalog: Catalog
    model: RankingModel
    task: Task

    def by_preference(self, seen: DatedRatings) -> RankingFigures:
        rows, users = self.catalog.train_rows, self.catalog.users
        trained = np.where(rows > 0, np.float32(0), np.float32(-np.inf))
        score = score_after(seen, self.task, self.model, users=users, scale=self.catalog.scale)
        return self._measure(score, trained)

    def by_rating(self, rated: NamedWeights) -> RankingFigures:
        return self._measure(_scorer(rated, movies=self.task.movies), forward.movie_level(rated.weights))

    def by_offset(self, offset: Scores) -> RankingFigures:
        """Of lists that are the same for all users."""
        return self._describe(measure_shared_order(self.task, offset, deeper=_LONGER))

    def _measure(self, score: Scorer, offset: Scores) -> RankingFigures:
        (found,) = measure_orders(score, self.task, [offset], deeper=_LONGER)
        return self._describe(found)

    def _describe(self, found: ListMetrics) -> RankingFigures:
        # What a liked movie adds to a user: its cosines follow co-liking (docs/notes.md), those of `decode` do not.
        vectors = self.model.encode_rated + self.model.encode_liked
        shown = describe_lists(found.lists, train_rows=self.catalog.train_rows, vectors=vectors)
        return found.figures().model_copy(update={"shown": shown})


def measure_order(catalog: Catalog, test: DatedRatings, candidate: Doubles, bias_only: Doubles) -> PairOrders:
    """The share of a user's test pairs in the right order, for the model, bias-only and popularity."""
    by_count = catalog.train_rows[test.movies].astype(np.float64)
    scores = [test.ratings + candidate, test.ratings + bias_only, by_count]
    ours, theirs, popular = share_in_order(test.users, test.ratings, scores)
    return PairOrders(candidate=ours, bias_only=theirs, popularity=popular)


def _has_factors(weights: Mapping[str, NDArray[Any]]) -> bool:
    return "user_factors" in weights


def _scorer(rated: NamedWeights, *, movies: int) -> Scorer:
    """Expected ratings without the movies' level; a user's mean and bias move all movies alike and are left out."""
    weights = rated.weights
    if _has_factors(weights):
        factors = weights["movie_factors"].T.astype(np.float32)
        return lambda users: weights["user_factors"][users].astype(np.float32) @ factors
    level = forward.movie_level(weights)
    codes = np.arange(movies, dtype=np.int32)
    return lambda users: forward.grid(weights, users, codes, model=rated.name) - level
