"""Adagrad with one step size per row of a table, on the rows that a batch touched and no others.

A batch of 8,192 rows touches few of a table's rows: a dense optimizer would spend its time on the rest.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from matinee.train.regularization import Regularization

_EPSILON = 1e-8


@dataclass(frozen=True)
class TouchedRows:
    """The rows of one axis's tables that a batch touches: each once, with how often and where in the batch."""

    rows: Tensor  # distinct codes, ascending
    counts: Tensor
    order: Tensor  # positions in the batch, sorted by code
    starts: Tensor  # of each code's positions within `order`

    @classmethod
    def by(cls, codes: Tensor) -> "TouchedRows":
        """Sort a batch's codes; the sort is stable, so sums over equal codes have one order."""
        ordered, order = torch.sort(codes.long(), stable=True)
        rows, counts = torch.unique_consecutive(ordered, return_counts=True)
        return cls(rows=rows, counts=counts, order=order, starts=torch.cumsum(counts, 0) - counts)

    def sums(self, values: Tensor) -> Tensor:
        """Sum the rows of `values`, one per row of the batch, over equal codes."""
        return functional.embedding_bag(self.order, values, self.starts, mode="sum")


class RowAdagrad:
    """Duchi et al. (2011) with one accumulator per row of a table and one per number of a layer."""

    def __init__(self, model: nn.Module, regularization: Regularization) -> None:
        self._regularization = regularization
        self._parameters = {
            name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad
        }
        self._totals = {
            name: torch.zeros_like(parameter[:, :1] if regularization.covers(name) else parameter)
            for name, parameter in self._parameters.items()
        }

    def begin_epoch(self) -> None:
        """Nothing to prepare."""

    def step(self, error: Tensor, rate: float, users: Tensor, movies: Tensor) -> None:
        """One step on half the summed squared error of a batch, each row of a table with its regularization."""
        error.square().sum().mul(0.5).backward()  # type: ignore[no-untyped-call]
        touched = {"user": TouchedRows.by(users), "movie": TouchedRows.by(movies)}
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                if self._regularization.covers(name):
                    self._move_rows(name, parameter, rate, touched[name.partition("_")[0]])
                elif parameter.grad is not None:
                    self._totals[name] += parameter.grad.square()
                    parameter.sub_(rate * parameter.grad / (self._totals[name].sqrt() + _EPSILON))
                parameter.grad = None

    def _move_rows(self, name: str, table: Tensor, rate: float, touched: TouchedRows) -> None:
        if table.grad is None:
            return
        rows, totals = touched.rows, self._totals[name]
        before = table[rows]
        gradient = touched.sums(table.grad._values())
        gradient += self._regularization.of(name, rows) * touched.counts[:, None] * before
        total = totals[rows] + gradient.square().mean(1, keepdim=True)
        totals[rows] = total
        table[rows] = before - rate * gradient / (total.sqrt() + _EPSILON)

    def state(self) -> dict[str, Tensor]:
        """The accumulators by parameter."""
        return dict(self._totals)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from accumulators."""
        for name, value in state.items():
            self._totals[name].copy_(value)
