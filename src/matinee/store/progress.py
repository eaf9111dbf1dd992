"""Progress of a training step, reported to a listener point by point.

The listener may draw a bar, print lines or update the page of a run.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One point of a fit: within an epoch (`valid_rmse` is None) or at its end."""

    stage: str  # "fit", "refit" once the best epoch is known, or what the ranking model is at
    epoch: int  # from 1
    epochs: int
    rows_done: int  # of this epoch
    rows: int
    rows_per_second: float | None  # None where the fit does not go by rows
    train_rmse: float | None
    valid_rmse: float | None
    best_rmse: float | None
    seconds_left: float


Listener = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """A listener that ignores all points."""
