"""What the models share: tables of one row per code, and a forward pass over pairs of codes."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Shape(NamedTuple):
    """What a model is made of, in addition to its settings."""

    users: int
    movies: int
    sparse: bool  # whether the gradients of the tables are sparse
    generator: torch.Generator  # draws the initial weights, and in training what is dropped


class RatingModel(nn.Module, ABC):
    """Scores pairs of codes.

    The names of its parameters are those of the arrays in a release (`matinee.release.scoring` reads them). With
    `sparse` the gradient of a table holds the rows that a batch touched and no others.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.users = shape.users
        self.movies = shape.movies
        self.sparse = shape.sparse
        self.generator = shape.generator

    @abstractmethod
    def forward(self, users: Tensor, movies: Tensor) -> Tensor:
        """Unclipped ratings of pairs: two integer tensors (n) in, one float tensor (n) out."""

    def _table(self, rows: int, columns: int, *, spread: float) -> nn.Parameter:
        return nn.Parameter(torch.empty(rows, columns).normal_(0, spread, generator=self.generator))

    def _layer(self, inputs: int, outputs: int, *, bias: float | None = None) -> nn.Linear:
        """A linear layer with torch's own bounds of initial weights; `bias` sets what it starts from."""
        layer = nn.Linear(inputs, outputs)
        bound = inputs**-0.5
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=self.generator)
            if bias is None:
                layer.bias.uniform_(-bound, bound, generator=self.generator)
            else:
                layer.bias.fill_(bias)
        return layer

    def _look_up(self, table: nn.Parameter, codes: Tensor) -> Tensor:
        return functional.embedding(codes, table, sparse=self.sparse)

    def _drop(self, values: Tensor, share: float) -> Tensor:
        """Dropout from the model's own generator, so that an epoch can be repeated to the bit."""
        if not self.training or share == 0:
            return values
        kept = torch.rand(values.shape, generator=self.generator, device=values.device) >= share
        return values * kept / (1 - share)
