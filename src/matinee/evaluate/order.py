"""The share of a user's rated pairs that a model puts in the right order: ranking among movies that were rated.

Unlike ranking over the catalogue it does not reward knowing what people choose to watch.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.metrics import Codes

_LEVELS = 128  # finer ratings than this are put into as many steps


@dataclass(frozen=True)
class PairOrder:
    """The mean over users of the share of pairs in the right order; null when no user has two unlike ratings."""

    share: float | None
    users: int
    pairs: int


def share_in_order(users: Codes, ratings: NDArray[np.float32], scores: NDArray[np.floating]) -> PairOrder:
    """Over all pairs of one user's rows with different ratings: is the higher rated one scored higher?

    Equal scores count half (so it is the AUC within a user). The three columns are of one length.
    """
    if not len(users):
        return PairOrder(None, 0, 0)
    order = np.lexsort((scores, users))
    users, scores = users[order], scores[order]
    levels, count = _levels(ratings[order])
    user_start, user_stop = _runs(users[1:] != users[:-1])
    tie_start, tie_stop = _runs((users[1:] != users[:-1]) | (scores[1:] != scores[:-1]))
    right, pairs = np.zeros(len(users)), np.zeros(len(users))
    for level in range(1, count):
        rows = np.flatnonzero(levels == level)
        lower = np.concatenate([[0], np.cumsum(levels < level)])
        below = lower[tie_start[rows]] - lower[user_start[rows]]
        right[rows] = below + (lower[tie_stop[rows]] - lower[tie_start[rows]]) / 2
        pairs[rows] = lower[user_stop[rows]] - lower[user_start[rows]]
    right, pairs = (np.add.reduceat(column, np.unique(user_start)) for column in (right, pairs))
    there = pairs > 0
    if not there.any():
        return PairOrder(None, 0, 0)
    share = float((right[there] / pairs[there]).mean())
    return PairOrder(share, int(np.count_nonzero(there)), int(pairs.sum()))


def _levels(ratings: NDArray[np.float32]) -> tuple[NDArray[np.int16], int]:
    values = np.unique(ratings)
    if len(values) > _LEVELS:
        steps = np.linspace(values[0], values[-1], _LEVELS + 1)[1:-1]
        return np.searchsorted(steps, ratings, side="right").astype(np.int16), _LEVELS
    return np.searchsorted(values, ratings).astype(np.int16), len(values)


def _runs(changes: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each row, where its run starts and where the next one starts; `changes` is between neighbours."""
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    lengths = np.diff(np.concatenate([starts, [len(changes) + 1]]))
    start = np.repeat(starts, lengths)
    return start, start + np.repeat(lengths, lengths)
