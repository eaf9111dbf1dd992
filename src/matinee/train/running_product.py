"""The posterior mean of a sampler as one dot product: draws are added, and the product is truncated as it grows.

A mean of dot products is a dot product of longer vectors. Truncation keeps the best approximation of a given width: the
largest singular values of the product, computed from two small Gram matrices.
"""

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from matinee.release.arrays import Doubles, Floats
from matinee.store.ratings import zeros
from matinee.train.blocks import KernelPool

Values_contra = TypeVar("Values_contra", contravariant=True)  # how a table takes columns: arrays or tensors

_CHUNK = 8192  # rows of a product at a time
_ROOM = 128  # columns of draws between two truncations
_NEGLIGIBLE = 1e-12  # of the largest eigenvalue: a smaller one is rounding noise


class ColumnTable(Protocol[Values_contra]):
    """A table with room for a number of columns, on any device; `used` of them are filled."""

    width: int

    def put(self, start: int, values: Values_contra) -> None:
        """Write columns from a place on."""

    def gram(self, used: int) -> Doubles:
        """T'T of the used columns, in float64."""

    def turn(self, used: int, turn: Doubles) -> None:
        """Replace the used columns by their product with a narrow matrix."""

    def read(self, used: int) -> Floats:
        """The used columns."""

    def restore(self, values: Floats) -> None:
        """Write the first columns."""


class RunningProduct(Generic[Values_contra]):
    """The sum of the products of all pairs of tables added so far, as one pair of tables."""

    def __init__(
        self, left: Callable[[int], ColumnTable[Values_contra]], right: Callable[[int], ColumnTable[Values_contra]],
        *, rank: int, columns: int,
    ) -> None:  # fmt: skip
        """`left` and `right` make tables of a given width; each added product has `rank` columns."""
        self.columns, self.used, self._rank = columns, 0, rank
        width = columns + max(_ROOM, rank)
        self._left, self._right = left(width), right(width)

    @property
    def tables(self) -> tuple[Floats, Floats]:
        """The filled columns of the two tables."""
        return self._left.read(self.used), self._right.read(self.used)

    def add(self, left: Values_contra, right: Values_contra) -> None:
        """Add the product of two tables."""
        if self.used + self._rank > self._left.width:
            self.cut()
        self._left.put(self.used, left)
        self._right.put(self.used, right)
        self.used += self._rank

    def cut(self) -> None:
        """Truncate the product to its `columns` largest singular values."""
        with threadpool_limits(1, "blas"):  # the sums of two threads have other bits
            roots = [_root(table.gram(self.used)) for table in (self._left, self._right)]
            u, strength, v = np.linalg.svd(roots[0][0].T @ roots[1][0])
            kept = min(self.columns, self.used, len(strength))
            half = np.sqrt(strength[:kept])
            self._left.turn(self.used, (roots[0][1] @ u[:, :kept]) * half)
            self._right.turn(self.used, (roots[1][1] @ v[:kept].T) * half)
            self.used = kept

    def restore(self, left: Floats, right: Floats) -> None:
        """Resume from two tables."""
        self.used = left.shape[1]
        self._left.restore(left)
        self._right.restore(right)


class HostTable:
    """A table in memory, whose products the threads of a pool share."""

    def __init__(self, rows: int, width: int, *, pool: KernelPool) -> None:
        self.width, self._pool = width, pool
        self._table: Floats = zeros(rows, width, dtype=np.float32)
        self._chunks = np.arange(-(-rows // _CHUNK))

    def put(self, start: int, values: Floats) -> None:
        """Write columns from a place on."""
        self._table[:, start : start + values.shape[1]] = values

    def gram(self, used: int) -> Doubles:
        """T'T of the used columns, in float64."""
        table, chunks = self.read(used), [np.empty(0)] * len(self._chunks)

        def multiply(numbers: npt.NDArray[np.int64]) -> None:
            for number in numbers:
                chunk = table[number * _CHUNK : (number + 1) * _CHUNK].astype(np.float64)
                chunks[number] = chunk.T @ chunk

        self._pool.share(multiply, self._chunks)
        total: Doubles = np.sum(chunks, axis=0)
        return total

    def turn(self, used: int, turn: Doubles) -> None:
        """Replace the used columns by their product with a narrow matrix."""
        table, narrow = self._table, turn.astype(np.float32)

        def multiply(numbers: npt.NDArray[np.int64]) -> None:
            for number in numbers:
                chunk = table[number * _CHUNK : (number + 1) * _CHUNK]
                chunk[:, : narrow.shape[1]] = chunk[:, :used] @ narrow

        self._pool.share(multiply, self._chunks)

    def read(self, used: int) -> Floats:
        """The used columns."""
        return self._table[:, :used]

    def restore(self, values: Floats) -> None:
        """Write the first columns."""
        self.put(0, values)


def _root(gram: Doubles) -> tuple[Doubles, Doubles]:
    """R' and R^-1 with R' R = the Gram matrix, in the directions that are more than rounding."""
    values, vectors = np.linalg.eigh(gram)
    known = values > max(values[-1], 0.0) * _NEGLIGIBLE
    sizes, vectors = np.sqrt(values[known]), vectors[:, known]
    return vectors * sizes, vectors / sizes
