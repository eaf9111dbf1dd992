"""The CPU engine of the dot model: SGD row by row over conflict-free blocks, in compiled kernels.

Same bits at any number of threads, and of ranks (`matinee.train.ranks`). Blocks: Gemulla et al. (2011); the update:
Koren, Bell, Volinsky (2009), with regularization by row and column (`regularization.py`).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Counts, Doubles, Floats
from matinee.settings.training import DotModel, GradientTraining
from matinee.store.ratings import EncodedRatings
from matinee.train.blocks import Cut, KernelPool, block_rows
from matinee.train.engine import Arrays, EpochStep, step_size, to_rating_scale
from matinee.train.kernels import add_residuals, descend, predict, squared_errors
from matinee.train.prefetch import aligned_zeros
from matinee.train.problem import Problem
from matinee.train.ranks.generator import pack_state, unpack_state
from matinee.train.ranks.group import ALONE, Numbers, Ranks
from matinee.train.ranks.ring import Ring
from matinee.train.regularization import add_squares, row_regularization, shares_by_squares
from matinee.train.row_steps import row_steps

TABLES = ("user_factors", "movie_factors", "user_bias", "movie_bias")
_SPREAD = 0.05
# Biases start near their final values, so that factors need not explain them.
BIAS_ROUNDS, BIAS_SHRINK = 3, 3.0
_LANES = 16  # factors are padded with zeros to whole vector registers; zeros stay zeros
_VALID_ROWS = 1 << 16
_SUMS = 8  # per epoch: ranks add up their errors as often, because each time they wait for each other


class SgdEngine:
    """Fits mean + biases + dot product, in units of a quarter of the rating scale."""

    def __init__(
        self, problem: Problem, model: DotModel, *, training: GradientTraining, ranks: Ranks = ALONE
    ) -> None:
        self._problem, self._model, self._settings, self._ranks = problem, model, training, ranks
        self._pool = KernelPool(problem.threads)
        totals = problem.totals
        self._mean = totals.mean
        self._ring = ring = Ring(ranks, Cut.of(totals.counts))
        rows = replace(problem.rows, ratings=problem.ratings_in_units)
        self._rows = block_rows(rows, ring.cut, seed=training.seed, pool=self._pool)
        np.subtract(self._rows.rows.users, np.int32(ring.users.start), out=self._rows.rows.users)
        self._sizes = self._rows.sizes
        ranks.add_up(self._sizes)
        counts = user_rows, movie_rows = totals.counts[0][ring.users], totals.counts[1]
        self._constants = [
            _row_constants(axis, rows, constant=training.weight_decay)
            for axis, rows in (("user", user_rows), ("movie", movie_rows))
        ]
        self._factors = [self._padded(factors) for factors in self._draw_factors(*counts)]
        self._biases = [np.zeros(len(count), np.float32) for count in counts]
        self._valid = self._own_valid()
        if model.biases:
            self._start_biases(user_rows, movie_rows)

    def learning_rate(self, epoch: int) -> float:
        return step_size(self._settings, epoch)

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """One pass over all blocks, one diagonal at a time."""
        rate = np.float32(self.learning_rate(epoch))
        bias_rate = rate if self._model.biases else np.float32(0)
        weights = (*self._factors, *self._biases, self._mean)
        by_row = (*self._constants, self._column_shares())
        sums, before, first = np.zeros(len(self._sizes)), self._ranks.sent, 0
        waiting: list[EpochStep] = []
        every = 1 if self._ranks.size == 1 else self._rows.groups // _SUMS
        for shift in range(self._rows.groups):
            own = self._rows.diagonal(shift)[self._own_groups]
            self._pool.share(descend, own, *self._rows.columns, *weights, rate, bias_rate, *by_row, sums)
            self._ring.turn(shift, self._factors[1][:, : self._model.embedding_size], self._biases[1])
            if shift + 1 == first + every:
                sent = self._ranks.sent - before
                if steps := list(self._steps(range(first, shift + 1), sums, sent=sent)):
                    yield from waiting
                    waiting = steps
                first = shift + 1
        # With the last rows, the caller takes the epoch for finished: no turn of the ring may be left then.
        yield from (replace(step, sent=self._ranks.sent - before) for step in waiting)

    def _steps(self, shifts: range, sums: Doubles, *, sent: int) -> Iterator[EpochStep]:
        """What some diagonals came to, over all ranks."""
        blocks = np.stack([self._rows.diagonal(shift) for shift in shifts])
        errors = sums[blocks]  # zeros where other ranks have the rows
        self._ranks.add_up(errors)
        for diagonal, of_blocks in zip(blocks, errors, strict=True):
            if rows := int(self._sizes[diagonal].sum()):
                squared_error = float(of_blocks.sum()) * self._problem.unit**2
                yield EpochStep(rows, squared_error, sent=sent)

    def valid_rmse(self) -> float | None:
        if self._valid is None or self._problem.valid is None:
            return None
        self._ring.complete(self._factors[1][:, : self._model.embedding_size], self._biases[1])
        rows, unit = self._valid, np.float32(self._problem.unit)
        predictions = np.zeros(len(rows), np.float32)
        weights = (*self._factors, *self._biases, self._mean, unit)
        columns = rows.users, rows.movies
        self._pool.share(predict, _chunks(rows), _VALID_ROWS, *columns, *weights, predictions)
        collected = self._ranks.collect(predictions)
        return self._ranks.agree(self._rmse(collected) if collected else 0.0)

    def weights(self) -> Arrays:
        """Copies of the weights; with several ranks those of its users, and of the movies that it holds."""
        arrays = {"mean": np.array([self._mean])}
        for name, table in self.state().items():
            arrays[name] = table[:, : self._model.embedding_size] if table.ndim == 2 else table
        return to_rating_scale(arrays, unit=self._problem.unit)

    def state(self) -> Arrays:
        tables = dict(zip(TABLES, (*self._factors, *self._biases), strict=True))
        own = self._ring.movies
        return {name: table[own] if name.startswith("movie_") else table for name, table in tables.items()}

    def restore(self, state: Arrays) -> None:
        for name, table in self.state().items():
            table[...] = state[name]

    @property
    def _own_groups(self) -> slice:
        groups = self._ring.groups
        return slice(groups.start, groups.stop)

    def _own_valid(self) -> EncodedRatings | None:
        """The valid rows of this rank's users."""
        valid = self._problem.valid
        if valid is None or self._ranks.size == 1:
            return valid
        own = _within(valid.users, self._ring.users)
        return EncodedRatings(
            valid.users[own] - np.int32(self._ring.users.start), valid.movies[own], valid.ratings[own]
        )

    def _rmse(self, collected: list[Floats]) -> float:
        """The error of all valid rows in their order, from the predictions of each rank."""
        valid = self._problem.valid
        assert valid is not None  # nosec B101 # for mypy: the caller has looked
        predictions = collected[0]
        if self._ranks.size > 1:
            predictions = np.empty(len(valid), np.float32)
            for rank, theirs in enumerate(collected):
                users = self._ring.cut.users_in(self._ranks.share_of(rank, self._rows.groups))
                predictions[_within(valid.users, users)] = theirs
        chunks = _chunks(valid)
        sums = np.zeros(len(chunks))
        scale = self._problem.scale
        self._pool.share(squared_errors, chunks, _VALID_ROWS, predictions, valid.ratings, *scale, sums)
        return float(np.sqrt(sums.sum() / len(valid)))

    def _column_shares(self) -> Floats:
        """Over all ranks: each adds its rows to the sums in order, as one process adds them up."""
        size, own = self._model.embedding_size, self._ring.movies
        tables = self._factors[0][:, :size], self._factors[1][own, :size]

        def add(sums: Floats) -> Floats:
            return np.stack([add_squares(*pair) for pair in zip(sums, tables, strict=True)])

        shares = np.ones(self._factors[0].shape[1], np.float32)
        sums = self._ranks.in_order(np.zeros((2, size), np.float32), add)
        shares[:size] = shares_by_squares(*sums)
        return shares

    def _draw_factors(self, user_rows: Counts, movie_rows: Counts) -> list[Floats]:
        """Small random vectors of this rank's users and of all movies.

        The ranks draw in turn from one generator, as one process draws.
        """
        generator, size = np.random.default_rng(self._settings.seed), self._model.embedding_size
        users: list[Floats] = []

        def draw(state: Numbers) -> Numbers:
            unpack_state(generator, state)
            users.append(draw_factors(generator, user_rows, size=size))
            return pack_state(generator)

        unpack_state(generator, self._ranks.in_order(pack_state(generator), draw))
        return [*users, draw_factors(generator, movie_rows, size=size)]

    def _padded(self, factors: Floats) -> Floats:
        """The same with zeros up to whole vector registers; from a cache line on, which saves a quarter of an epoch."""
        rows, columns = factors.shape
        table = aligned_zeros(rows, columns + -columns % _LANES)
        table[:, :columns] = factors
        return table

    def _start_biases(self, user_rows: Counts, movie_rows: Counts) -> None:
        """Alternate shrunk means of residuals, movies first, as in `matinee.train.baseline`, on all threads."""
        users, movies, ratings = self._rows.columns[1:]
        user_bias, movie_bias = self._biases
        for _ in range(BIAS_ROUNDS):
            for bias, other, count, codes, others in (
                (movie_bias, user_bias, movie_rows, movies, users),
                (user_bias, movie_bias, user_rows, users, movies),
            ):
                sums = np.zeros(len(bias))
                columns = self._rows.starts, codes, others, ratings, self._mean, other
                for shift in range(self._rows.groups):
                    blocks = self._rows.diagonal(shift)[self._own_groups]
                    self._pool.share(add_residuals, blocks, *columns, sums)
                    if bias is movie_bias:
                        self._ring.turn(shift, sums)
                bias[:] = sums / (count + BIAS_SHRINK)
                if bias is movie_bias:
                    self._ring.complete(bias)


def _row_constants(axis: str, counts: Counts, *, constant: float) -> Floats:
    """The step and the regularization of each row's vector, then those of its bias, [rows, 4]."""
    columns = [
        values
        for table in ("factors", "bias")
        for values in (
            row_steps(f"{axis}_{table}", counts),
            row_regularization(f"{axis}_{table}", np.maximum(counts, 1), constant=constant),
        )
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _within(codes: npt.NDArray[np.int32], part: slice) -> npt.NDArray[np.bool_]:
    within: npt.NDArray[np.bool_] = (codes >= part.start) & (codes < part.stop)
    return within


def _chunks(rows: EncodedRatings) -> Counts:
    return np.arange(-(-len(rows) // _VALID_ROWS))


def draw_factors(draw: np.random.Generator, counts: Counts, *, size: int) -> Floats:
    """Small random vectors; a code without a training row keeps zeros, so that it adds no noise."""
    factors: Floats = draw.standard_normal((len(counts), size), np.float32)
    factors *= np.float32(_SPREAD)
    factors[counts == 0] = 0
    return factors
