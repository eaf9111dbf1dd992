"""Random numbers in torch: one generator per key, so that a draw depends only on its purpose and the device."""

import numpy as np
import torch
from torch import Tensor


def generator(device: str, *key: int) -> torch.Generator:
    """Random numbers for one purpose."""
    state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator(device).manual_seed(state >> 1)


def draw_normal(precision: Tensor, gradient: Tensor, draw: torch.Generator) -> Tensor:
    """A draw from the normal distribution with a precision P and mean P^-1 g, for each of many."""
    factor = torch.linalg.cholesky_ex(precision).L
    half = torch.linalg.solve_triangular(factor, gradient[..., None], upper=False)
    half += torch.randn(half.shape, generator=draw, dtype=half.dtype, device=half.device)
    drawn: Tensor = torch.linalg.solve_triangular(factor.mT, half, upper=True)
    return drawn[..., 0]
