"""The four models of the notebook in torch: parameters and a forward pass, nothing about data or training."""

import torch

from matinee.settings import ModelSettings
from matinee.settings.presets import ModelName
from matinee.train.models.base import RatingModel
from matinee.train.models.dot import Dot
from matinee.train.models.linear import Linear
from matinee.train.models.mlp import Mlp
from matinee.train.models.neumf import NeuMF

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
