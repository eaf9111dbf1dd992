"""Deterministic sums over ragged rows on a device.

index_add and scatter_add of CUDA add in any order. In embedding_bag one thread adds a bag in order, but the ratings of
a popular movie would keep one thread busy for long. So rows are cut into short segments, and the sums of segments are
added in short groups, until a row is one group.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from matinee.release.arrays import Counts

LENGTH = 32  # of a segment: little waste on short rows, and few products to add up on long ones


@dataclass(frozen=True)
class Level:
    """Neighbours cut into groups; the next level cuts these groups."""

    starts: Tensor  # of each group, among what this level cuts; one more for the end
    bounds: Counts  # the first group of each row; one more for the end


class Segments:
    """Rows of neighbours, cut into segments of LENGTH at most, and these into groups of as many."""

    def __init__(self, starts: Counts, device: str) -> None:
        """`starts` says where each row starts, and has one more for the end: fewer than 2^31 neighbours."""
        self.levels: list[Level] = []
        rows = np.arange(len(starts))
        while not self.levels or np.diff(starts).max() > LENGTH:
            bounds = np.concatenate([[0], np.cumsum(-(-np.diff(starts) // LENGTH))])
            within = np.arange(bounds[-1]) - np.repeat(bounds[:-1], np.diff(bounds))
            cuts = np.repeat(starts[:-1], np.diff(bounds)) + LENGTH * within
            self._add(np.append(cuts, starts[-1]), bounds, device)
            starts = bounds
        self._add(starts, rows, device)  # here a row without anything has a group: its sum is 0

    def _add(self, starts: Counts, bounds: Counts, device: str) -> None:
        self.levels.append(Level(torch.from_numpy(starts.astype(np.int32)).to(device), bounds))

    @property
    def bounds(self) -> Counts:
        """The first segment of each row; one more for the end."""
        return self.levels[0].bounds

    def sums(self, table: Tensor, codes: Tensor) -> Tensor:
        """For each row the sum of the table's rows that its codes, one a neighbour, name."""
        first = self.levels[0]
        return self.fold(functional.embedding_bag(codes, table, first.starts[:-1], mode="sum"))

    def fold(self, values: Tensor, *, rows: slice | None = None) -> Tensor:
        """Sum one row of values a segment over each row; of all rows, or of some, with their segments alone."""
        some = rows or slice(0, len(self.bounds) - 1)
        for below, level in zip(self.levels[:-1], self.levels[1:], strict=True):
            groups = slice(level.bounds[some.start], level.bounds[some.stop])
            starts = level.starts[groups] - int(below.bounds[some.start])
            every = torch.arange(len(values), dtype=torch.int32, device=values.device)
            values = functional.embedding_bag(every, values, starts, mode="sum")
        return values
