"""Which movies lists show: how popular, how much of the long tail, how alike within one list."""

import numpy as np
import numpy.typing as npt

from matinee.formats.metrics import ShownMovies
from matinee.release.arrays import Codes

_DECILES = 10
_USERS = 1 << 12  # at a time: their movies' vectors are gathered


def describe_lists(
    lists: Codes, *, train_rows: npt.NDArray[np.int64], vectors: npt.NDArray[np.float32]
) -> ShownMovies:
    """Describe lists of movie codes.

    Args:
        lists: Codes [users, length]; -1 where a list has ended.
        train_rows: Train rows of each movie.
        vectors: A vector per movie [movies, k]; the cosine between two says how alike they are.

    Returns:
        The figures; zeros if all lists are empty.
    """
    entries = lists[lists >= 0]
    places = np.empty(len(train_rows), np.int64)
    places[np.argsort(-train_rows, kind="stable")] = np.arange(len(train_rows))
    deciles = places[entries] * _DECILES // max(len(train_rows), 1)
    count = max(len(entries), 1)
    return ShownMovies(
        mean_train_rows=float(train_rows[entries].sum() / count),
        share_by_decile=(np.bincount(deciles, minlength=_DECILES) / count).tolist(),
        similarity=_similarity(lists, vectors),
    )


def _similarity(lists: Codes, vectors: npt.NDArray[np.float32]) -> float:
    """Mean over lists of the mean cosine of two entries; the sum over pairs is (|sum|^2 - sum of squares) / 2."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    # One row of zeros more, for the ends of lists.
    unit = np.concatenate(
        [vectors / np.where(lengths > 0, lengths, 1), np.zeros((1, vectors.shape[1]), np.float32)]
    )
    squares = np.square(unit).sum(axis=1)
    total, measured = 0.0, 0
    for start in range(0, len(lists), _USERS):
        here = lists[start : start + _USERS]
        sizes = np.count_nonzero(here >= 0, axis=1)
        pairs = (np.square(unit[here].sum(axis=1)).sum(axis=1) - squares[here].sum(axis=1)) / 2
        enough = sizes > 1
        total += float((pairs[enough] * 2 / (sizes[enough] * (sizes[enough] - 1))).sum())
        measured += int(np.count_nonzero(enough))
    return total / max(measured, 1)
