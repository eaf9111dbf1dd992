"""The posterior mean of a sampler as one dot product: every kept draw folded in, cut to few columns as it runs.

A mean of dot products is a dot product of longer vectors. Cutting: the best approximation of that width, from the
singular values of the product, by way of the two small Gram matrices.
"""

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from matinee.train.blocks import Crew
from matinee.train.rows import blank

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

_CHUNK = 8192  # rows of a product at a time
_ROOM = 128  # columns of draws between two cuts
_NEGLIGIBLE = 1e-12  # of the largest eigenvalue: a direction that is nothing but rounding


class RunningProduct:
    """The sum of the products of all pairs of tables added so far, as one pair of tables."""

    def __init__(self, *, users: int, movies: int, rank: int, columns: int, crew: Crew) -> None:
        self.columns, self.used = columns, 0
        self._crew = crew
        width = columns + max(_ROOM, rank)
        self._left, self._right = (blank(rows, width, dtype=np.float32) for rows in (users, movies))

    @property
    def tables(self) -> tuple[Floats, Floats]:
        """The two tables, as wide as they are now."""
        return self._left[:, : self.used], self._right[:, : self.used]

    def add(self, left: Floats, right: Floats) -> None:
        """Add the product of two tables."""
        rank = left.shape[1]
        if self.used + rank > self._left.shape[1]:
            self.cut()
        here = slice(self.used, self.used + rank)
        self._left[:, here], self._right[:, here] = left, right
        self.used += rank

    def cut(self) -> None:
        """Keep the directions that matter most to the product, `columns` of them at most."""
        with threadpool_limits(1, "blas"):  # at two threads its sums have other bits
            left, right = self.tables
            roots = [_root(self._gram(table)) for table in (left, right)]
            u, strength, v = np.linalg.svd(roots[0][0].T @ roots[1][0])
            kept = min(self.columns, self.used, len(strength))
            half = np.sqrt(strength[:kept])
            self._turn(self._left, (roots[0][1] @ u[:, :kept]) * half)
            self._turn(self._right, (roots[1][1] @ v[:kept].T) * half)
            self.used = kept

    def restore(self, left: Floats, right: Floats) -> None:
        """Go on from two tables."""
        self.used = left.shape[1]
        self._left[:, : self.used], self._right[:, : self.used] = left, right

    def _gram(self, table: Floats) -> Doubles:
        parts: list[Doubles] = [np.empty(0)] * -(-len(table) // _CHUNK)

        def multiply(numbers: npt.NDArray[np.int64]) -> None:
            for number in numbers:
                chunk = table[number * _CHUNK : (number + 1) * _CHUNK].astype(np.float64)
                parts[number] = chunk.T @ chunk

        self._crew.share(multiply, np.arange(len(parts)))
        total: Doubles = np.sum(parts, axis=0)
        return total

    def _turn(self, table: Floats, turn: Doubles) -> None:
        narrow = turn.astype(np.float32)

        def multiply(numbers: npt.NDArray[np.int64]) -> None:
            for number in numbers:
                chunk = table[number * _CHUNK : (number + 1) * _CHUNK]
                chunk[:, : narrow.shape[1]] = chunk[:, : len(narrow)] @ narrow

        self._crew.share(multiply, np.arange(-(-len(table) // _CHUNK)))


def _root(gram: Doubles) -> tuple[Doubles, Doubles]:
    """R' and R^-1 with R' R = the Gram matrix, in the directions that are more than rounding."""
    values, vectors = np.linalg.eigh(gram)
    known = values > max(values[-1], 0.0) * _NEGLIGIBLE
    sizes, vectors = np.sqrt(values[known]), vectors[:, known]
    return vectors * sizes, vectors / sizes
