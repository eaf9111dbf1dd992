"""One axis of the Gibbs sampler on the CPU, users or movies: its ratings in order and its part of the chain's state.

`DeviceAxis` does the same in torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matinee.release.arrays import Codes, Counts, Doubles, Floats
from matinee.store.ratings import count_codes, row_chunks, zeros
from matinee.train.blocks import KernelPool
from matinee.train.engine import Arrays
from matinee.train.gibbs.kernels import (
    LANES,
    draw_pull,
    draw_vectors,
    group_rows,
    predict_pairs,
    residual_sums,
    sum_squares,
)
from matinee.train.gibbs.prior import Moments, Prior
from matinee.train.running_product import HostTable

_SPREAD = 0.1
_CHUNK_ROWS = 1 << 15  # ratings per chunk: few, so that threads finish together
_TASKS = 8  # chunks per thread and call: a fit can be stopped between two calls
_PAIRS = 1 << 16


@dataclass
class Axis:
    """Ratings grouped by this axis's codes, and its part of the chain's state."""

    name: str
    purpose: int  # distinguishes its random streams from the other axis's
    pool: KernelPool
    starts: Counts
    codes: Codes  # of the other axis, by rating
    ratings: Floats
    bounds: Counts  # of the chunks that threads share
    share: Floats  # n^-1/2 by code
    size: int  # numbers of a vector, the last of them the bias
    X: Floats
    E: Floats  # X minus its prior mean
    omega: Floats
    pull: Floats  # by code of the other axis: its implicit-feedback vector (SVD++), part of the prior mean
    pull_mass: Doubles  # by code of the other axis: the squared length of what its pull is multiplied by
    prior: Prior

    @classmethod
    def of(
        cls, name: str, keys: Codes, others: Codes, ratings: Floats,
        *, count: int, other_count: int, size: int, pool: KernelPool,
    ) -> "Axis":  # fmt: skip
        """Group ratings by `keys`; the state is blank until a chain begins."""
        starts, codes, grouped = group_ratings(keys, others, ratings, count=count)
        width = -(-size // LANES) * LANES
        cuts = np.searchsorted(starts, np.arange(0, len(keys), _CHUNK_ROWS), side="left")
        return cls(
            name=name,
            purpose=purpose_of(name),
            pool=pool,
            starts=starts,
            codes=codes,
            ratings=grouped,
            bounds=np.unique(np.concatenate([[0], cuts, [count]])),
            share=shares(starts),
            size=size,
            X=np.zeros((count, width), np.float32),
            E=np.zeros((count, width), np.float32),
            omega=np.ones(count, np.float32),
            pull=np.zeros((other_count, width), np.float32),
            pull_mass=np.zeros(other_count),
            prior=Prior.of(width, centred=name == "user"),
        )

    def begin(self, draw: np.random.Generator) -> None:
        """Start a chain: small random vectors for the codes that have ratings, and nothing learned yet."""
        self.X[:, : self.size] = first_vectors(draw, self.known, size=self.size)
        self.E[:] = self.X
        self.omega[:] = 1
        self.pull[:] = 0
        self.prior.begin()

    def state(self) -> Arrays:
        """The state that the next draw needs."""
        return {"X": self.X, "E": self.E, "omega": self.omega, "pull": self.pull, **self.prior.state()}

    def restore(self, state: Arrays) -> None:
        """Resume from a state."""
        for name, array in self.state().items():
            array[...] = state[name]

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """The codes that have a rating."""
        return np.diff(self.starts) > 0

    def weigh(self, other: "Axis") -> None:
        """Sum what the pull of each code of the other axis is divided by; it never changes."""
        times = np.zeros(len(self.share), np.int64)
        for first, last in zip(other.bounds[:-1], other.bounds[1:], strict=True):
            sum_squares(first, last, other.starts, other.codes, self.share, times, self.pull_mass)

    def batches(self) -> Iterator[Counts]:
        """Iterate over all chunks, in batches that keep the threads busy briefly."""
        # The last codes may have no rating.
        rated = self.starts[self.bounds[1:]] > self.starts[self.bounds[:-1]]
        chunks, step = np.flatnonzero(rated), _TASKS * self.pool.threads
        return (chunks[start : start + step] for start in range(0, len(chunks), step))

    def rows_of(self, chunks: Counts) -> int:
        """Ratings in some chunks."""
        return int((self.starts[self.bounds[chunks + 1]] - self.starts[self.bounds[chunks]]).sum())

    def draw_prior(self, draw: np.random.Generator, other: "Axis") -> None:
        """Draw mean and precision of each column, and the precision of its pull, given the vectors."""
        known, before = self.known, self.prior.mean.copy()
        free = (self.E[known] + before)[:, : self.size]
        average = free.mean(axis=0)
        pull = self.pull[other.known, : self.size].astype(np.float64)
        moments = Moments(
            count=len(free),
            average=average,
            scatter=np.square(free - average).sum(axis=0),
            pulls=len(pull),
            pull_squares=np.square(pull).sum(axis=0),
        )
        self.prior.draw(draw, moments)
        self.E[known] += (before - self.prior.mean).astype(np.float32)
        self.X[~known] = self.prior.mean  # a code without ratings gets the prior mean

    def draw_chunks(
        self, chunks: Counts, other: "Axis", *, mean: float, alpha: float, seed: int, sweep: int
    ) -> float:
        """Draw weights and vectors of some chunks; returns the sum of squared errors before."""
        squared = np.zeros(len(self.bounds) - 1)
        self.pool.share(
            draw_vectors, chunks, self.bounds, self.starts, self.codes, self.ratings, self.X, self.E, self.omega,
            other.X, other.omega, self.size, np.float32(mean), alpha, self.prior.precision, self.prior.nu[0], seed,
            sweep, self.purpose, squared,
        )  # fmt: skip
        return float(squared[chunks].sum())

    def draw_pulls(self, other: "Axis", *, seed: int, sweep: int) -> None:
        """Draw what each code of the other axis adds to the prior means of this one."""
        groups = np.arange(self.X.shape[1] // LANES)
        for first, last in zip(other.bounds[:-1], other.bounds[1:], strict=True):
            self.pool.share(
                draw_pull, groups, first, last, other.starts, other.codes, self.E, self.share,
                self.pull, self.pull_mass, self.size, self.prior.precision, self.prior.pull_precision,
                seed, sweep, self.purpose + 2,
            )  # fmt: skip

    def draw_nu(self, draw: np.random.Generator) -> None:
        """Draw the degrees of freedom of the weights."""
        omega = self.omega[self.known].astype(np.float64)
        self.prior.draw_nu(draw, count=len(omega), log_weights=(np.log(omega) - omega).sum())

    def residual_sums(self, other: "Axis", *, mean: float) -> Doubles:
        """Sums of w, w e and w e^2 over all ratings, where w is the product of both axes' weights."""
        sums = np.zeros((len(self.bounds) - 1, 3))
        for chunks in self.batches():
            self.pool.share(
                residual_sums, chunks, self.bounds, self.starts, self.codes, self.ratings, self.X, self.omega,
                other.X, other.omega, self.size, np.float32(mean), sums,
            )  # fmt: skip
        total: Doubles = sums.sum(axis=0)
        return total

    def predict(self, other: "Axis", keys: Codes, others: Codes, *, mean: float, into: Doubles) -> None:
        """Write the predictions of this draw for some pairs."""
        chunks = np.arange(-(-len(keys) // _PAIRS))
        self.pool.share(
            predict_pairs, chunks, _PAIRS, keys, others, self.X, other.X, self.size, np.float32(mean), into
        )

    @property
    def biases(self) -> Floats:
        """The last numbers of the vectors."""
        return self.X[:, self.size - 1]

    @property
    def factors(self) -> Floats:
        """The other numbers, zero for codes without ratings: truncation must not spend columns on them."""
        return np.where(self.known[:, None], self.X[:, : self.size - 1], np.float32(0))

    def table(self, width: int) -> HostTable:
        """Room for the vectors of many draws."""
        return HostTable(len(self.X), width, pool=self.pool)


def group_ratings(keys: Codes, others: Codes, ratings: Floats, *, count: int) -> tuple[Counts, Codes, Floats]:
    """Where the ratings of each of `count` keys start, and the other codes and the ratings in that order."""
    starts = np.concatenate([[0], np.cumsum(count_codes(keys, count))])
    codes, grouped = (zeros(len(keys), dtype=column.dtype) for column in (others, ratings))
    free = starts[:-1].copy()
    for chunk in row_chunks(len(keys)):
        group_rows(keys[chunk], others[chunk], ratings[chunk], free, codes, grouped)
    return starts, codes, grouped


def shares(starts: Counts) -> Floats:
    """What the sum of pulls of each code is multiplied by: n^-1/2."""
    return (1 / np.sqrt(np.maximum(np.diff(starts), 1))).astype(np.float32)


def purpose_of(name: str) -> int:
    """A number that distinguishes the random streams of the two axes."""
    return 0 if name == "user" else 1


def first_vectors(draw: np.random.Generator, known: npt.NDArray[np.bool_], *, size: int) -> Floats:
    """Small random vectors with biases of 0; zeros for codes without ratings."""
    vectors = np.zeros((len(known), size), np.float32)
    vectors[:, : size - 1] = _SPREAD * draw.standard_normal((len(known), size - 1), np.float32)
    vectors[~known] = 0
    return vectors
