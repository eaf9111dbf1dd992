"""history.json of a candidate: how the fit went."""

from typing import ClassVar

from pydantic import Field

from matinee.formats.base import Format


class FitPoint(Format):
    """One point of the loss trace; the last one of an epoch has the RMSE on the valid rows."""

    stage: str = Field(description="`fit` with early stopping by the valid rows; `refit` on more rows.")
    epoch: int = Field(description="The epoch, from 1; with the sampler a sweep.")
    rows_done: int = Field(description="Rows of the epoch that were done.")
    train_rmse: float = Field(
        description="RMSE on the rows since the last point, before they changed the weights."
    )
    valid_rmse: float | None = Field(
        description="RMSE on the valid rows; null within an epoch and in a refit."
    )
    learning_rate: float | None = Field(None, description="Step size; null with the sampler.")
    seconds: float = Field(0.0, description="Seconds since the stage began.")
    bytes_sent: int | None = Field(
        None,
        description="Bytes that each rank has sent round the ring in this epoch; absent with one process.",
    )


class History(Format):
    """history.json: the loss trace."""

    NAME: ClassVar[str] = "history.json"

    points: list[FitPoint] = Field(description="The points, oldest first.")
