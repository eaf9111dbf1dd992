"""Two concatenated embeddings through one linear layer, the notebook's RecSysModel.

By algebra w . [p_u, q_m] + c = (w_1 . p_u) + (w_2 . q_m) + c: a bias-only model, whatever the sizes.
"""

import torch
from torch import Tensor

from matinee.settings.training import LinearModel
from matinee.train.models.base import RatingModel, Shape

_SPREAD = 0.05


class Linear(RatingModel):
    """The seed notebook's first model: it learns biases, but no taste."""

    def __init__(self, settings: LinearModel, shape: Shape, *, mean: float) -> None:
        super().__init__(shape)
        size = settings.embedding_size
        self.user_embedding = self._table(self.users, size, spread=_SPREAD)
        self.movie_embedding = self._table(self.movies, size, spread=_SPREAD)
        self.output = self._layer(2 * size, 1, bias=mean)

    def forward(self, users: Tensor, movies: Tensor) -> Tensor:
        pair = self._look_up(self.user_embedding, users), self._look_up(self.movie_embedding, movies)
        rating: Tensor = self.output(torch.cat(pair, dim=1))
        return rating[:, 0]
