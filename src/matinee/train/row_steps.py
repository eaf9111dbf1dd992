"""The steps of SGD by row of a table: rows with many ratings take smaller ones.

A row takes one step per rating in each epoch, so a popular movie would chase its last ratings, while a rare one hardly
moves. The step size that suits both falls with the square root of the number of ratings, as AdaGrad's does (Duchi et
al., 2011); by counts instead of gradients, it is known before the fit.
"""

from typing import Any, Final

import numpy as np

# Numbers of ratings from which steps fall: those of movies, and those of the biases of users. The vectors of users keep
# the whole step, because users have few ratings. Chosen on several data sets (docs/notes.md).
_MOVIE_RATINGS, _USER_RATINGS = 300.0, 30.0
_FALLING: Final = {
    "movie_factors": _MOVIE_RATINGS,
    "movie_bias": _MOVIE_RATINGS,
    "user_bias": _USER_RATINGS,
}


def row_steps(name: str, counts: Any) -> Any:
    """The step size of each row of a table, as a share of the learning rate.

    Args:
        name: The table's parameter name, as `user_factors`.
        counts: The number of training rows of each row; an array or a tensor of floats.

    Returns:
        One share per row, at most 1, of the same type as `counts`.
    """
    return (1 + counts / _FALLING.get(name, np.inf)) ** -0.5
