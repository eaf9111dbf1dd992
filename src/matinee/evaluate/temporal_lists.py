"""Lists on later ratings: a ranking model fitted only on older ratings, and popularity overall and of late."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matinee.evaluate.metrics import DatedRatings
from matinee.evaluate.ranking import make_task, mean_and_error, measure_orders, measure_shared_order
from matinee.evaluate.recent import order_by_recent
from matinee.evaluate.user_scores import score_after
from matinee.formats.metrics import TemporalLists
from matinee.release.liking import liked_from
from matinee.release.ranking_model import RankingModel
from matinee.store.ratings import count_codes
from matinee.store.system import available_cores
from matinee.train.ranking.fit import fit_ranking
from matinee.train.ranking.quick import QUICK

_MOST_USERS = 20_000
# Users whose ratings are fitted, if there are more movies than half as many: the time of the fit grows with the cube
# of the smaller side, and minutes for one figure are too many.
_MOST_FITTED = 8192


@dataclass(frozen=True)
class Sizes:
    """Number of user codes and of movie codes."""

    users: int
    movies: int


def measure_temporal_lists(
    past: DatedRatings,
    later: DatedRatings,
    recent: npt.NDArray[np.int64],
    *,
    sizes: Sizes,
    scale: tuple[float, float],
    most_fitted: int = _MOST_FITTED,
) -> TemporalLists | None:
    """Fit a quick ranking model on the past, and rank for those who liked something later.

    Args:
        past: The rows to fit on.
        later: The rows to judge by.
        recent: Rows of each movie in the last 30 days of the past.
        sizes: Number of codes.
        scale: The scale of the ratings.
        most_fitted: Users whose ratings are fitted, at most, if there are more than half as many movies.

    Returns:
        The figures; None if nobody liked a later row.
    """
    task = make_task(
        past, later, relevant_from=liked_from(scale), users=sizes.users, movies=sizes.movies, most=_MOST_USERS
    )
    if not len(task.users):
        return None
    fitted, users, fitted_sizes = _draw_users(past, sizes, most_fitted)
    model = _fit(fitted, fitted_sizes, scale)

    rows = count_codes(past.movies, sizes.movies)
    met = np.where(rows > 0, np.float32(0), np.float32(-np.inf))
    score = score_after(past, task, model, users=sizes.users, scale=scale)
    ndcg, error = mean_and_error(measure_orders(score, task, [met], mrr=False)[0].ndcgs)
    popular, popular_of_late = (
        measure_shared_order(task, order, mrr=False)
        for order in (rows.astype(np.float32), order_by_recent(recent, rows))
    )
    return TemporalLists(
        users=len(task.users),
        users_fitted=users,
        users_without_rows=int(np.count_nonzero(np.diff(task.seen.starts) == 0)),
        ndcg_at_10=ndcg,
        ndcg_at_10_standard_error=error,
        popularity_ndcg_at_10=popular.ndcg,
        recent_popularity_ndcg_at_10=popular_of_late.ndcg,
    )


def _fit(rows: DatedRatings, sizes: Sizes, scale: tuple[float, float]) -> RankingModel:
    return fit_ranking(
        rows.users,
        rows.movies,
        rows.ratings,
        users=sizes.users,
        movies=sizes.movies,
        scale=scale,
        settings=QUICK,
        threads=available_cores(),
    )


def _draw_users(past: DatedRatings, sizes: Sizes, most: int) -> tuple[DatedRatings, int, Sizes]:
    """The rows to fit on, the number of users with rows, and the number of codes.

    A large dataset keeps some users, numbered from 0.
    """
    found = np.flatnonzero(count_codes(past.users, sizes.users))
    if min(len(found), 2 * sizes.movies) <= most:
        return past, len(found), sizes
    drawn = np.sort(np.random.default_rng(0).choice(found, most, replace=False))
    codes = np.full(sizes.users, -1, np.int32)
    codes[drawn] = np.arange(most, dtype=np.int32)
    rows = codes[past.users] >= 0
    return (
        DatedRatings(codes[past.users[rows]], past.movies[rows], past.ratings[rows], past.dates[rows]),
        most,
        Sizes(most, sizes.movies),
    )
