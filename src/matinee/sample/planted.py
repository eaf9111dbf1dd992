"""The planted structure of a sample: activity of users, popularity of movies, tastes and noise.

A rating is global mean + user bias + movie bias + taste . taste + noise, rounded and cut to 1..5, and a pair
is more likely to be rated the better it fits. The constants reproduce the statistics of the Netflix Prize data.
"""

import math
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from matinee.sample.kernels import Law, PlantedMovies, PlantedUsers

LAST_USER_ID = 2_649_429  # of Netflix, whose 480,189 ids are spread out below it
FIRST_DATE, LAST_DATE = date(1999, 11, 11), date(2005, 12, 31)
DAYS = (LAST_DATE - FIRST_DATE).days + 1

RANK = 6
MEAN = 3.53  # selection by fit raises it to about 3.6 among the observed ratings
NOISE = 0.87
USER_SPREAD, MOVIE_SPREAD = 0.45, 0.50
TASTE_SPREAD = 0.56
TASTE_DECAY = 0.85  # from one dimension to the next: some tastes matter more
PULL = 2.0  # odds of a pair grow by exp(PULL * fit)
ACTIVITY_SPREAD, POPULARITY_SPREAD = 1.25, 2.1
QUALITY_OF_POPULAR = 0.5  # correlation of a movie's bias with its log popularity
FEWEST_RATINGS = 5  # of a user, if there are enough ratings

_NETFLIX_RATINGS, _NETFLIX_USERS, _NETFLIX_MOVIES = 100_480_507, 480_189, 17_770


@dataclass(frozen=True)
class Planted:
    """The ground truth of a sample; small compared with its ratings."""

    seed: int
    user_ids: NDArray[np.int32]
    users: PlantedUsers
    movies: PlantedMovies
    law: Law


def default_users(ratings: int) -> int:
    """As many users as make 209 ratings each, the mean of Netflix; fewer ratings each in very small samples."""
    ratings_per_user: float = min(_NETFLIX_RATINGS / _NETFLIX_USERS, 2 * ratings**0.4)
    return max(1, round(ratings / ratings_per_user))


def default_movies(ratings: int) -> int:
    """Netflix's 17,770 at its size, about 1,600 at that of MovieLens 100k."""
    share: float = (ratings / _NETFLIX_RATINGS) ** 0.35
    return round(_NETFLIX_MOVIES * share)


def plant(*, ratings: int, users: int, movies: int, seed: int) -> Planted:
    """Draw the ground truth; `users` <= `ratings` <= `users` * `movies` must hold."""
    rng = np.random.default_rng(seed)
    last_id = max(LAST_USER_ID, round(users * LAST_USER_ID / _NETFLIX_USERS))
    scale = _taste_scale()
    # The square root, because members join ever faster; each has at least one day.
    since = (DAYS - 1) * np.sqrt(rng.random(users))
    return Planted(
        seed=seed,
        user_ids=(rng.choice(last_id, users, replace=False) + 1).astype(np.int32),
        users=PlantedUsers(
            ratings=rng.permutation(_activity(ratings, users=users, movies=movies)),
            score=MEAN + USER_SPREAD * rng.standard_normal(users),
            taste=(scale * rng.standard_normal((users, RANK))).astype(np.float32),
            since=since.astype(np.int16),
        ),
        movies=_plant_movies(rng, movies=movies, scale=scale),
        law=Law(pull=PULL, noise=NOISE, days=DAYS),
    )


def day_texts() -> list[str]:
    """The dates of a sample by day."""
    return [str(FIRST_DATE + timedelta(days=day)) for day in range(DAYS)]


def _taste_scale() -> NDArray[np.float64]:
    """Spread of each taste dimension of users and of movies, such that their dot product has TASTE_SPREAD."""
    variances = TASTE_DECAY ** np.arange(RANK, dtype=np.float64)
    scale: NDArray[np.float64] = np.sqrt(TASTE_SPREAD * variances / np.sqrt(np.sum(variances**2)))
    return scale


def _plant_movies(rng: np.random.Generator, *, movies: int, scale: NDArray[np.float64]) -> PlantedMovies:
    popularity = rng.permutation(_normal_quantiles(movies))
    own = rng.standard_normal(movies)
    quality = QUALITY_OF_POPULAR * popularity + math.sqrt(1 - QUALITY_OF_POPULAR**2) * own
    weight = np.exp(POPULARITY_SPREAD * popularity / np.sqrt(1 + (popularity / 3) ** 2))
    alias, alias_cut = _alias_table(weight)
    return PlantedMovies(
        bias=MOVIE_SPREAD * (quality - np.average(quality, weights=weight)),
        taste=(scale * rng.standard_normal((movies, RANK))).astype(np.float32),
        weight=weight,
        alias=alias,
        alias_cut=alias_cut,
    )


def _normal_quantiles(size: int) -> NDArray[np.float64]:
    """Quantiles of a normal distribution: its shape does not depend on the seed."""
    quantile = NormalDist().inv_cdf
    return np.array([quantile((i + 0.5) / size) for i in range(size)])


def _activity(ratings: int, *, users: int, movies: int) -> NDArray[np.int64]:
    """Ratings of each user, ascending: log-normal, saturating at the number of movies, `ratings` in all."""
    weight = np.exp(ACTIVITY_SPREAD * _normal_quantiles(users))
    fewest = min(FEWEST_RATINGS, ratings // users)

    def counts(pace: float) -> NDArray[np.float64]:
        return fewest + (movies - fewest) * -np.expm1(-pace * weight)

    low, high = 0.0, 1.0
    while counts(high).sum() < ratings and high < 1e12:
        high *= 2
    for _ in range(100):
        pace = (low + high) / 2
        low, high = (low, pace) if counts(pace).sum() > ratings else (pace, high)
    whole = np.floor(counts(low)).astype(np.int64)
    while (
        missing := ratings - int(whole.sum())
    ) > 0:  # rounding; once, except where nearly every pair is there
        whole[np.flatnonzero(whole < movies)[:missing]] += 1
    return whole


def _alias_table(weight: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Walker's alias table in Vose's way (1991): draws in proportion to `weight` in constant time."""
    share = (weight * (len(weight) / weight.sum())).tolist()
    alias = list(range(len(share)))
    cut = [1.0] * len(share)
    small = [i for i, value in enumerate(share) if value < 1]
    large = [i for i, value in enumerate(share) if value >= 1]
    while small and large:
        poor, rich = small.pop(), large[-1]
        alias[poor], cut[poor] = rich, share[poor]
        share[rich] -= 1 - share[poor]
        if share[rich] < 1:
            small.append(large.pop())
    return np.array(alias, np.int32), np.array(cut)
