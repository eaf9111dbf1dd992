"""Neural matrix factorization (He et al. 2017): a generalized dot product and an MLP, joined by a last layer."""

import torch
from torch import Tensor
from torch.nn import functional

from matinee.settings.training import NeumfModel
from matinee.train.models.base import RatingModel, Shape

_SPREAD = 0.05


class NeuMF(RatingModel):
    """Product and MLP have separate embeddings, as in the paper; ratings instead of clicks, so no sigmoid."""

    def __init__(self, settings: NeumfModel, shape: Shape, *, mean: float) -> None:
        super().__init__(shape)
        size, hidden = settings.embedding_size, settings.hidden_size
        self.dropout = settings.dropout
        self.user_dot = self._table(self.users, size, spread=_SPREAD)
        self.movie_dot = self._table(self.movies, size, spread=_SPREAD)
        self.user_mlp = self._table(self.users, size, spread=_SPREAD)
        self.movie_mlp = self._table(self.movies, size, spread=_SPREAD)
        self.hidden = self._layer(2 * size, hidden)
        self.output = self._layer(size + hidden, 1, bias=mean)

    def forward(self, users: Tensor, movies: Tensor) -> Tensor:
        product = self._look_up(self.user_dot, users) * self._look_up(self.movie_dot, movies)
        pair = self._look_up(self.user_mlp, users), self._look_up(self.movie_mlp, movies)
        hidden = self._drop(functional.leaky_relu(self.hidden(torch.cat(pair, dim=1))), self.dropout)
        rating: Tensor = self.output(torch.cat([product, hidden], dim=1))
        return rating[:, 0]
