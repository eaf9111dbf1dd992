"""The four models of the notebook in torch: parameters and a forward pass, nothing about data or training."""

import torch

from matinee.models.base import RatingModel
from matinee.models.dot import Dot
from matinee.models.linear import Linear
from matinee.models.mlp import Mlp
from matinee.models.neumf import NeuMF
from matinee.recipes import ModelName
from matinee.settings import ModelSettings

__all__ = ["RatingModel", "build"]

_MODELS: dict[ModelName, type[Dot | Linear | Mlp | NeuMF]] = {
    "dot": Dot,
    "linear": Linear,
    "mlp": Mlp,
    "neumf": NeuMF,
}


def build(
    name: ModelName,
    settings: ModelSettings,
    *,
    users: int,
    movies: int,
    mean: float,
    generator: torch.Generator,
    sparse: bool = False,
) -> RatingModel:
    """A model with fresh weights drawn on the CPU from `generator`, its answers near `mean` at first.

    `settings` are resolved (no None); `sparse` makes the gradients of the tables sparse.
    """
    return _MODELS[name](settings, mean=mean, users=users, movies=movies, sparse=sparse, generator=generator)
