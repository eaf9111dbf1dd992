"""A positive definite matrix as the lower block triangle of its rows, and its Cholesky factor in the same memory.

Products of blocks run on the threads of a pool, each under one BLAS thread and in an order of its own: the same
bits at any number of threads, and a stop waits for one block.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from matinee.release.ranking_model import Floats
from matinee.train.blocks import KernelPool

TILE = 512  # rows of a panel
_COLUMNS = 36  # right-hand sides that one thread solves at a time: as many threads as possible, none idle
_DEPTH = 8192  # of one product: a tenth of a second
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
        for number, panel in enumerate(self._panels):
            start = number * TILE

            def forward(
                columns: slice, number: int = number, panel: Floats = panel, start: int = start
            ) -> None:
                part = right[start : start + TILE, columns]
                if start:
                    part -= panel[:, :start] @ right[:start, columns]
                part[...] = self._inverses[number] @ part

            self._by_columns(right, forward)
            self._report("solve", number + 1, 2 * len(self._panels))
        for number in reversed(range(len(self._panels))):
            start, panel = number * TILE, self._panels[number]

            def backward(
                columns: slice, number: int = number, panel: Floats = panel, start: int = start
            ) -> None:
                part = right[start : start + TILE, columns]
                part[...] = self._inverses[number].T @ part
                if start:
                    right[:start, columns] -= panel[:, :start].T @ part

            self._by_columns(right, backward)
            self._report("solve", 2 * len(self._panels) - number, 2 * len(self._panels))
        return right

    def multiply(self, values: Floats) -> Floats:
        """A V = L (L' V)."""
        middle, out = np.zeros_like(values), np.empty_like(values)
        for number, panel in enumerate(self._panels):
            start, width = number * TILE, panel.shape[1]

            def down(columns: slice, panel: Floats = panel, start: int = start, width: int = width) -> None:
                middle[:width, columns] += panel.T @ values[start : start + TILE, columns]

            self._by_columns(values, down)
            self._report("multiply", number + 1, 2 * len(self._panels))
        for number, panel in enumerate(self._panels):
            start, width = number * TILE, panel.shape[1]

            def up(columns: slice, panel: Floats = panel, start: int = start, width: int = width) -> None:
                out[start : start + TILE, columns] = panel @ middle[:width, columns]

            self._by_columns(values, up)
            self._report("multiply", len(self._panels) + number + 1, 2 * len(self._panels))
        return out

    def _eliminate(self, number: int) -> None:
        start, pivot = number * TILE, self._panels[number]

        def reduce(row: int) -> None:
            panel = self._panels[row]
            tile = panel[:, start : start + TILE]
            for first in range(0, start, _DEPTH):
                depth = slice(first, min(first + _DEPTH, start))
                tile -= panel[:, depth] @ pivot[:, depth].T

        def finish(row: int) -> None:
            reduce(row)
            tile = self._panels[row][:, start : start + TILE]
            tile[...] = tile @ self._inverses[number].T

        reduce(number)
        lower = np.linalg.cholesky(pivot[:, start:].astype(np.float64))
        pivot[:, start:] = lower
        self._inverses.append(np.linalg.inv(lower).astype(np.float32))
        later = np.arange(number + 1, len(self._panels))
        self._share(later, finish)

    def _by_columns(self, table: Floats, work: Callable[[slice], object]) -> None:
        starts = np.arange(0, table.shape[1], _COLUMNS)
        self._share(starts, lambda first: work(slice(first, first + _COLUMNS)))

    def _share(self, parts: npt.NDArray[np.int64], work: Callable[[int], object]) -> None:
        def run(numbers: npt.NDArray[np.int64]) -> None:
            for number in numbers:
                work(int(number))

        self._pool.share(run, parts)
