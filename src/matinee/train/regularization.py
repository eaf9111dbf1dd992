"""The L2 regularization of one update: its strength by row of a table, and a discount for strong columns.

Regularization at every update has two effects. It is the prior that rows with few ratings need, and it keeps columns
that would fit only noise at zero. The more ratings a row has, the less it needs the second effect.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from matinee.release.arrays import Floats
from matinee.store.ratings import row_chunks

if TYPE_CHECKING:
    from torch import Tensor

# Multiples of the constant strength, added as n^(-1/2) and as 1 / n for a row with n ratings. Noise alone would grow
# columns by n^(-1/2); c / n adds up to c over the n updates of an epoch. Chosen on several data sets (docs/models.md).
NOISE_SHARE = 20.0
USER_PRIOR, MOVIE_PRIOR, BIAS_PRIOR = 160.0, 80.0, 120.0
_PREFIXES = ("user_", "movie_")


def row_regularization(name: str, counts: Any, *, constant: float) -> Any:
    """The regularization strength of each row of a table.

    Args:
        name: The table's parameter name, as `user_factors`.
        counts: The number of training rows of each row, at least 1; an array or a tensor.
        constant: The strength that rows with very many ratings approach (`train.weight_decay`).

    Returns:
        One strength per row, of the same type as `counts`.
    """
    if name.endswith("_bias"):
        return constant * BIAS_PRIOR / counts
    prior = USER_PRIOR if name.startswith(_PREFIXES[0]) else MOVIE_PRIOR
    return constant * (1 + NOISE_SHARE / counts**0.5 + prior / counts)


def column_shares(left: Any, right: Any) -> Any:
    """The share of the row strength that applies to each column of two factor tables, at most 1.

    L2 regularization shrinks strong columns as much as noise. The size of a column is the geometric mean of its norms
    in the two tables. A column above the mean size gets the square root of mean size / size. Takes arrays or tensors.
    """
    return shares_by_squares((left**2).sum(0), (right**2).sum(0))


def shares_by_squares(left: Any, right: Any) -> Any:
    """The shares of `column_shares`, from the sums of the squares of each column."""
    size = (left * right) ** 0.25
    return (size.mean() / size.clip(min=1e-12)).clip(max=1.0) ** 0.5


def add_squares(sums: Floats, table: Floats) -> Floats:
    """Add the squares of a table's columns to their sums row by row, so that a table may come in pieces.

    Of a table with one column, numpy adds up the rows in another order; its share is 1 whatever the sum.
    """
    for chunk in row_chunks(len(table)):
        sums = np.concatenate([sums[None], table[chunk] ** 2]).sum(0)
    return sums


@dataclass(frozen=True)
class Regularization:
    """Strengths by table name and row; `user_rows` and `movie_rows` count the training rows of each code."""

    constant: float
    user_rows: "Tensor"
    movie_rows: "Tensor"

    def covers(self, name: str) -> bool:
        """Whether a parameter is a table with one row per code."""
        return name.startswith(_PREFIXES)

    def of(self, name: str, rows: "Tensor") -> "Tensor":
        """The strengths of some rows of a table, as a column."""
        counts = self.user_rows if name.startswith(_PREFIXES[0]) else self.movie_rows
        strength: Tensor = row_regularization(name, counts[rows].clamp(min=1), constant=self.constant)
        return strength[:, None]
