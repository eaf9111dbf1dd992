"""The L2 penalty of one update of a table's row: a constant part and one that fades with the row's number of ratings.

The constant is the prior that rows with few ratings need; c / n adds up to c over the n updates of a pass.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

# What fades, as a multiple of the constant and of a row's number of ratings: how many ratings a vector or a bias must
# have before the constant part weighs more. Chosen on several data sets (docs/models.md).
USER_PRIOR, MOVIE_PRIOR, BIAS_PRIOR = 133.0, 67.0, 67.0
_SIDES = ("user_", "movie_")


def row_penalties(name: str, counts: Any, *, constant: float) -> Any:
    """The penalty of each row of a table, from its number of training rows (an array or a tensor, at least 1)."""
    if name.endswith("_bias"):
        return constant * BIAS_PRIOR / counts
    return constant * (1 + (USER_PRIOR if name.startswith(_SIDES[0]) else MOVIE_PRIOR) / counts)


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
        counts = self.user_rows if name.startswith(_SIDES[0]) else self.movie_rows
        penalty: Tensor = row_penalties(name, counts[rows].clamp(min=1), constant=self.constant)
        return penalty[:, None]
