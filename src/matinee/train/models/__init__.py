"""The four models of the seed notebook in torch: parameters and a forward pass, without data or training."""

import torch

from matinee.settings.training import AnyModel, DotModel, LinearModel, MlpModel, NeumfModel
from matinee.train.models.base import RatingModel, Shape
from matinee.train.models.dot import Dot
from matinee.train.models.linear import Linear
from matinee.train.models.mlp import Mlp
from matinee.train.models.neumf import NeuMF

__all__ = ["RatingModel", "build"]


def build(
    settings: AnyModel,
    *,
    users: int,
    movies: int,
    mean: float,
    generator: torch.Generator,
    sparse: bool = False,
) -> RatingModel:
    """A model with fresh weights drawn on the CPU from `generator`, its answers near `mean` at first.

    `sparse` makes the gradients of the tables sparse.
    """
    shape = Shape(users=users, movies=movies, sparse=sparse, generator=generator)
    match settings:
        case DotModel():
            return Dot(settings, shape, mean=mean)
        case LinearModel():
            return Linear(settings, shape, mean=mean)
        case MlpModel():
            return Mlp(settings, shape, mean=mean)
        case NeumfModel():
            return NeuMF(settings, shape, mean=mean)
