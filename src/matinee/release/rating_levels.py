"""Ratings as bytes: where on the scale a rating is, in 240 steps.

240 is a multiple of the steps of the usual scales (1 to 5, half stars, 0 to 10), so their ratings come back exactly. A
user of the fit and a new user with the same ratings have the same levels, and so the same list.
"""

from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

STEPS: Final = 240
_CHUNK: Final = 1 << 20  # ratings at a time: a table of float64 of all of them would need much memory

Levels = NDArray[np.uint8]


def to_levels(ratings: ArrayLike, scale: tuple[float, float]) -> Levels:
    """The level of each rating, any shape: 0 for the lowest rating of the scale, 240 for the highest.

    All levels are 0 on a scale of one value, as for plays.

    >>> to_levels([1, 3.5, 5], (1, 5))
    array([  0, 150, 240], dtype=uint8)
    """
    low, high = scale
    if high <= low:
        return np.zeros(np.shape(ratings), np.uint8)
    given = np.asarray(ratings)
    found = np.empty(given.shape, np.uint8)
    ravelled, levels = given.reshape(-1), found.reshape(-1)
    for first in range(0, len(ravelled), _CHUNK):
        here = slice(first, first + _CHUNK)
        places = (ravelled[here].astype(np.float64) - low) * (STEPS / (high - low))
        levels[here] = np.clip(np.rint(places), 0, STEPS)
    return found


def to_ratings(levels: NDArray[Any], scale: tuple[float, float]) -> NDArray[np.float32]:
    """The rating of each level.

    >>> to_ratings(np.array([150], np.uint8), (1, 5))
    array([3.5], dtype=float32)
    """
    low, high = scale
    return (low + levels.astype(np.float64) * ((high - low) / STEPS)).astype(np.float32)


def by_rating(rows: Mapping[float, int]) -> dict[str, int]:
    """Row counts by the text of a rating, ascending; to two decimals, so that a continuous scale has not too many."""
    total: Counter[float] = Counter()
    for rating, count in rows.items():
        total[round(rating, 2) + 0.0] += count
    return {str(rating): total[rating] for rating in sorted(total)}


def shortest_rating(level: np.uint8, scale: tuple[float, float]) -> float:
    """The rating with the fewest decimals that has a level: what the user gave, where levels lie between ratings.

    >>> shortest_rating(to_levels([4.5], (0.5, 5))[0], (0.5, 5))
    4.5
    """
    return _shortest_ratings(scale)[level]


@lru_cache(maxsize=16)
def _shortest_ratings(scale: tuple[float, float]) -> list[float]:
    """The shortest rating of each level."""
    levels = np.arange(STEPS + 1, dtype=np.uint8)
    ratings = to_ratings(levels, scale).astype(np.float64)
    found = ratings.copy()
    for decimals in range(3, -1, -1):
        rounded = ratings.round(decimals)
        # Values outside the scale have the level of the nearest end.
        fits = (scale[0] <= rounded) & (rounded <= scale[1]) & (to_levels(rounded, scale) == levels)
        found[fits] = rounded[fits]
    shortest: list[float] = found.tolist()
    return shortest
