"""The engine of the preset `accurate`: Bayesian matrix factorization by blocked Gibbs sampling.

Salakhutdinov and Mnih (2008), with implicit features on both axes (as in SVD++), a precision per user and per
movie, and the posterior mean folded into one dot product as it runs. docs/models.md has the formulas. Here are the
chains; the work on rows is in the axes, compiled for the CPU or in torch.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from matinee.settings.training import DotModel, SamplerTraining
from matinee.train.blocks import KernelPool
from matinee.train.engine import Arrays, EpochStep, rmse_within, to_rating_scale
from matinee.train.gibbs.axis import Axis
from matinee.train.problem import Problem
from matinee.train.running_product import RunningProduct

if TYPE_CHECKING:
    from matinee.train.gibbs.device_axis import DeviceAxis

AnyAxis = TypeVar("AnyAxis", Axis, "DeviceAxis")

_NOISE_SHAPE = _NOISE_RATE = 0.5  # of the gamma prior of the noise's precision: one rating with unit error


class GibbsEngine(Generic[AnyAxis]):
    """Runs several chains over vectors, weights and their priors; an epoch is one sweep of one chain.

    A chain stays near one of many equally good sets of vectors, so the mean over several chains is better.
    """

    def __init__(
        self,
        problem: Problem,
        model: DotModel,
        *,
        training: SamplerTraining,
        axis: Callable[..., AnyAxis],
    ) -> None:
        """`axis` makes an axis: `Axis.of` or `DeviceAxis.of`, with its device."""
        rows, users, movies = problem.rows, problem.users, problem.movies
        self._problem, self._training, self._seed = problem, training, training.seed
        ratings = problem.ratings_in_units
        size, columns = training.sampler_rank + 1, model.embedding_size
        user: AnyAxis = axis(
            "user", rows.users, rows.movies, ratings, count=users, other_count=movies, size=size
        )
        movie: AnyAxis = axis(
            "movie", rows.movies, rows.users, ratings, count=movies, other_count=users, size=size
        )
        user.weigh(movie)
        movie.weigh(user)
        self._axes: tuple[AnyAxis, AnyAxis] = (user, movie)
        self._mean, self._alpha = float(np.mean(ratings, dtype=np.float64)), 1.0
        self._kept = 0
        self._product = RunningProduct[Any](user.table, movie.table, rank=size - 1, columns=columns)
        self._bias_sums = [np.zeros(users), np.zeros(movies), np.zeros(1)]
        self._valid_sum = np.zeros(0 if problem.valid is None else len(problem.valid))
        self._valid_now = np.zeros_like(self._valid_sum)

    def learning_rate(self, epoch: int) -> None:
        """A sampler has no step size."""

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """One sweep; half of its rows are done when the users are, the rest when the movies are."""
        draw = np.random.default_rng((self._seed, epoch))
        if self._sweep_of_chain(epoch) == 1:
            self._alpha = 1.0
            for axis in self._axes:
                axis.begin(draw)
        self._draw_noise(draw)
        rows, done, reported = len(self._problem.rows), 0, 0
        for axis, other in (self._axes, self._axes[::-1]):
            axis.draw_prior(draw, other)
            for chunks in axis.batches():
                squared_error = axis.draw_chunks(
                    chunks, other, mean=self._mean, alpha=self._alpha, seed=self._seed, sweep=epoch
                )
                done += (count := axis.rows_of(chunks))
                if done < 2 * rows and done // 2 > reported:
                    yield self._step(done // 2 - reported, squared_error / count)
                    reported = done // 2
            axis.draw_pulls(other, seed=self._seed, sweep=epoch)
        for axis in self._axes:
            axis.draw_nu(draw)
        self._keep(epoch)
        yield self._step(done // 2 - reported, squared_error / count)

    def valid_rmse(self) -> float | None:
        """RMSE of the mean of all draws kept so far; of the latest draw before the first is kept."""
        valid = self._problem.valid
        if valid is None:
            return None
        predicted = self._valid_sum / self._kept if self._kept else self._valid_now
        return rmse_within(predicted * self._problem.unit, valid.ratings, self._problem.scale)

    def weights(self) -> Arrays:
        """The mean over the kept draws, around the average of the vectors, so that zeros stand for an unknown code."""
        self._product.cut()
        left, right = (table / np.float32(self._kept**0.5) for table in self._product.tables)
        user_bias, movie_bias, mean = (total / self._kept for total in self._bias_sums)
        middle = [
            table[axis.known].mean(axis=0, dtype=np.float64)
            for table, axis in zip((left, right), self._axes, strict=True)
        ]
        movie_bias += right @ middle[0]
        user_bias += (left - middle[0]) @ middle[1]
        arrays = {"mean": mean, "user_bias": user_bias, "movie_bias": movie_bias}
        arrays |= {"user_factors": left - middle[0], "movie_factors": right - middle[1]}
        for axis in self._axes:
            arrays["mean"] += (shift := arrays[f"{axis.name}_bias"][axis.known].mean())
            arrays[f"{axis.name}_bias"] -= shift
            for name in (f"{axis.name}_bias", f"{axis.name}_factors"):
                arrays[name][~axis.known] = 0
        return to_rating_scale(
            {name: array.astype(np.float32) for name, array in arrays.items()}, unit=self._problem.unit
        )

    def state(self) -> Arrays:
        arrays: Arrays = {
            f"{axis.name}.{name}": array for axis in self._axes for name, array in axis.state().items()
        }
        left, right = self._product.tables
        arrays |= {f"sum.{number}": total for number, total in enumerate(self._bias_sums)}
        arrays |= {"left": left, "right": right, "valid.sum": self._valid_sum, "valid.now": self._valid_now}
        return {**arrays, "chain": np.array([self._mean, self._alpha, self._kept])}

    def restore(self, state: Arrays) -> None:
        for axis in self._axes:
            own = f"{axis.name}."
            axis.restore(
                {name.removeprefix(own): array for name, array in state.items() if name.startswith(own)}
            )
        for number, total in enumerate(self._bias_sums):
            total[...] = state[f"sum.{number}"]
        self._product.restore(state["left"], state["right"])
        self._valid_sum[...], self._valid_now[...] = state["valid.sum"], state["valid.now"]
        self._mean, self._alpha = (float(value) for value in state["chain"][:2])
        self._kept = int(state["chain"][2])

    def _draw_noise(self, draw: np.random.Generator) -> None:
        """Draw the overall mean and the precision of a rating, given everything else."""
        user, movie = self._axes
        weight, once, twice = user.residual_sums(movie, mean=self._mean)
        rate = _NOISE_RATE + max(twice, 0.0) / 2
        self._alpha = float(draw.gamma(_NOISE_SHAPE + len(self._problem.rows) / 2) / rate)
        self._mean += float(draw.normal(once / weight, 1 / np.sqrt(self._alpha * weight)))

    def _keep(self, epoch: int) -> None:
        """Add this draw to the means, unless its chain is still in burn-in."""
        (user, movie), valid = self._axes, self._problem.valid
        if valid is not None:
            user.predict(movie, valid.users, valid.movies, mean=self._mean, into=self._valid_now)
        if self._sweep_of_chain(epoch) > self._training.burn_in:
            self._kept += 1
            self._product.add(user.factors, movie.factors)
            self._valid_sum += self._valid_now
            self._bias_sums[0] += user.biases
            self._bias_sums[1] += movie.biases
            self._bias_sums[2] += self._mean

    def _sweep_of_chain(self, epoch: int) -> int:
        """The sweep of its chain that an epoch is, from 1."""
        return (epoch - 1) % self._training.sweeps + 1

    def _step(self, rows: int, mean_squared_error: float) -> EpochStep:
        return EpochStep(rows=rows, squared_error=rows * mean_squared_error * self._problem.unit**2)


def gibbs_engine(
    problem: Problem, model: DotModel, *, training: SamplerTraining
) -> "GibbsEngine[Axis] | GibbsEngine[DeviceAxis]":
    """The sampler on the problem's device."""
    if problem.device == "cpu":
        axis = partial(Axis.of, pool=KernelPool(problem.threads))
        return GibbsEngine(problem, model, training=training, axis=axis)
    from matinee.train.gibbs.device_axis import DeviceAxis  # noqa: PLC0415 - torch takes seconds to import

    return GibbsEngine(problem, model, training=training, axis=partial(DeviceAxis.of, device=problem.device))
