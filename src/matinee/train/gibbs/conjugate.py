"""Conjugate gradients for many right-hand sides at once (Hestenes and Stiefel 1952), in torch."""

from collections.abc import Callable

import torch
from torch import Tensor

_TOLERANCE = 1e-5  # of the residual's norm: far below the spread of what is drawn with the solution
_MOST_STEPS = 500
_STEPS_A_LOOK = 8  # the host waits for the device once in so many steps


def solve_columns(multiply: Callable[[Tensor], Tensor], right: Tensor, *, diagonal: Tensor) -> Tensor:
    """The X with P_j x_j = right_j for each column j, where `multiply` makes P_j x_j of all x_j.

    Each P_j is positive definite, with a diagonal near `diagonal`'s column: the residuals are divided by it. Stops
    at a residual of 1e-5 of the right-hand side's, or after 500 steps. Columns that are done before others stand still.
    """
    found, residual = torch.zeros_like(right), right.clone()
    scaled = residual / diagonal
    direction, size = scaled, _dots(residual, scaled)
    enough = size * _TOLERANCE**2
    for step in range(_MOST_STEPS):
        if step % _STEPS_A_LOOK == 0 and bool((size <= enough).all()):
            break
        product = multiply(direction)
        length = _ratio(size, _dots(direction, product)).float()
        found += length * direction
        residual -= length * product
        scaled = residual / diagonal
        before, size = size, _dots(residual, scaled)
        direction = scaled + _ratio(size, before).float() * direction
    return found


def _dots(left: Tensor, right: Tensor) -> Tensor:
    """Scalar products of columns, summed in float64."""
    return (left * right).sum(0, dtype=torch.float64)


def _ratio(above: Tensor, below: Tensor) -> Tensor:
    """A quotient; 0 where there is nothing left to divide by."""
    return torch.where(below > 0, above / below, 0.0)
