"""The CPU engine of the dot model: SGD row by row over conflict-free blocks, in compiled kernels.

Same bits at any number of threads. Blocks: Gemulla et al. (2011); the update: Koren, Bell, Volinsky (2009), with
regularization by row and column (`regularization.py`).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from matinee.release.arrays import Counts, Floats
from matinee.settings.training import DotModel, GradientTraining
from matinee.train.blocks import KernelPool, block_rows
from matinee.train.engine import Arrays, EpochStep, step_size, to_rating_scale
from matinee.train.kernels import add_residuals, descend, squared_errors
from matinee.train.problem import Problem
from matinee.train.regularization import column_shares, row_regularization

TABLES = ("user_factors", "movie_factors", "user_bias", "movie_bias")
_SPREAD = 0.05
# Biases start near their final values, so that factors need not explain them.
BIAS_ROUNDS, BIAS_SHRINK = 3, 3.0
_LANES = 16  # factors are padded with zeros to whole vector registers; zeros stay zeros
_VALID_ROWS = 1 << 16


class SgdEngine:
    """Fits mean + biases + dot product, in units of a quarter of the rating scale."""

    def __init__(self, problem: Problem, model: DotModel, *, training: GradientTraining) -> None:
        self._problem, self._model, self._settings = problem, model, training
        self._pool = KernelPool(problem.threads)
        rows = replace(problem.rows, ratings=problem.ratings_in_units)
        self._mean = np.float32(np.mean(rows.ratings, dtype=np.float64))
        self._rows = block_rows(
            rows, users=problem.users, movies=problem.movies, seed=self._settings.seed, pool=self._pool
        )
        counts = user_rows, movie_rows = self._rows.counts
        constant = self._settings.weight_decay
        self._row_regularization = [
            row_regularization(name, np.maximum(count, 1), constant=constant).astype(np.float32)
            for name, count in zip(TABLES, counts * 2, strict=True)
        ]
        draw = np.random.default_rng(self._settings.seed)
        self._factors = [
            self._padded(draw_factors(draw, count, size=model.embedding_size)) for count in counts
        ]
        self._biases = [np.zeros(problem.users, np.float32), np.zeros(problem.movies, np.float32)]
        if model.biases:
            self._start_biases(user_rows, movie_rows)

    def learning_rate(self, epoch: int) -> float:
        return step_size(self._settings, epoch)

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """One pass over all blocks, one diagonal at a time."""
        rate = np.float32(self.learning_rate(epoch))
        bias_rate = rate if self._model.biases else np.float32(0)
        weights = (*self._factors, *self._biases, self._mean)
        regularization = (*self._row_regularization, self._column_shares())
        sums = np.zeros(self._rows.groups**2)
        for blocks in self._rows.diagonals():
            self._pool.share(
                descend, blocks, *self._rows.columns, *weights, rate, bias_rate, *regularization, sums
            )
            squared_error = float(sums[blocks].sum()) * self._problem.unit**2
            yield EpochStep(rows=self._rows.count(blocks), squared_error=squared_error)

    def valid_rmse(self) -> float | None:
        valid, unit = self._problem.valid, self._problem.unit
        if valid is None:
            return None
        chunks = np.arange(-(-len(valid) // _VALID_ROWS))
        sums = np.zeros(len(chunks))
        columns = (valid.users, valid.movies, valid.ratings)
        weights = (*self._factors, *self._biases, self._mean, np.float32(unit), *self._problem.scale)
        self._pool.share(squared_errors, chunks, _VALID_ROWS, *columns, *weights, sums)
        return float(np.sqrt(sums.sum() / len(valid)))

    def weights(self) -> Arrays:
        arrays = {"mean": np.array([self._mean])}
        for name, table in self.state().items():
            arrays[name] = table[:, : self._model.embedding_size] if table.ndim == 2 else table
        return to_rating_scale(arrays, unit=self._problem.unit)

    def state(self) -> Arrays:
        return dict(zip(TABLES, (*self._factors, *self._biases), strict=True))

    def restore(self, state: Arrays) -> None:
        for name, table in self.state().items():
            table[...] = state[name]

    def _column_shares(self) -> Floats:
        left, right = self._factors
        shares, size = np.ones(left.shape[1], np.float32), self._model.embedding_size
        shares[:size] = column_shares(left[:, :size], right[:, :size])
        return shares

    def _padded(self, factors: Floats) -> Floats:
        """Add zeros up to whole vector registers."""
        missing = -factors.shape[1] % _LANES
        return np.ascontiguousarray(np.pad(factors, ((0, 0), (0, missing)))) if missing else factors

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
                for blocks in self._rows.diagonals():
                    self._pool.share(
                        add_residuals,
                        blocks,
                        self._rows.starts,
                        codes,
                        others,
                        ratings,
                        self._mean,
                        other,
                        sums,
                    )
                bias[:] = sums / (count + BIAS_SHRINK)


def draw_factors(draw: np.random.Generator, counts: Counts, *, size: int) -> Floats:
    """Small random vectors; a code without a training row keeps zeros, so that it adds no noise."""
    factors: Floats = draw.standard_normal((len(counts), size), np.float32)
    factors *= np.float32(_SPREAD)
    factors[counts == 0] = 0
    return factors
