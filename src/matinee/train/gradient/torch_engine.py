"""The torch engine: rows resident on the device, permuted there, sliced into batches; any model, cpu or cuda.

On the CPU it runs on one thread: products over a batch have other bits at another number of threads.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from matinee.settings.training import AnyModel, GradientTraining
from matinee.store.ratings import EncodedRatings, count_codes
from matinee.train.baseline import Baseline, fit_baseline
from matinee.train.engine import Arrays, EpochStep, rmse_within, step_size, to_rating_scale
from matinee.train.gradient.adagrad import RowAdagrad
from matinee.train.gradient.adam import DenseAdam
from matinee.train.models import build
from matinee.train.problem import Problem
from matinee.train.regularization import Regularization

Optimizer = RowAdagrad | DenseAdam

_TRACE_POINTS = 10  # points of the loss trace in an epoch, where train.trace_every says nothing else
_FORWARD_ROWS = 1 << 16
_BIN_ROWS = 1 << 22
_MODEL, _OPTIMIZER = "model.", "optimizer."


class TorchEngine:
    """Fits any of the models by Adagrad or Adam, in units of a quarter of the rating scale."""

    def __init__(self, problem: Problem, model: AnyModel, *, training: GradientTraining) -> None:
        torch.set_num_threads(1)
        rows, self._problem, self._settings = problem.rows, problem, training
        self._is_dot = model.name == "dot"
        self._users, self._movies, _ = self._resident(rows)
        self._ratings = self._tensor(problem.ratings_in_units)
        self._rows = {
            "user_rows": count_codes(rows.users, problem.users).astype(np.int32),
            "movie_rows": count_codes(rows.movies, problem.movies).astype(np.int32),
        }
        self._baseline = fit_baseline(
            rows.users, rows.movies, rows.ratings, users=problem.users, movies=problem.movies
        )
        self._model = build(
            model,
            users=problem.users,
            movies=problem.movies,
            mean=self._baseline.mean / problem.unit,
            generator=torch.Generator().manual_seed(training.seed),
            sparse=training.method == "adagrad",
        ).to(problem.device)
        known = {name: self._tensor(count) for name, count in self._rows.items()}
        self._clear_unknown(known)
        self._optimizer = self._make_optimizer(known)

    def learning_rate(self, epoch: int) -> float:
        return step_size(self._settings, epoch)

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """One pass in an order, and with dropout, drawn from (seed, epoch)."""
        rows, batch, rate = len(self._ratings), self._settings.batch_size, self.learning_rate(epoch)
        steps = -(-rows // batch)
        trace_every = self._settings.trace_every or -(-steps // _TRACE_POINTS)
        draw = torch.Generator(self._problem.device).manual_seed((self._settings.seed << 20) + epoch)
        order = shuffled(rows, draw)
        self._model.generator = draw
        self._model.train()
        self._optimizer.begin_epoch()
        squared, seen = torch.zeros((), device=self._problem.device, dtype=torch.float64), 0
        for step in range(steps):
            picked = order[step * batch : (step + 1) * batch]
            users, movies = self._users[picked], self._movies[picked]
            error = self._model(users, movies) - self._ratings[picked]
            self._optimizer.step(error, rate, users, movies)
            squared += error.detach().square().sum()
            seen += len(picked)
            if (step + 1) % trace_every == 0 or step + 1 == steps:
                # The sum waits for the device.
                yield EpochStep(rows=seen, squared_error=squared.item() * self._problem.unit**2)
                squared.zero_()
                seen = 0

    def valid_rmse(self) -> float | None:
        valid = self._problem.valid
        if valid is None:
            return None
        predicted = self._forward(valid).astype(np.float64)
        if not self._is_dot:  # dot answers everywhere, since what it does not know is 0
            predicted = np.where(
                self._trained(valid), predicted, self._baseline.predict(valid.users, valid.movies)
            )
        return rmse_within(predicted, valid.ratings, self._problem.scale)

    def weights(self) -> Arrays:
        arrays = to_rating_scale(_numpy(dict(self._model.named_parameters())), unit=self._problem.unit)
        if self._is_dot:
            return {name: array.reshape(-1) if "_bias" in name else array for name, array in arrays.items()}
        return arrays | self._rows | _named(self._baseline)

    def state(self) -> Arrays:
        model = {_MODEL + name: parameter for name, parameter in self._model.named_parameters()}
        optimizer = {_OPTIMIZER + name: tensor for name, tensor in self._optimizer.state().items()}
        return _numpy(model | optimizer)

    def restore(self, state: Arrays) -> None:
        tensors = {name: self._tensor(array) for name, array in state.items()}
        with torch.no_grad():
            for name, parameter in self._model.named_parameters():
                parameter.copy_(tensors[_MODEL + name])
        size = len(_OPTIMIZER)
        self._optimizer.restore(
            {name[size:]: value for name, value in tensors.items() if name.startswith(_OPTIMIZER)}
        )

    def _make_optimizer(self, known: dict[str, Tensor]) -> Optimizer:
        decay = self._settings.weight_decay
        if self._settings.method == "adam":
            return DenseAdam(self._model, weight_decay=decay)
        return RowAdagrad(self._model, Regularization(constant=decay, **known))

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(array).to(self._problem.device)

    def _resident(self, rows: EncodedRatings) -> tuple[Tensor, Tensor, Tensor]:
        return self._tensor(rows.users), self._tensor(rows.movies), self._tensor(rows.ratings)

    @torch.no_grad()
    def _clear_unknown(self, known: dict[str, Tensor]) -> None:
        """A code without a training row keeps a vector of zeros: it never answers with initial noise."""
        for name, parameter in self._model.named_parameters():
            axis = f"{name.partition('_')[0]}_rows"
            if axis in known:
                parameter.mul_(known[axis][:, None] > 0)

    def _trained(self, rows: EncodedRatings) -> np.ndarray:
        """Where the model answers itself."""
        return (self._rows["user_rows"][rows.users] > 0) & (self._rows["movie_rows"][rows.movies] > 0)

    @torch.no_grad()
    def _forward(self, rows: EncodedRatings) -> np.ndarray:
        self._model.eval()
        users, movies, _ = self._resident(rows)
        batches = zip(torch.split(users, _FORWARD_ROWS), torch.split(movies, _FORWARD_ROWS), strict=True)
        return torch.cat([self._model(*batch) for batch in batches]).cpu().numpy() * self._problem.unit


def shuffled(rows: int, draw: torch.Generator, *, bin_rows: int = _BIN_ROWS) -> Tensor:
    """The numbers from 0 in an order, each as likely as any other: dealt into bins at random, each bin then permuted.

    Rao (1961) and Sandelius (1962). On a CPU one permutation of a hundred million takes seconds, which a signal to stop
    would have to wait for.
    """
    bins = -(-rows // bin_rows) if draw.device.type == "cpu" else 1
    if bins == 1:
        return torch.randperm(rows, generator=draw, device=draw.device, dtype=torch.int32)
    dealt: list[list[Tensor]] = [[] for _ in range(bins)]
    for start in range(0, rows, bin_rows):
        some = torch.arange(start, min(start + bin_rows, rows), dtype=torch.int32)
        places = torch.randint(bins, (len(some),), generator=draw, dtype=torch.int16)
        for number, into in enumerate(dealt):
            into.append(some[places == number])
    return torch.cat(
        [numbers[torch.randperm(len(numbers), generator=draw)] for numbers in map(torch.cat, dealt)]
    )


def _numpy(tensors: dict[str, Tensor]) -> Arrays:
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}


def _named(baseline: Baseline) -> Arrays:
    return {
        "baseline.mean": np.array([baseline.mean], np.float32),
        "baseline.user_bias": baseline.user_bias.astype(np.float32),
        "baseline.movie_bias": baseline.movie_bias.astype(np.float32),
    }
