"""The L2 penalty of one update of a table's row: a constant part and one that fades with the row's number of ratings.

The constant is the prior that rows with few ratings need; c / n adds up to c over the n updates of a pass.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Pseudo-ratings behind each vector and each bias, chosen on several data sets (docs/models.md).
USER_PRIOR, MOVIE_PRIOR, BIAS_PRIOR = 6.0, 3.0, 3.0
_SIDES = ("user_", "movie_")


@dataclass(frozen=True)
class Penalty:
    """Penalties by table name and row; `user_rows` and `movie_rows` count the training rows of each code."""

    constant: float
    user_rows: Tensor
    movie_rows: Tensor

    def covers(self, name: str) -> bool:
        """Whether a parameter is a table of one row per code."""
        return name.startswith(_SIDES)

    def of(self, name: str, rows: Tensor) -> Tensor:
        """The penalty of some rows of a table, as a column."""
        of_user = name.startswith(_SIDES[0])
        count = torch.clamp((self.user_rows if of_user else self.movie_rows)[rows], min=1)
        prior = USER_PRIOR if of_user else MOVIE_PRIOR
        is_bias = name.endswith("_bias")
        penalty = BIAS_PRIOR / count if is_bias else self.constant + prior / count
        return penalty[:, None]
