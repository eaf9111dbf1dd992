"""The L2 penalty of one update: what it is by row of a table, and how much of it the stronger columns are spared.

A penalty at every update does two things: it is the prior that rows with few ratings need, and it keeps columns
that would fit nothing but noise at zero. The second needs ever less of it the more ratings a row has.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

# What fades with a row's number of ratings n, as n^(-1/2) and as 1 / n, in multiples of the constant part. Noise alone
# would grow columns by n^(-1/2); c / n adds up to c over the n updates of a pass. Chosen on several data sets
# (docs/models.md).
NOISE_SHARE = 20.0
USER_PRIOR, MOVIE_PRIOR, BIAS_PRIOR = 160.0, 80.0, 120.0
_SIDES = ("user_", "movie_")


def row_penalties(name: str, counts: Any, *, constant: float) -> Any:
    """The penalty of each row of a table, from its number of training rows (an array or a tensor, at least 1)."""
    if name.endswith("_bias"):
        return constant * BIAS_PRIOR / counts
    prior = USER_PRIOR if name.startswith(_SIDES[0]) else MOVIE_PRIOR
    return constant * (1 + NOISE_SHARE / counts**0.5 + prior / counts)


def column_shares(left: Any, right: Any) -> Any:
    """The share of its penalty that each column of a product's two tables pays, at most 1 (arrays or tensors).

    A squared penalty shrinks what is strong as much as what is noise. The size of a column is the geometric mean of
    its two norms; one of more than the mean size pays the root of mean size / size.
    """
    size = ((left**2).sum(0) * (right**2).sum(0)) ** 0.25
    return (size.mean() / size.clip(min=1e-12)).clip(max=1.0) ** 0.5


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
