"""The normal equations of the ridge, (X'X + D) W = R, solved in three ways on the CPU, or by torch on a GPU.

X is [users, 2 movies], so its Gram matrix has twice as many rows as there are movies. Where that fits into memory it is
factored; with few users the smaller matrix X D^-1 X' is (Woodbury); else conjugate gradients multiply by X alone.
"""

from typing import Protocol

import numpy as np

from matinee.release.arrays import Counts
from matinee.release.ranking_model import GRADE_STEP, Floats
from matinee.store.ratings import zeros
from matinee.train.ranking.gradients import descend
from matinee.train.ranking.kernels import movie_products, user_products
from matinee.train.ranking.method import Method, choose_method
from matinee.train.ranking.rows import GradedRows, PackedCells
from matinee.train.ranking.tiles import TILE, Factor, Report

_CHUNK = 8192  # movies of a sum at a time
# A movie is multiplied as a dense column if more than this share of the users rated it: a cell takes a hundredth of the
# time of a pair of ratings.
_DENSE_SHARE, _FEWEST = 1 / 8, 64  # a movie with fewer ratings is not worth the call
_DENSE_CELLS = 1 << 25  # 128 MB
_STRIPE = 128  # users that one thread multiplies at a time


class Normal(Protocol):
    """X'X and (X'X + D)^-1 for features [2, movies, columns]."""

    def solve(self, right: Floats, *, rough: bool = False) -> Floats:
        """(X'X + D)^-1 R; `rough` where two digits are enough."""

    def gram(self, values: Floats) -> Floats:
        """X'X V."""


def make_normal(
    rows: GradedRows, ridge: Floats, *, memory: int, device: str | None, report: Report
) -> Normal:
    """The cheapest way to solve the equations.

    Args:
        rows: The ratings.
        ridge: The diagonal D, [2, movies].
        memory: Maximum bytes of a factored matrix.
        device: A device of torch; None: compiled kernels on the CPU.
        report: Called with the progress.

    Raises:
        DeviceMemoryError: The GPU has too little free memory.
    """
    method = method_for(
        users=rows.users, movies=rows.movies, ratings=len(rows.by_user.others), memory=memory, device=device
    )
    if device is not None:
        from matinee.train.ranking.on_device import OnDevice  # noqa: PLC0415 - torch takes seconds to import

        return OnDevice(rows, ridge, device=device, factors=method == "movies", report=report)
    if method == "users":
        return UserSide(rows, ridge, report)
    if method == "movies" and (cells := rows.by_user.packed()):
        return MovieSide(rows, ridge, cells, report)
    return ConjugateGradients(rows, ridge, report)


def method_for(*, users: int, movies: int, ratings: int, memory: int, device: str | None) -> Method:
    """How `make_normal` solves the equations of so many users, movies with ratings, and ratings."""
    gpu = None
    if device is not None:
        from matinee.train.ranking.on_device import memory_of  # noqa: PLC0415 - torch takes seconds to import

        gpu = memory_of(device)
    return choose_method(users=users, movies=movies, ratings=ratings, memory=memory, gpu=gpu)


class MovieSide:
    """D^-1/2 (X'X + D) D^-1/2, factored: scaled, since popular movies have a thousand times the entries of others."""

    def __init__(self, rows: GradedRows, ridge: Floats, cells: PackedCells, report: Report) -> None:
        self._rows, self._block = rows, TILE // 2
        self._roots = np.ascontiguousarray(1 / np.sqrt(ridge))
        blocks = -(-rows.movies // self._block)
        panels = []
        for number in range(blocks):
            panels.append(self._panel(number, cells))
            report("products", number + 1, blocks)
        self._factor = Factor(panels, rows.pool, report)

    def solve(self, right: Floats, *, rough: bool = False) -> Floats:
        """(X'X + D)^-1 R."""
        return self._lay_back(self._factor.solve(self._lay_out(right)))

    def gram(self, values: Floats) -> Floats:
        """X'X V, from the factor: quicker than going through the ratings."""
        found = self._factor.multiply(self._lay_out(values, inverse=True))
        found = self._lay_back(found, inverse=True)
        found -= values / np.square(self._roots)[..., None]
        return found

    def _panel(self, number: int, cells: PackedCells) -> Floats:
        block, rows = self._block, self._rows
        panel = zeros(TILE, (number + 1) * TILE, dtype=np.float32)
        first, last = number * block, min((number + 1) * block, rows.movies)
        rows.pool.share(
            movie_products, np.arange(first, last), first, block, last,
            *rows.by_movie.columns, rows.by_user.starts, *cells, GRADE_STEP * cells.unit, self._roots, panel,
        )  # fmt: skip
        diagonal = np.arange(TILE)
        panel[diagonal, number * TILE + diagonal] += 1
        return panel

    def _lay_out(self, values: Floats, *, inverse: bool = False) -> Floats:
        """Features in the order of the panels, scaled: a block of movies has its rated rows, then its grades."""
        blocks, columns = -(-self._rows.movies // self._block), values.shape[2]
        laid = np.zeros((blocks, 2, self._block, columns), np.float32)
        scale = 1 / self._roots if inverse else self._roots
        for feature in range(2):
            flat = np.zeros((blocks * self._block, columns), np.float32)
            np.multiply(values[feature], scale[feature][:, None], out=flat[: self._rows.movies])
            laid[:, feature] = flat.reshape(blocks, self._block, columns)
        return laid.reshape(-1, columns)

    def _lay_back(self, laid: Floats, *, inverse: bool = False) -> Floats:
        movies, columns = self._rows.movies, laid.shape[1]
        blocks = laid.reshape(-1, 2, self._block, columns)
        scale = 1 / self._roots if inverse else self._roots
        features = [
            blocks[:, feature].reshape(-1, columns)[:movies] * scale[feature][:, None] for feature in range(2)
        ]
        return np.stack(features)


class UserSide:
    """I + X D^-1 X', factored; (X'X + D)^-1 = D^-1 - D^-1 X' (I + X D^-1 X')^-1 X D^-1."""

    def __init__(self, rows: GradedRows, ridge: Floats, report: Report) -> None:
        self._rows = rows
        self._inverse: Floats = np.ascontiguousarray(1 / ridge)
        blocks = -(-rows.users // TILE)
        popular = _Popular(rows, self._inverse)
        panels = []
        for number in range(blocks):
            panels.append(self._panel(number, popular))
            report("products", number + 1, blocks)
        del popular
        self._factor = Factor(panels, rows.pool, report)

    def solve(self, right: Floats, *, rough: bool = False) -> Floats:
        """(X'X + D)^-1 R."""
        scaled: Floats = right * self._inverse[..., None]
        by_user = np.zeros((-(-self._rows.users // TILE) * TILE, right.shape[2]), np.float32)
        by_user[: self._rows.users] = self._rows.times(scaled)
        back = self._rows.back(self._factor.solve(by_user)[: self._rows.users])
        back *= self._inverse[..., None]
        scaled -= back
        return scaled

    def gram(self, values: Floats) -> Floats:
        """X'X V."""
        return self._rows.back(self._rows.times(values))

    def _panel(self, number: int, popular: "_Popular") -> Floats:
        rows, first = self._rows, number * TILE
        panel = zeros(TILE, first + TILE, dtype=np.float32)
        last = min(first + TILE, rows.users)
        popular.multiply(first, last, panel)
        rows.pool.share(
            user_products, np.arange(first, last), first, last,
            *rows.by_user.columns, *rows.by_movie.columns, GRADE_STEP, self._inverse, popular.mask, panel,
        )  # fmt: skip
        diagonal = np.arange(TILE)
        panel[diagonal, first + diagonal] += 1
        return panel


class _Popular:
    """X D^-1/2 of the most rated movies as a dense table: a product is quicker than a loop over pairs of ratings."""

    def __init__(self, rows: GradedRows, inverse: Floats) -> None:
        counts = np.diff(rows.by_movie.starts)
        most = _DENSE_CELLS // max(2 * rows.users, 1)
        chosen = np.argsort(-counts, kind="stable")[:most]
        chosen = chosen[counts[chosen] > max(_DENSE_SHARE * rows.users, _FEWEST)]
        self.mask = np.zeros(rows.movies, np.bool_)
        self.mask[chosen] = True
        self._pool = rows.pool
        self._table: Floats = np.zeros((rows.users, 2 * len(chosen)), np.float32)
        roots = np.sqrt(inverse)
        for place, movie in enumerate(chosen):
            here = slice(rows.by_movie.starts[movie], rows.by_movie.starts[movie + 1])
            users, grades = rows.by_movie.others[here], rows.by_movie.codes[here] * GRADE_STEP
            np.add.at(self._table[:, 2 * place], users, roots[0, movie])
            np.add.at(self._table[:, 2 * place + 1], users, roots[1, movie] * grades)

    def multiply(self, first: int, last: int, panel: Floats) -> None:
        """Write the products of users from `first` on with all users before `last` to the panel."""

        def work(starts: Counts) -> None:
            for start in starts:
                some = slice(start, min(start + _STRIPE, last))
                panel[some.start - first : some.stop - first, :last] = (
                    self._table[some] @ self._table[:last].T
                )

        if self._table.size:
            self._pool.share(work, np.arange(first, last, _STRIPE))


class ConjugateGradients:
    """Products with X alone."""

    def __init__(self, rows: GradedRows, ridge: Floats, report: Report) -> None:
        self._rows, self._ridge, self._report = rows, ridge, report
        self._diagonal: Floats = (rows.squares + ridge).astype(np.float32)

    def gram(self, values: Floats) -> Floats:
        """X'X V."""
        return self._rows.back(self._rows.times(values))

    def solve(self, right: Floats, *, rough: bool = False) -> Floats:
        """(X'X + D)^-1 R; overwrites R."""
        return descend(
            np,
            right,
            gram=self.gram,
            dots=self._dots,
            ridge=self._ridge[..., None],
            diagonal=self._diagonal[..., None],
            rough=rough,
            report=self._report,
        )

    def _dots(self, left: Floats, right: Floats) -> Floats:
        """Scalar products of columns, summed in float64 chunk by chunk."""
        starts = np.arange(0, self._rows.movies, _CHUNK)
        sums = np.zeros((len(starts), left.shape[2]))

        def work(numbers: Counts) -> None:
            for number in numbers:
                here = slice(starts[number], starts[number] + _CHUNK)
                sums[number] = (left[:, here] * right[:, here]).sum(axis=(0, 1), dtype=np.float64)

        self._rows.pool.share(work, np.arange(len(starts)))
        total: Floats = sums.sum(axis=0)
        return total
