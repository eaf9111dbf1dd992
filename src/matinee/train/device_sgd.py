"""The GPU engine of the dot model: SGD of the compiled kernels in large batches, in torch.

Batches are drawn once and sorted by user and by movie, so that an epoch only gathers, sums and moves rows. All sums
have a fixed order: the same seed gives the same bits on one device.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from matinee.settings.training import DotModel, GradientTraining
from matinee.train.device_rows import gather_by_bags
from matinee.train.engine import Arrays, EpochStep, step_size, to_rating_scale
from matinee.train.problem import Problem
from matinee.train.regularization import column_shares, row_regularization
from matinee.train.row_steps import row_steps
from matinee.train.sgd import BIAS_ROUNDS, BIAS_SHRINK, TABLES, draw_factors

_STEPS = 16  # of an epoch with many rows: enough for its steps to add up, and few enough for a GPU to be busy in each
_SEGMENT = 64  # rows that one thread adds up; the sums of segments are added in a second pass
_TRACE_POINTS = (
    10  # of the loss in an epoch, where train.trace_every says nothing else; the host waits for the device
)
_VALID_ROWS = 1 << 22


@dataclass(frozen=True)
class MovedRows:
    """The rows of one axis's tables that a batch touches, and where the batch has them when sorted by this axis."""

    rows: Tensor  # distinct codes, ascending
    counts: Tensor  # of each, as a column
    segments: Tensor  # where each begins
    starts: Tensor  # of each code's segments

    @classmethod
    def by(cls, codes: Tensor) -> "MovedRows":
        """Cut sorted codes into segments."""
        rows, counts = torch.unique_consecutive(codes, return_counts=True)
        pieces = torch.div(counts + (_SEGMENT - 1), _SEGMENT, rounding_mode="floor")
        starts = torch.cumsum(pieces, 0) - pieces
        of = torch.repeat_interleave(torch.arange(len(rows), device=codes.device), pieces)
        within = torch.arange(len(of), device=codes.device) - starts[of]
        segments = (torch.cumsum(counts, 0) - counts)[of] + _SEGMENT * within
        return cls(rows, counts.float()[:, None], segments.int(), starts.int())

    def sums(self, codes: Tensor, table: Tensor, weights: Tensor | None = None) -> Tensor:
        """For each code the sum of the table's rows that its places in the batch name, times their weights."""
        parts = functional.embedding_bag(codes, table, self.segments, mode="sum", per_sample_weights=weights)
        if len(self.segments) == len(self.starts):
            return parts
        every = torch.arange(len(parts), dtype=torch.int32, device=parts.device)
        return functional.embedding_bag(every, parts, self.starts, mode="sum")


@dataclass(frozen=True)
class Batch:
    """Rows of one step, sorted by user, and their order by movie."""

    users: Tensor
    movies: Tensor
    ratings: Tensor  # less the mean
    by_movie: Tensor  # places, sorted by movie
    users_by_movie: Tensor
    every: Tensor  # places from 0
    touched: tuple[MovedRows, MovedRows]  # users, movies

    @classmethod
    def of(cls, users: Tensor, movies: Tensor, ratings: Tensor) -> "Batch":
        """Sort rows; the sorts are stable."""
        users, order = torch.sort(users, stable=True)
        movies, ratings = movies[order], ratings[order]
        sorted_movies, by_movie = torch.sort(movies, stable=True)
        by_movie = by_movie.int()
        touched = MovedRows.by(users), MovedRows.by(sorted_movies)
        every = torch.arange(len(users), dtype=torch.int32, device=users.device)
        return cls(users, movies, ratings, by_movie, users[by_movie], every, touched)

    def __len__(self) -> int:
        return len(self.ratings)


class DeviceSgd:
    """Fits mean + biases + dot product, in units of a quarter of the rating scale.

    A row that occurs c times in a batch would take c steps one after the other. Against a quadratic of
    curvature h they reach (1 - (1 - rate h)^c) / h times the mean gradient, where the sum of c steps from one
    place would overshoot: rate c h is far above 1 for the popular movies of a large batch.
    """

    def __init__(self, problem: Problem, model: DotModel, *, training: GradientTraining) -> None:
        self._problem, self._model, self._settings = problem, model, training
        self._device = torch.device(problem.device)
        rows = problem.rows
        self._mean = np.float32(np.mean(rows.ratings, dtype=np.float64) / problem.unit)
        users, movies, ratings = (self._put(column) for column in (rows.users, rows.movies, rows.ratings))
        self._counts = [
            torch.bincount(codes, minlength=size)
            for codes, size in ((users, problem.users), (movies, problem.movies))
        ]
        ratings = ratings / problem.unit - float(self._mean)
        self._batches = list(self._deal(users, movies, ratings))
        self._strengths = {
            name: row_regularization(name, count.clamp(min=1).float(), constant=training.weight_decay)
            for name, count in zip(TABLES, self._counts * 2, strict=True)
        }
        self._steps = {
            name: row_steps(name, count.float()) for name, count in zip(TABLES, self._counts * 2, strict=True)
        }
        draw = np.random.default_rng(training.seed)
        host = [count.cpu().numpy() for count in self._counts]
        size = model.embedding_size
        self._factors = [self._put(draw_factors(draw, count, size=size)) for count in host]
        self._biases = [torch.zeros(len(count), 1, device=self._device) for count in host]
        if model.biases:
            self._start_biases()
        self._valid = None
        if (valid := problem.valid) is not None:
            self._valid = [self._put(column) for column in (valid.users, valid.movies, valid.ratings)]

    def learning_rate(self, epoch: int) -> float:
        return step_size(self._settings, epoch)

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """One pass over all batches, in an order drawn from (seed, epoch)."""
        order = np.random.default_rng((self._settings.seed, epoch)).permutation(len(self._batches))
        trace_every = self._settings.trace_every or -(-len(order) // _TRACE_POINTS)
        shares, rate = column_shares(*self._factors), self.learning_rate(epoch)
        squared, seen = torch.zeros((), dtype=torch.float64, device=self._device), 0
        for step, number in enumerate(order, 1):
            batch = self._batches[number]
            error = self._step(batch, rate, shares)
            squared += error.square().sum(dtype=torch.float64)
            seen += len(batch)
            if step % trace_every == 0 or step == len(order):
                yield EpochStep(rows=seen, squared_error=squared.item() * self._problem.unit**2)
                squared.zero_()
                seen = 0

    def valid_rmse(self) -> float | None:
        if self._valid is None:
            return None
        total, unit = torch.zeros((), dtype=torch.float64, device=self._device), self._problem.unit
        for users, movies, ratings in zip(
            *(torch.split(column, _VALID_ROWS) for column in self._valid), strict=True
        ):
            predicted = (self._predict(users, movies) + float(self._mean)) * unit
            error = predicted.clamp(*self._problem.scale) - ratings
            total += error.square().sum(dtype=torch.float64)
        return float((total / len(self._valid[0])).sqrt())

    def weights(self) -> Arrays:
        arrays = {"mean": np.array([self._mean])}
        for name, table in self.state().items():
            arrays[name] = table.reshape(-1) if name.endswith("_bias") else table
        return to_rating_scale(arrays, unit=self._problem.unit)

    def state(self) -> Arrays:
        return {name: table.cpu().numpy().copy() for name, table in self._tables().items()}

    def restore(self, state: Arrays) -> None:
        for name, table in self._tables().items():
            table.copy_(torch.from_numpy(state[name]))

    def _tables(self) -> dict[str, Tensor]:
        return dict(zip(TABLES, (*self._factors, *self._biases), strict=True))

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._device)

    def _deal(self, users: Tensor, movies: Tensor, ratings: Tensor) -> Iterator[Batch]:
        """Deal all rows into batches of equal size, in an order drawn from the seed."""
        draw = torch.Generator(self._device).manual_seed(self._settings.seed)
        order = torch.randperm(len(ratings), generator=draw, device=self._device, dtype=torch.int32)
        size = max(self._settings.batch_size, -(-len(ratings) // _STEPS))
        for picked in torch.split(order, size):
            yield Batch.of(users[picked], movies[picked], ratings[picked])

    def _predict(self, users: Tensor, movies: Tensor) -> Tensor:
        """Predictions less the mean."""
        codes = users, movies
        p, q = (gather_by_bags(table, some) for table, some in zip(self._factors, codes, strict=True))
        b, c = (table[:, 0].index_select(0, some) for table, some in zip(self._biases, codes, strict=True))
        return p.mul_(q).sum(1).add_(b).add_(c)

    def _step(self, batch: Batch, rate: float, shares: Tensor) -> Tensor:
        """Move all rows that a batch touches; returns the errors before."""
        error = self._predict(batch.users, batch.movies).sub_(batch.ratings)
        norms = [table.square().sum(1) for table in self._factors]
        moved = [
            (batch.movies, error, norms[1][batch.movies]),
            (batch.users_by_movie, error[batch.by_movie], norms[0][batch.users_by_movie]),
        ]
        gradients = []
        for touched, (others, errors, squares), table in zip(
            batch.touched, moved, self._factors[::-1], strict=True
        ):
            both = touched.sums(batch.every, torch.stack([errors, squares], 1)) / touched.counts
            slope = touched.sums(others, table, errors).div_(touched.counts)
            gradients.append((slope, both))
        for axis, (touched, (slope, both)) in enumerate(zip(batch.touched, gradients, strict=True)):
            self._move(axis, touched, slope, both[:, 1:], rate=rate, shares=shares)
            if self._model.biases:
                self._move(axis + 2, touched, both[:, :1], torch.ones_like(touched.counts), rate=rate)
        return error

    def _move(
        self,
        number: int,
        touched: MovedRows,
        slope: Tensor,
        curvature: Tensor,
        *,
        rate: float,
        shares: Tensor | None = None,
    ) -> None:
        """Move the touched rows of a table, given the mean gradient and curvature of their ratings."""
        table = (*self._factors, *self._biases)[number]
        strength = self._strengths[TABLES[number]].index_select(0, touched.rows)[:, None]
        if shares is not None:
            strength = strength * shares
        before = gather_by_bags(table, touched.rows)
        slope.addcmul_(strength, before)
        bend = (curvature + strength).clamp_(min=1e-12)
        steps = self._steps[TABLES[number]].index_select(0, touched.rows)[:, None] * -rate
        reach = (bend * steps).clamp_(min=-0.9).log1p_().mul_(touched.counts).expm1_().div_(bend)
        table[touched.rows] = before.addcmul_(reach, slope)

    def _start_biases(self) -> None:
        """Alternate shrunk means of residuals, movies first, as the compiled engine."""
        for _ in range(BIAS_ROUNDS):
            for axis in (1, 0):
                sums = torch.zeros_like(self._biases[axis])
                for batch in self._batches:
                    touched, order = batch.touched[axis], batch.by_movie if axis else batch.every
                    others = batch.users_by_movie if axis else batch.movies
                    left = batch.ratings[order] - self._biases[1 - axis][:, 0][others]
                    sums[touched.rows] += touched.sums(batch.every, left[:, None])
                self._biases[axis] = sums / (self._counts[axis][:, None] + BIAS_SHRINK)
