# mypy: disable-error-code="no-untyped-def"
"""The inner loop of the bias-only fit."""

from matinee.store.compiled import njit


@njit(nogil=True, cache=True)
def add_residuals(codes, others, ratings, mean, bias, sums):
    """Add rating - mean - bias[other] of each row to sums[code], in float64 and in the order of the rows."""
    for row in range(codes.size):
        sums[codes[row]] += ratings[row] - mean - bias[others[row]]
