"""Conjugate gradients (Hestenes and Stiefel 1952), residuals divided by a diagonal: for numpy and for torch."""

from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

from matinee.train.ranking.tiles import Report

MOST_STEPS: Final = 100
TOLERANCE: Final = 3e-3  # of the norm of a residual; smaller ones change no list
ROUGH: Final = 3e-2  # where the next round of the iteration corrects it
_Array = TypeVar("_Array")


def descend(
    library: ModuleType,
    right: _Array,
    *,
    gram: Callable[[_Array], _Array],
    dots: Callable[[_Array, _Array], _Array],
    ridge: _Array,
    diagonal: _Array,
    rough: bool,
    report: Report,
) -> _Array:
    """(X'X + D)^-1 R, until the residual of each column is a small share of its first value; overwrites R.

    Args:
        library: numpy or torch, whichever the arrays are from.
        right: R, [2, movies, columns].
        gram: X'X V.
        dots: Scalar products of columns in float64, [columns].
        ridge: The diagonal D, [2, movies, 1].
        diagonal: That of X'X + D.
        rough: Whether two digits are enough.
        report: Called with the progress.
    """
    residual: Any = right
    found: Any = library.zeros_like(residual)
    direction: Any = library.divide(residual, diagonal)
    size: Any = dots(residual, direction)
    enough = size * (ROUGH if rough else TOLERANCE) ** 2
    for step in range(MOST_STEPS):
        if bool((size <= enough).all()):
            break
        product: Any = gram(direction)
        product += ridge * direction
        length = _ratio(library, size, dots(direction, product))
        found += length * direction
        product *= length
        residual -= product
        library.divide(residual, diagonal, out=product)
        before, size = size, dots(residual, product)
        direction *= _ratio(library, size, before)
        direction += product
        report("gradients", step + 1, MOST_STEPS)
    solved: _Array = found
    return solved


def _ratio(library: ModuleType, above: Any, below: Any) -> Any:
    """A quotient in float32; 0 where there is nothing left to divide by."""
    some = below > 0
    found = library.where(some, above / library.where(some, below, 1), 0)
    return library.asarray(found, dtype=library.float32)
