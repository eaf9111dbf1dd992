"""Biased matrix factorization: mean + user bias + movie bias + dot product (Koren, Bell, Volinsky 2009)."""

import torch
from torch import Tensor, nn

from matinee.settings.training import DotModel
from matinee.train.models.base import RatingModel, Shape

_SPREAD = 0.05  # initial factors: small compared with the biases, large enough to leave the saddle at zero


class Dot(RatingModel):
    """The default. Without biases it is the seed notebook's MatrixFactorization, around the mean."""

    def __init__(self, settings: DotModel, shape: Shape, *, mean: float) -> None:
        super().__init__(shape)
        size = settings.embedding_size
        self.user_factors = self._table(self.users, size, spread=_SPREAD)
        self.movie_factors = self._table(self.movies, size, spread=_SPREAD)
        self.user_bias = nn.Parameter(torch.zeros(self.users, 1), requires_grad=settings.biases)
        self.movie_bias = nn.Parameter(torch.zeros(self.movies, 1), requires_grad=settings.biases)
        self.mean = nn.Parameter(torch.tensor([mean]), requires_grad=False)

    def forward(self, users: Tensor, movies: Tensor) -> Tensor:
        bias = self._look_up(self.user_bias, users) + self._look_up(self.movie_bias, movies)
        factors = self._look_up(self.user_factors, users), self._look_up(self.movie_factors, movies)
        return self.mean + bias[:, 0] + (factors[0] * factors[1]).sum(1)
