"""Error metrics over held-out rows, with intervals clustered by user and by movie.

The report uses them for each model and slice, the gate for the difference between two models.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.formats.metrics import Interval
from matinee.release.arrays import Codes, Doubles

_TWO_SIDED = NormalDist().inv_cdf(0.975)  # of a 95% interval


@dataclass(frozen=True)
class DatedRatings:
    """Rows of a split as columns of equal length: user and movie codes, ratings, dates (NaT if undated)."""

    users: Codes
    movies: Codes
    ratings: NDArray[np.float32]
    dates: NDArray[np.datetime64]

    @classmethod
    def undated(cls, users: ArrayLike, movies: ArrayLike, ratings: ArrayLike) -> "DatedRatings":
        """Rows without dates, which take no memory then."""
        values = np.asarray(ratings, np.float32)
        dates = np.broadcast_to(np.datetime64("NaT", "D"), len(values))
        return cls(np.asarray(users, np.int32), np.asarray(movies, np.int32), values, dates)

    def __len__(self) -> int:
        return len(self.ratings)

    def __getitem__(self, rows: slice) -> "DatedRatings":
        return DatedRatings(self.users[rows], self.movies[rows], self.ratings[rows], self.dates[rows])

    def __add__(self, others: "DatedRatings") -> "DatedRatings":
        columns = ("users", "movies", "ratings", "dates")
        return DatedRatings(
            *(np.concatenate([getattr(self, name), getattr(others, name)]) for name in columns)
        )

    def take(self, rows: NDArray[np.intp]) -> "DatedRatings":
        """Copies of some of the rows."""
        return DatedRatings(self.users[rows], self.movies[rows], self.ratings[rows], self.dates[rows])


@dataclass(frozen=True)
class Estimate:
    """A figure, its standard error and its two-sided 95% interval."""

    value: float
    standard_error: float

    @property
    def low(self) -> float:
        return self.value - _TWO_SIDED * self.standard_error

    @property
    def high(self) -> float:
        return self.value + _TWO_SIDED * self.standard_error

    def interval(self) -> Interval:
        """The estimate as metrics.json has it."""
        return Interval(value=self.value, standard_error=self.standard_error, low=self.low, high=self.high)


def clustered_error(influence: Doubles, users: Codes, movies: Codes) -> float:
    """Standard error of the mean of `influence`, clustered by user and by movie.

    var = G/(G-1) sum(user sums^2)/n^2 + H/(H-1) sum(movie sums^2)/n^2 - sum(rows^2)/n^2, centred, for G users
    and H movies (Cameron, Gelbach and Miller 2011). By chance that can be below either one-way
    term, even below zero; the larger term is then used. 0 for fewer than two rows.

    Args:
        influence: What each row adds to the estimate.
        users: The user code of each row.
        movies: The movie code of each row.

    Returns:
        The standard error.
    """
    rows = len(influence)
    if rows < 2:
        return 0.0
    centred = influence - influence.mean()
    by_user, by_movie = (_sum_of_squares(centred, codes) for codes in (users, movies))
    two_way = by_user + by_movie - float(np.square(centred).sum())
    return float(np.sqrt(max(two_way, by_user, by_movie)) / rows)


def _sum_of_squares(centred: Doubles, codes: Codes) -> float:
    sums = np.bincount(codes, centred)
    clusters = count_clusters(codes)
    return float(np.square(sums).sum()) * clusters / max(clusters - 1, 1)


def count_clusters(codes: Codes) -> int:
    """The number of distinct codes: users, or movies, that have a row."""
    return int(np.count_nonzero(np.bincount(codes)))


def rmse(errors: Doubles) -> float:
    """Root mean squared error over rows."""
    return float(np.sqrt(np.square(errors).mean()))


def mae(errors: Doubles) -> float:
    """Mean absolute error over rows."""
    return float(np.abs(errors).mean())


def rmse_influence(errors: Doubles) -> Doubles:
    """What each row adds to the RMSE, to first order: (e^2 - MSE) / (2 RMSE); its mean is 0."""
    squares = np.square(errors)
    mean = float(squares.mean())
    return np.asarray((squares - mean) / (2 * np.sqrt(mean or 1.0)))


def estimate_rmse(errors: Doubles, users: Codes, movies: Codes) -> Estimate:
    """The RMSE with its clustered standard error (delta method).

    Args:
        errors: Prediction - rating, one per row.
        users: The user code of each row.
        movies: The movie code of each row.

    Returns:
        The value and its standard error.
    """
    return Estimate(rmse(errors), clustered_error(rmse_influence(errors), users, movies))


def estimate_mae(errors: Doubles, users: Codes, movies: Codes) -> Estimate:
    """The MAE with its clustered standard error.

    Args:
        errors: Prediction - rating, one per row.
        users: The user code of each row.
        movies: The movie code of each row.

    Returns:
        The value and its standard error.
    """
    return Estimate(mae(errors), clustered_error(np.abs(errors), users, movies))


def estimate_rmse_difference(ours: Doubles, theirs: Doubles, users: Codes, movies: Codes) -> Estimate:
    """RMSE(ours) - RMSE(theirs) on the same rows, paired: the difficulty of a row cancels out.

    Args:
        ours: Errors of one model, one per row.
        theirs: Errors of the other.
        users: The user code of each row.
        movies: The movie code of each row.

    Returns:
        The difference and its standard error.
    """
    influence = rmse_influence(ours) - rmse_influence(theirs)
    return Estimate(rmse(ours) - rmse(theirs), clustered_error(influence, users, movies))


def mean_over_users(errors: Doubles, users: Codes) -> tuple[float, float]:
    """The means over users of each user's RMSE and MAE: each user has the same weight."""
    rows = np.bincount(users)
    there = rows > 0
    squares = np.bincount(users, np.square(errors))[there] / rows[there]
    absolute = np.bincount(users, np.abs(errors))[there] / rows[there]
    return float(np.sqrt(squares).mean()), float(absolute.mean())


def holm(p_values: list[float], *, level: float) -> int:
    """How many of the ascending p-values are significant together at `level` (Holm 1979)."""
    for place, p in enumerate(p_values):
        if p > level / (len(p_values) - place):
            return place
    return len(p_values)
