"""What an axis of the sampler learns of its rows as a whole: the priors of columns, and how far weights spread.

Few numbers, on the host and in float64, whatever device the rows are on.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from matinee.train.engine import Arrays

Doubles = npt.NDArray[np.float64]

# Normal-Gamma over each column: as much as one vector at zero with unit precision says.
_SHAPE, _RATE, _WEIGHT = 0.5, 0.5, 1.0
_NU_GRID = np.geomspace(1.0, 300.0, 400)
_LOG_GAMMA = np.array([math.lgamma(nu / 2) for nu in _NU_GRID])


@dataclass(frozen=True)
class Moments:
    """What vectors and pulls say of their columns; both without those of codes that have no rating."""

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
        """Room for columns that nothing is known of."""
        return cls(np.zeros(width), np.ones(width), np.ones(width), np.ones(1), centred)

    def begin(self) -> None:
        """Start a chain."""
        for array, value in zip(self.state().values(), (0.0, 1.0, 10.0, 10.0), strict=True):
            array[:] = value

    def state(self) -> Arrays:
        """All that the next draw needs."""
        return {
            "mean": self.mean,
            "precision": self.precision,
            "pull_precision": self.pull_precision,
            "nu": self.nu,
        }

    def draw(self, draw: np.random.Generator, told: Moments) -> None:
        """Draw mean and precision of each column, and the precision of its pulls, given all vectors and pulls."""
        size, count = len(told.average), told.count
        average, scatter, held = told.average.copy(), told.scatter.copy(), told.average.copy()
        if self.centred:
            scatter[-1] += count * average[-1] ** 2
            held[-1] = average[-1] = 0.0
        weight = _WEIGHT + count
        # The prior of the mean, at 0, holds the average against it.
        rate = _RATE + (scatter + _WEIGHT * count / weight * held**2) / 2
        self.precision[:size] = draw.gamma(_SHAPE + count / 2, size=size) / rate
        self.mean[:size] = draw.normal(count * average / weight, 1 / np.sqrt(weight * self.precision[:size]))
        if self.centred:
            self.mean[size - 1] = 0.0
        scale = _RATE + told.pull_squares / 2
        self.pull_precision[:size] = draw.gamma(_SHAPE + told.pulls / 2, size=size) / scale

    def draw_nu(self, draw: np.random.Generator, *, count: int, evidence: float) -> None:
        """Draw the degrees of freedom from a grid, evenly spaced in its logarithm.

        `evidence` is the sum of log(omega) - omega over the weights, of which there are `count`.
        """
        half = _NU_GRID / 2
        likelihood = count * (half * np.log(half) - _LOG_GAMMA) + half * evidence
        chances = np.cumsum(np.exp(likelihood - likelihood.max()))
        self.nu[0] = _NU_GRID[int(np.searchsorted(chances, draw.random() * chances[-1]))]
