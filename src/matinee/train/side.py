"""One side of the Gibbs sampler, users or movies: its ratings in order, its vectors and what their prior knows."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matinee.train.blocks import Crew
from matinee.train.gibbs_kernels import LANES, draw_pull, draw_vectors, group_rows, sum_squares
from matinee.train.rows import blank, count_codes, pieces

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_SPREAD = 0.1
_PART_ROWS = 1 << 15  # ratings of a task: small beside a run of them, so that threads end together
# Normal-Gamma over each column: as much as one vector at zero with unit precision says.
_PRIOR_SHAPE, _PRIOR_RATE, _PRIOR_WEIGHT = 0.5, 0.5, 1.0
_NU_GRID = np.geomspace(1.0, 300.0, 400)
_LOG_GAMMA = np.array([math.lgamma(nu / 2) for nu in _NU_GRID])


@dataclass
class Side:
    """Ratings grouped by this side's codes, and its part of the chain's state."""

    name: str
    purpose: int  # tells its random streams from the other side's
    starts: Counts
    codes: npt.NDArray[np.int32]  # of the other side, by rating
    ratings: Floats
    bounds: Counts  # of the parts that threads share
    share: Floats  # n^-1/2 by code
    size: int  # numbers of a vector, the last of them the bias
    X: Floats
    E: Floats  # X minus its prior mean
    omega: Floats
    pull: Floats  # by code of the other side: what it adds to the prior mean of this side's vectors
    pull_mass: Doubles  # by code of the other side: the squared length of what its pull is multiplied by
    mean: Doubles
    precision: Doubles
    pull_precision: Doubles
    nu: Doubles

    @classmethod
    def of(
        cls, name: str, keys: npt.NDArray[np.int32], others: npt.NDArray[np.int32], ratings: Floats,
        *, count: int, other_count: int, size: int,
    ) -> "Side":  # fmt: skip
        """Group ratings by `keys`; the state is blank until a chain begins."""
        rows = count_codes(keys, count)
        starts = np.concatenate([[0], np.cumsum(rows)])
        codes, grouped = (blank(len(keys), dtype=column.dtype) for column in (others, ratings))
        free = starts[:-1].copy()
        for piece in pieces(len(keys)):
            group_rows(keys[piece], others[piece], ratings[piece], free, codes, grouped)
        width = -(-size // LANES) * LANES
        share = (1 / np.sqrt(np.maximum(rows, 1))).astype(np.float32)
        cuts = np.searchsorted(starts, np.arange(0, len(keys), _PART_ROWS), side="left")
        return cls(
            name=name,
            purpose=0 if name == "user" else 1,
            starts=starts,
            codes=codes,
            ratings=grouped,
            bounds=np.unique(np.concatenate([[0], cuts, [count]])),
            share=share,
            size=size,
            X=np.zeros((count, width), np.float32),
            E=np.zeros((count, width), np.float32),
            omega=np.ones(count, np.float32),
            pull=np.zeros((other_count, width), np.float32),
            pull_mass=np.zeros(other_count),
            mean=np.zeros(width),
            precision=np.ones(width),
            pull_precision=np.ones(width),
            nu=np.ones(1),
        )

    def begin(self, draw: np.random.Generator) -> None:
        """Start a chain: small random vectors for the codes that have ratings, and nothing learned yet."""
        self.X[:] = 0
        self.X[:, : self.size - 1] = _SPREAD * draw.standard_normal((len(self.X), self.size - 1), np.float32)
        self.X[~self.known] = 0
        self.E[:] = self.X
        for array, value in (
            (self.omega, 1.0),
            (self.pull, 0.0),
            (self.mean, 0.0),
            (self.precision, 1.0),
            (self.pull_precision, 10.0),
            (self.nu, 10.0),
        ):
            array[:] = value

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """The codes that have a rating."""
        return np.diff(self.starts) > 0

    def weigh(self, other: "Side") -> None:
        """Sum what the pull of each code of the other side is divided by; it never changes."""
        times = np.zeros(len(self.share), np.int64)
        for first, last in zip(other.bounds[:-1], other.bounds[1:], strict=True):
            sum_squares(first, last, other.starts, other.codes, self.share, times, self.pull_mass)

    def parts(self) -> Counts:
        """Numbers of the parts that threads share."""
        return np.arange(len(self.bounds) - 1)

    def rows_of(self, parts: Counts) -> int:
        """Ratings in some parts."""
        return int((self.starts[self.bounds[parts + 1]] - self.starts[self.bounds[parts]]).sum())

    def draw_prior(self, draw: np.random.Generator, other: "Side") -> None:
        """Draw mean and precision of each column, and the precision of its pull, given the vectors."""
        known, size = self.known, self.size
        count = int(known.sum())
        free = (self.E[known] + self.mean)[:, :size]
        average = free.mean(axis=0)
        scatter = np.square(free - average).sum(axis=0)
        held = average.copy()  # what the prior of the mean, at 0, holds against it
        if self.name == "user":  # the users' biases have mean 0: the overall mean is there for that
            scatter[-1] += count * average[-1] ** 2
            held[-1] = average[-1] = 0.0
        weight = _PRIOR_WEIGHT + count
        rate = _PRIOR_RATE + (scatter + _PRIOR_WEIGHT * count / weight * held**2) / 2
        self.precision[:size] = draw.gamma(_PRIOR_SHAPE + count / 2, size=size) / rate
        before = self.mean.copy()
        self.mean[:size] = draw.normal(count * average / weight, 1 / np.sqrt(weight * self.precision[:size]))
        if self.name == "user":
            self.mean[size - 1] = 0.0
        self.E[known] += (before - self.mean).astype(np.float32)
        self.X[~known] = self.mean  # a stranger is drawn towards the middle
        pull = self.pull[other.known, :size].astype(np.float64)
        scale = _PRIOR_RATE + np.square(pull).sum(axis=0) / 2
        self.pull_precision[:size] = draw.gamma(_PRIOR_SHAPE + len(pull) / 2, size=size) / scale

    def draw_part(
        self, parts: Counts, other: "Side", *, mean: float, alpha: float, seed: int, sweep: int, crew: Crew
    ) -> float:
        """Draw weights and vectors of some parts; returns the sum of squared errors before."""
        squared = np.zeros(len(self.bounds) - 1)
        crew.share(
            draw_vectors, parts, self.bounds, self.starts, self.codes, self.ratings, self.X, self.E, self.omega,
            other.X, other.omega, self.size, np.float32(mean), alpha, self.precision, self.nu[0], seed, sweep,
            self.purpose, squared,
        )  # fmt: skip
        return float(squared[parts].sum())

    def draw_pulls(self, other: "Side", *, seed: int, sweep: int, crew: Crew) -> None:
        """Draw what each code of the other side adds to the prior means of this one."""
        groups = np.arange(self.X.shape[1] // LANES)
        for first, last in zip(other.bounds[:-1], other.bounds[1:], strict=True):
            crew.share(
                draw_pull, groups, first, last, other.starts, other.codes, self.E, self.share,
                self.pull, self.pull_mass, self.size, self.precision, self.pull_precision,
                seed, sweep, self.purpose + 2,
            )  # fmt: skip

    def draw_nu(self, draw: np.random.Generator) -> None:
        """Draw the degrees of freedom of the weights from a grid, evenly spaced in its logarithm."""
        omega = self.omega[self.known].astype(np.float64)
        half = _NU_GRID / 2
        evidence = len(omega) * (half * np.log(half) - _LOG_GAMMA) + half * (np.log(omega) - omega).sum()
        chances = np.cumsum(np.exp(evidence - evidence.max()))
        self.nu[0] = _NU_GRID[int(np.searchsorted(chances, draw.random() * chances[-1]))]
