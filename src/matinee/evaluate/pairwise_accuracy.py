"""Pairwise accuracy: the share of a user's pairs of rated movies that a model orders correctly.

Unlike ranking over the catalog, it does not reward predicting what people choose to watch.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from matinee.evaluate.pairwise_accuracy_kernel import count_in_order
from matinee.evaluate.ranking import CodesByUser
from matinee.formats.metrics import PairOrder
from matinee.release.arrays import Codes
from matinee.store.background import map_stoppable
from matinee.store.system import available_cores

_LEVELS = 128  # finer ratings are binned into this many steps
_USERS = 1 << 14  # per call, so that a signal does not wait long


def share_in_order(
    users: Codes, ratings: NDArray[np.float32], scores: Sequence[NDArray[np.floating]]
) -> list[PairOrder]:
    """The share of pairs of one user's rows with different ratings in which the higher rated one is scored higher.

    Equal scores count half, so this is the AUC within a user. The columns have equal length; one result per element of
    `scores`.
    """
    everyone = np.arange(users.max(initial=-1) + 1, dtype=np.int32)
    rows = np.arange(len(users), dtype=np.int32)
    by_user = CodesByUser.of(users, rows, chosen=everyone, codes=len(everyone))
    levels, count = _levels(ratings)
    return [_share(by_user, levels, count, score) for score in scores]


def _share(
    by_user: CodesByUser, levels: NDArray[np.int16], count: int, score: NDArray[np.floating]
) -> PairOrder:
    right, pairs = np.zeros((2, len(by_user.starts) - 1))

    def work(chunk: slice) -> None:
        starts = by_user.starts[chunk.start : chunk.stop + 1]
        rows = by_user.values[starts[0] : starts[-1]]
        # Sorting is NumPy's: a sort within the kernel takes seconds to compile.
        rows = rows[np.lexsort((score[rows], np.repeat(np.arange(len(starts) - 1), np.diff(starts))))]
        count_in_order(starts - starts[0], levels[rows], score[rows], count, right[chunk], pairs[chunk])

    with ThreadPoolExecutor(available_cores()) as pool:
        for _ in map_stoppable(pool, work, _user_chunks(len(right))):
            pass
    there = pairs > 0
    if not there.any():
        return PairOrder(share=None, users=0, pairs=0)
    share = float((right[there] / pairs[there]).mean())
    return PairOrder(share=share, users=int(np.count_nonzero(there)), pairs=int(pairs.sum()))


def _user_chunks(users: int) -> Iterator[slice]:
    return (slice(start, min(start + _USERS, users)) for start in range(0, users, _USERS))


def _levels(ratings: NDArray[np.float32]) -> tuple[NDArray[np.int16], int]:
    values = np.unique(ratings)
    if len(values) > _LEVELS:
        steps = np.linspace(values[0], values[-1], _LEVELS + 1)[1:-1]
        return np.searchsorted(steps, ratings, side="right").astype(np.int16), _LEVELS
    return np.searchsorted(values, ratings).astype(np.int16), len(values)
