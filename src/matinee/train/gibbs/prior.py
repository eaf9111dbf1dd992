"""The hyperparameters of one axis: the priors of columns, and the degrees of freedom of the weights.

They are few numbers, kept on the host in float64, also if the rows are on a GPU.
"""

import math
from dataclasses import dataclass

import numpy as np

from matinee.release.arrays import Doubles
from matinee.train.engine import Arrays

# Normal-Gamma over each column, with the weight of one zero vector of unit precision.
_SHAPE, _RATE, _WEIGHT = 0.5, 0.5, 1.0
_NU_GRID = np.geomspace(1.0, 300.0, 400)
_LOG_GAMMA = np.array([math.lgamma(nu / 2) for nu in _NU_GRID])


@dataclass(frozen=True)
class Moments:
    """Moments of vectors and pulls by column, without codes that have no rating."""

    count: int
    average: Doubles  # of the vectors less what their pulls add
    scatter: Doubles  # summed squares around it
    pulls: int
    pull_squares: Doubles


@dataclass
class Prior:
    """Mean and precision of each column, the precision of its pulls, and the degrees of freedom of the weights."""

    mean: Doubles
    precision: Doubles
    pull_precision: Doubles
    nu: Doubles
    centred: bool  # whether the last column's mean is 0

    @classmethod
    def of(cls, width: int, *, centred: bool) -> "Prior":
        """A prior for a number of columns, before any draw."""
        return cls(np.zeros(width), np.ones(width), np.ones(width), np.ones(1), centred)

    def begin(self) -> None:
        """Start a chain."""
        for array, value in zip(self.state().values(), (0.0, 1.0, 10.0, 10.0), strict=True):
            array[:] = value

    def state(self) -> Arrays:
        """The state that the next draw needs."""
        return {
            "mean": self.mean,
            "precision": self.precision,
            "pull_precision": self.pull_precision,
            "nu": self.nu,
        }

    def draw(self, draw: np.random.Generator, moments: Moments) -> None:
        """Draw mean and precision of each column, and the precision of its pulls, given all vectors and pulls."""
        size, count = len(moments.average), moments.count
        average, scatter, held = moments.average.copy(), moments.scatter.copy(), moments.average.copy()
        if self.centred:
            scatter[-1] += count * average[-1] ** 2
            held[-1] = average[-1] = 0.0
        weight = _WEIGHT + count
        # The prior of the mean is at 0.
        rate = _RATE + (scatter + _WEIGHT * count / weight * held**2) / 2
        self.precision[:size] = draw.gamma(_SHAPE + count / 2, size=size) / rate
        self.mean[:size] = draw.normal(count * average / weight, 1 / np.sqrt(weight * self.precision[:size]))
        if self.centred:
            self.mean[size - 1] = 0.0
        scale = _RATE + moments.pull_squares / 2
        self.pull_precision[:size] = draw.gamma(_SHAPE + moments.pulls / 2, size=size) / scale

    def draw_nu(self, draw: np.random.Generator, *, count: int, log_weights: float) -> None:
        """Draw the degrees of freedom from a grid, evenly spaced in its logarithm.

        `log_weights` is the sum of log(omega) - omega over the weights, of which there are `count`.
        """
        half = _NU_GRID / 2
        likelihood = count * (half * np.log(half) - _LOG_GAMMA) + half * log_weights
        chances = np.cumsum(np.exp(likelihood - likelihood.max()))
        self.nu[0] = _NU_GRID[int(np.searchsorted(chances, draw.random() * chances[-1]))]
