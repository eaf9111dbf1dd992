"""What the loop asks of an engine: how one epoch runs, how good the model is now, and all that the next epoch needs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from matinee.settings import GradientTraining

Arrays = dict[str, npt.NDArray[Any]]

# How an array grows with the ratings that it was fitted to: the two sides of a dot product share one factor.
_POWERS = {"user_factors": 0.5, "movie_factors": 0.5}
_POWERS |= dict.fromkeys(("mean", "user_bias", "movie_bias", "output.weight", "output.bias"), 1.0)


@dataclass(frozen=True)
class EpochStep:
    """Some rows of an epoch that are done; none takes long, so that a fit can be stopped between two."""

    rows: int
    squared_error: float  # summed over these rows, before they changed the weights


class Engine(Protocol):
    """One fit under way."""

    def learning_rate(self, epoch: int) -> float | None:
        """Step size of an epoch, from 1; None where there is none."""

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """Run one epoch piece by piece; what it draws depends on the seed and on `epoch` alone."""

    def valid_rmse(self) -> float | None:
        """RMSE over the valid rows, within the scale; None in a refit."""

    def weights(self) -> Arrays:
        """Copies of the weights as a release has them."""

    def state(self) -> Arrays:
        """All that the next epoch needs."""

    def restore(self, state: Arrays) -> None:
        """Go on from a state."""


def step_size(train: GradientTraining, epoch: int) -> float:
    """Learning rate of an epoch: cut by `lr_gamma` after each `lr_step` epochs, as torch's StepLR does."""
    return float(train.learning_rate * train.lr_gamma ** ((epoch - 1) // train.lr_step))


def rmse_within(
    predicted: npt.NDArray[np.floating[Any]], ratings: npt.NDArray[np.float32], scale: tuple[float, float]
) -> float:
    """Root mean squared error of predictions clipped to the scale, summed in float64."""
    error = np.clip(predicted, *scale) - ratings
    return float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))


def to_rating_scale(arrays: Arrays, *, unit: float) -> Arrays:
    """Weights that were fitted to ratings in units, so that they answer in the scale's own."""
    return {name: array * np.float32(unit ** _POWERS.get(name, 0.0)) for name, array in arrays.items()}
