# mypy: disable-error-code="no-untyped-def"
"""The inner loop of pairwise accuracy."""

import numpy as np

from matinee.store.compiled import njit


@njit(nogil=True, cache=True)
def count_in_order(starts, levels, scores, count, right, pairs):
    """For user i, whose rows are starts[i] to starts[i+1]: the pairs of unlike levels, and those in the right order.

    `scores` [rows] ascend within a user, and `levels` [rows] are places in 0..count-1; equal scores count half. What is
    found is added to `right` and `pairs` [users].
    """
    below, tied = np.zeros(count), np.zeros(count)
    for i in range(starts.size - 1):
        below[:] = 0
        start = starts[i]
        while start < starts[i + 1]:
            stop = start
            tied[:] = 0
            while stop < starts[i + 1] and scores[stop] == scores[start]:
                tied[levels[stop]] += 1
                stop += 1
            lower = 0.0  # rows of lower levels and lower scores, and half of those of equal scores
            for level in range(count):
                right[i] += tied[level] * lower
                lower += below[level] + tied[level] / 2
                below[level] += tied[level]
            start = stop
        lower = 0.0
        for level in range(count):
            pairs[i] += below[level] * lower
            lower += below[level]
