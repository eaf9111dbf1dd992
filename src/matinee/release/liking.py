"""Which ratings say that a movie was liked, and how popular its ratings make a movie.

`recommend` orders by a user's taste and by this; evaluate chooses the weight between them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def liked_from(scale: tuple[float, float]) -> float:
    """The lowest rating that counts as liked: 4 on a scale of 1 to 5."""
    low, high = scale
    return low + 0.75 * (high - low)


def popularity(train_rows: NDArray[Any], liked_rows: NDArray[Any]) -> NDArray[np.float32]:
    """By movie: the mean of log(1 + train rows) and log(1 + train rows that liked it).

    Each of the two orders movies worse (docs/notes.md). The sum replaces the movie's bias in the order.
    """
    mean: NDArray[np.float32] = ((np.log1p(train_rows) + np.log1p(liked_rows)) / 2).astype(np.float32)
    return mean
