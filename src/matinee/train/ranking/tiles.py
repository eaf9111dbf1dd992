"""A positive definite matrix as the lower block triangle of its rows, and its Cholesky factor in the same memory.

Products of blocks run on the threads of a pool, each under one BLAS thread and in an order of its own: the same
bits at any number of threads, and a stop waits for two of them.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Doubles
from matinee.release.ranking_model import Floats
from matinee.train.blocks import KernelPool

TILE = 512  # rows of a panel
_STRIPE = 128  # rows of a panel that one thread reduces at a time
_STRIPES = TILE // _STRIPE
_COLUMNS = 256  # of a product with the whole matrix that one thread makes at a time
_SMALL = 32  # rows of a triangle that is inverted row by row
_DEPTH = 8192  # of one product: some hundredths of a second
Report = Callable[[str, int, int], None]  # what is done, how much of it, of how much


def triangle_bytes(size: int) -> int:
    """Memory of the lower block triangle of a matrix."""
    blocks = -(-size // TILE)
    return 4 * TILE * TILE * blocks * (blocks + 1) // 2


class Factor:
    """L with L L' = A, from the panels of A: panel i holds rows from i * TILE on, up to and with the diagonal block."""

    def __init__(self, panels: list[Floats], pool: KernelPool, report: Report) -> None:
        """Factor A in place. Raises LinAlgError when it is not positive definite."""
        self._panels, self._pool, self._report = panels, pool, report
        self._inverses: list[Floats] = []
        for number in range(len(panels)):
            self._eliminate(number)
            report("factor", number + 1, len(panels))

    def solve(self, right: Floats) -> Floats:
        """A^-1 R, in the memory of R, [panels * TILE, columns]."""
        size = len(self._panels)
        for number in range(size):
            found = right[_tile(number)] = self._inverses[number] @ right[_tile(number)]

            def forward(row: int, number: int = number, found: Floats = found) -> None:
                right[_tile(row)] -= self._panels[row][:, _tile(number)] @ found

            self._share(np.arange(number + 1, size), forward)
            self._report("solve", number + 1, 2 * size)
        for number in reversed(range(size)):
            panel = self._panels[number]
            found = right[_tile(number)] = self._inverses[number].T @ right[_tile(number)]

            def backward(column: int, panel: Floats = panel, found: Floats = found) -> None:
                right[_tile(column)] -= panel[:, _tile(column)].T @ found

            self._share(np.arange(number), backward)
            self._report("solve", 2 * size - number, 2 * size)
        return right

    def multiply(self, values: Floats) -> Floats:
        """A V = L (L' V)."""
        middle, out, size = np.zeros_like(values), np.empty_like(values), len(self._panels)
        chunks = -(-values.shape[1] // _COLUMNS)

        def down(number: int) -> None:
            tile, columns = _tile(number // chunks), _chunk(number % chunks)
            for row in range(number // chunks, size):
                middle[tile, columns] += self._panels[row][:, tile].T @ values[_tile(row), columns]

        def up(number: int) -> None:
            tile, columns = _tile(number // chunks), _chunk(number % chunks)
            panel = self._panels[number // chunks]
            out[tile, columns] = panel @ middle[: panel.shape[1], columns]

        for step, work in enumerate((down, up), 1):
            self._share(np.arange(size * chunks), work)
            self._report("multiply", step, 2)
        return out

    def _eliminate(self, number: int) -> None:
        start, pivot = number * TILE, self._panels[number]

        def reduce(stripe: int) -> Floats:
            panel, line = self._panels[stripe // _STRIPES], stripe % _STRIPES * _STRIPE
            rows = panel[line : line + _STRIPE]
            tile = rows[:, start : start + TILE]
            for first in range(0, start, _DEPTH):
                depth = slice(first, min(first + _DEPTH, start))
                tile -= rows[:, depth] @ pivot[:, depth].T
            return tile

        def finish(stripe: int) -> None:
            tile = reduce(stripe)
            tile[...] = tile @ self._inverses[number].T

        self._share(np.arange(number * _STRIPES, (number + 1) * _STRIPES), reduce)
        lower = np.linalg.cholesky(pivot[:, start:].astype(np.float64))
        pivot[:, start:] = lower
        self._inverses.append(_invert_lower(lower).astype(np.float32))
        self._share(np.arange((number + 1) * _STRIPES, len(self._panels) * _STRIPES), finish)

    def _share(self, parts: npt.NDArray[np.int64], work: Callable[[int], object]) -> None:
        def run(numbers: npt.NDArray[np.int64]) -> None:
            for number in numbers:
                work(int(number))

        self._pool.share(run, parts)


def _tile(number: int) -> slice:
    return slice(number * TILE, (number + 1) * TILE)


def _chunk(number: int) -> slice:
    return slice(number * _COLUMNS, (number + 1) * _COLUMNS)


def _invert_lower(lower: Doubles) -> Doubles:
    """The inverse of a lower triangle, by halves: LAPACK's solver of equations takes six times as long."""
    size = len(lower)
    inverse = np.zeros_like(lower)
    if size <= _SMALL:
        for row in range(size):
            inverse[row, :row] = lower[row, :row] @ inverse[:row, :row] / -lower[row, row]
            inverse[row, row] = 1 / lower[row, row]
        return inverse
    half = size // 2
    first, second = _invert_lower(lower[:half, :half]), _invert_lower(lower[half:, half:])
    inverse[:half, :half], inverse[half:, half:] = first, second
    inverse[half:, :half] = -second @ (lower[half:, :half] @ first)
    return inverse
