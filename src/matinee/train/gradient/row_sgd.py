"""SGD of the dot model for a GPU: large batches, each row moved as far as its sequential steps would move it."""

import torch
from torch import Tensor

from matinee.train.gradient.adagrad import Touched
from matinee.train.models import RatingModel
from matinee.train.regularization import Regularization, column_shares


class RowSgd:
    """The update of the compiled kernels, in closed form over a batch.

    A row that occurs c times in a batch would take c steps one after the other. Against a quadratic of
    curvature h they reach (1 - (1 - rate h)^c) / h times the mean gradient, where the sum of c steps from one
    place would overshoot: rate c h is far above 1 for the popular movies of a large batch.
    """

    def __init__(self, model: RatingModel, regularization: Regularization) -> None:
        self._regularization = regularization
        self._tables = {
            name: parameter.data for name, parameter in model.named_parameters() if parameter.requires_grad
        }

    @torch.no_grad()
    def begin_epoch(self) -> None:
        """Update the regularization share of each column."""
        self._shares = column_shares(self._tables["user_factors"], self._tables["movie_factors"])

    @torch.no_grad()
    def step(self, error: Tensor, rate: float, users: Tensor, movies: Tensor) -> None:
        """One step on half the summed squared error of a batch and the regularization of its rows."""
        p = self._tables["user_factors"][users]
        q = self._tables["movie_factors"][movies]
        minus = error.detach()[:, None]
        for axis, codes, other in (("user", users, q), ("movie", movies, p)):
            touched = Touched.by(codes)
            curvature = touched.sums(other.square().sum(1, keepdim=True))
            self._move(f"{axis}_factors", touched, rate, touched.sums(minus * other), curvature)
            if f"{axis}_bias" in self._tables:
                counts = touched.counts[:, None].to(minus.dtype)
                self._move(f"{axis}_bias", touched, rate, touched.sums(minus), counts)

    def _move(self, name: str, touched: Touched, rate: float, gradient: Tensor, curvature: Tensor) -> None:
        """Move the touched rows of a table; gradient and curvature are sums over the batch."""
        table, rows, counts = self._tables[name], touched.rows, touched.counts[:, None]
        regularization = self._regularization.of(name, rows)
        if name.endswith("_factors"):
            regularization = regularization * self._shares
        slope = gradient / counts + regularization * table[rows]
        bend = (curvature / counts + regularization).clamp(min=1e-12)
        reach = -torch.expm1(counts * torch.log1p(-(rate * bend).clamp(max=0.9))) / bend
        table[rows] -= reach * slope

    def state(self) -> dict[str, Tensor]:
        """Empty: the weights are the whole state."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Nothing to restore."""
