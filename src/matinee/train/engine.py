"""The interface of an engine to the training loop: run an epoch, validate, return weights, save and restore state."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from matinee.settings import GradientTraining

Arrays = dict[str, npt.NDArray[Any]]

# How an array scales with the ratings: the two factor tables of a dot product share one factor.
_POWERS = {"user_factors": 0.5, "movie_factors": 0.5}
_POWERS |= dict.fromkeys(("mean", "user_bias", "movie_bias", "output.weight", "output.bias"), 1.0)


@dataclass(frozen=True)
class EpochStep:
    """A short step of an epoch; a fit can be stopped between two steps."""

    rows: int
    squared_error: float  # summed over these rows, before they changed the weights
    sent: int = 0  # bytes that each rank has sent in this epoch


class Engine(Protocol):
    """One running fit."""

    def learning_rate(self, epoch: int) -> float | None:
        """Step size of an epoch, counted from 1; None if the engine has none."""

    def run_epoch(self, epoch: int) -> Iterator[EpochStep]:
        """Run one epoch step by step; its random draws depend only on the seed and on `epoch`."""

    def valid_rmse(self) -> float | None:
        """RMSE over the valid rows, within the scale; None in a refit."""

    def weights(self) -> Arrays:
        """Copies of the weights, in the form of a release."""

    def state(self) -> Arrays:
        """The state that the next epoch needs."""

    def restore(self, state: Arrays) -> None:
        """Resume from a state."""


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
    """Rescale weights that were fitted to ratings in units, so that they predict on the rating scale."""
    return {name: array * np.float32(unit ** _POWERS.get(name, 0.0)) for name, array in arrays.items()}
