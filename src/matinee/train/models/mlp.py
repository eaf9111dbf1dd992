"""Two concatenated embeddings, a hidden layer with leaky ReLU, one output: the notebook's fc1, relu, fc2."""

import torch
from torch import Tensor
from torch.nn import functional

from matinee.settings.training import MlpModel
from matinee.train.models.base import RatingModel, Shape

_SPREAD = 0.05


class Mlp(RatingModel):
    """A learned similarity in place of the dot product; Rendle et al. (2020) on why that is hard."""

    def __init__(self, settings: MlpModel, shape: Shape, *, mean: float) -> None:
        super().__init__(shape)
        size, hidden = settings.embedding_size, settings.hidden_size
        self.dropout = settings.dropout
        self.user_embedding = self._table(self.users, size, spread=_SPREAD)
        self.movie_embedding = self._table(self.movies, size, spread=_SPREAD)
        self.hidden = self._layer(2 * size, hidden)
        self.output = self._layer(hidden, 1, bias=mean)

    def forward(self, users: Tensor, movies: Tensor) -> Tensor:
        pair = self._look_up(self.user_embedding, users), self._look_up(self.movie_embedding, movies)
        hidden = self._drop(functional.leaky_relu(self.hidden(torch.cat(pair, dim=1))), self.dropout)
        rating: Tensor = self.output(hidden)
        return rating[:, 0]
