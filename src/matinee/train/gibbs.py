"""The CPU engine of the preset `accurate`: Bayesian matrix factorization by blocked Gibbs sampling.

Salakhutdinov and Mnih (2008), with implicit features on both sides (as in SVD++), a precision per user and per
movie, and the posterior mean folded into one dot product as it runs. docs/models.md has the formulas.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from matinee.train.blocks import Crew
from matinee.train.engine import Arrays, Piece, in_stars, rmse_within
from matinee.train.fold import RunningProduct
from matinee.train.gibbs_kernels import predict_pairs, residual_sums
from matinee.train.rows import Problem
from matinee.train.side import Side

_VALID_ROWS = 1 << 16
_TASKS = 8  # parts a thread takes at a time: between two times a fit can be stopped
_NOISE_SHAPE = _NOISE_RATE = 0.5  # of the gamma prior of the noise's precision: one rating with unit error
_SIDE_STATE = ("X", "E", "omega", "pull", "mean", "precision", "pull_precision", "nu")


class GibbsEngine:
    """Chains over vectors, weights and their priors, one after the other; an epoch is a sweep of one.

    A chain stays near one of the many sets of vectors that explain the ratings alike: means over several are better.
    """

    def __init__(self, problem: Problem) -> None:
        rows, train = problem.rows, problem.train
        self._problem, self._seed = problem, train.seed
        self._crew = Crew(problem.threads)
        ratings = problem.ratings_in_units
        size = (train.sampler_rank or 1) + 1
        users, movies = problem.users, problem.movies
        self._user = Side.of(
            "user", rows.users, rows.movies, ratings, count=users, other_count=movies, size=size
        )
        self._movie = Side.of(
            "movie", rows.movies, rows.users, ratings, count=movies, other_count=users, size=size
        )
        self._sides = (self._user, self._movie)
        self._user.weigh(self._movie)
        self._movie.weigh(self._user)
        self._mean, self._alpha = float(np.mean(ratings, dtype=np.float64)), 1.0
        self._kept = 0
        self._product = RunningProduct(
            users=users,
            movies=movies,
            rank=size - 1,
            columns=problem.model.embedding_size or 1,
            crew=self._crew,
        )
        self._bias_sums = [np.zeros(users), np.zeros(movies), np.zeros(1)]
        self._valid_sum = np.zeros(0 if problem.valid is None else len(problem.valid))
        self._valid_now = np.zeros_like(self._valid_sum)

    def learning_rate(self, epoch: int) -> None:
        """A sampler has no step size."""

    def run_epoch(self, epoch: int) -> Iterator[Piece]:
        """One sweep; half of its pieces' rows are done when the users are, the rest when the movies are."""
        draw = np.random.default_rng((self._seed, epoch))
        if self._sweep_of_chain(epoch) == 1:
            self._alpha = 1.0
            for side in self._sides:
                side.begin(draw)
        self._draw_noise(draw)
        rows, done = len(self._problem.rows), 0
        for side, other in (self._sides, self._sides[::-1]):
            side.draw_prior(draw, other)
            for parts in self._batches(side):
                squared_error = side.draw_part(
                    parts,
                    other,
                    mean=self._mean,
                    alpha=self._alpha,
                    seed=self._seed,
                    sweep=epoch,
                    crew=self._crew,
                )
                count, before = side.rows_of(parts), done
                done += count
                if done == 2 * rows:
                    break
                yield self._piece(done // 2 - before // 2, squared_error / count)
            side.draw_pulls(other, seed=self._seed, sweep=epoch, crew=self._crew)
        for side in self._sides:
            side.draw_nu(draw)
        self._keep(epoch)
        yield self._piece(done // 2 - before // 2, squared_error / count)

    def valid_rmse(self) -> float | None:
        """RMSE of the mean of all draws kept so far; of the latest draw before the first is kept."""
        valid = self._problem.valid
        if valid is None:
            return None
        predicted = self._valid_sum / self._kept if self._kept else self._valid_now
        return rmse_within(predicted * self._problem.unit, valid.ratings, self._problem.scale)

    def weights(self) -> Arrays:
        """The mean over the kept draws, around the average of the vectors, so that zeros stand for a stranger."""
        self._product.cut()
        left, right = (table / np.float32(self._kept**0.5) for table in self._product.tables)
        user_bias, movie_bias, mean = (total / self._kept for total in self._bias_sums)
        middle = [
            table[side.known].mean(axis=0, dtype=np.float64)
            for table, side in ((left, self._user), (right, self._movie))
        ]
        movie_bias += right @ middle[0]
        user_bias += (left - middle[0]) @ middle[1]
        arrays = {"mean": mean, "user_bias": user_bias, "movie_bias": movie_bias}
        arrays |= {"user_factors": left - middle[0], "movie_factors": right - middle[1]}
        for side in (self._user, self._movie):
            arrays["mean"] += (shift := arrays[f"{side.name}_bias"][side.known].mean())
            arrays[f"{side.name}_bias"] -= shift
            for name in (f"{side.name}_bias", f"{side.name}_factors"):
                arrays[name][~side.known] = 0
        return in_stars(
            {name: array.astype(np.float32) for name, array in arrays.items()}, unit=self._problem.unit
        )

    def state(self) -> Arrays:
        arrays: Arrays = {
            f"{side.name}.{name}": getattr(side, name) for side in self._sides for name in _SIDE_STATE
        }
        left, right = self._product.tables
        arrays |= {f"sum.{number}": total for number, total in enumerate(self._bias_sums)}
        arrays |= {"left": left, "right": right, "valid.sum": self._valid_sum, "valid.now": self._valid_now}
        return {**arrays, "chain": np.array([self._mean, self._alpha, self._kept])}

    def restore(self, state: Arrays) -> None:
        for side in self._sides:
            for name in _SIDE_STATE:
                getattr(side, name)[...] = state[f"{side.name}.{name}"]
        for number, total in enumerate(self._bias_sums):
            total[...] = state[f"sum.{number}"]
        self._product.restore(state["left"], state["right"])
        self._valid_sum[...], self._valid_now[...] = state["valid.sum"], state["valid.now"]
        self._mean, self._alpha = (float(value) for value in state["chain"][:2])
        self._kept = int(state["chain"][2])

    def _draw_noise(self, draw: np.random.Generator) -> None:
        """Draw the overall mean and the precision of a rating, given all else."""
        user, movie = self._user, self._movie
        sums = np.zeros((len(user.bounds) - 1, 3))
        for parts in self._batches(user):
            self._crew.share(
                residual_sums, parts, user.bounds, user.starts, user.codes, user.ratings, user.X, user.omega,
                movie.X, movie.omega, user.size, np.float32(self._mean), sums,
            )  # fmt: skip
        weight, once, twice = sums.sum(axis=0)
        rate = _NOISE_RATE + max(twice, 0.0) / 2
        self._alpha = float(draw.gamma(_NOISE_SHAPE + len(self._problem.rows) / 2) / rate)
        self._mean += float(draw.normal(once / weight, 1 / np.sqrt(self._alpha * weight)))

    def _keep(self, epoch: int) -> None:
        """Fold this draw into the means, once its chain has left where it began."""
        user, movie, valid = self._user, self._movie, self._problem.valid
        rank = user.size - 1
        if valid is not None:
            parts = np.arange(-(-len(valid) // _VALID_ROWS))
            self._crew.share(
                predict_pairs, parts, _VALID_ROWS, valid.users, valid.movies, user.X, movie.X, user.size,
                np.float32(self._mean), self._valid_now,
            )  # fmt: skip
        if self._sweep_of_chain(epoch) > (self._problem.train.burn_in or 0):
            self._kept += 1
            # Without the strangers: the cut would spend its columns on rows that are zero in the end.
            left, right = (
                np.where(side.known[:, None], side.X[:, :rank], np.float32(0)) for side in self._sides
            )
            self._product.add(left, right)
            self._valid_sum += self._valid_now
            self._bias_sums[0] += user.X[:, rank]
            self._bias_sums[1] += movie.X[:, rank]
            self._bias_sums[2] += self._mean

    def _sweep_of_chain(self, epoch: int) -> int:
        """Which sweep of its chain an epoch is, from 1."""
        return (epoch - 1) % (self._problem.train.sweeps or 1) + 1

    def _batches(self, side: Side) -> Iterator[npt.NDArray[np.int64]]:
        parts, step = side.parts(), _TASKS * self._problem.threads
        return (parts[start : start + step] for start in range(0, len(parts), step))

    def _piece(self, rows: int, mean_squared_error: float) -> Piece:
        return Piece(rows=rows, squared_error=rows * mean_squared_error * self._problem.unit**2)
