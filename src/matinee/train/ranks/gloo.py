"""Ranks joined by torch.distributed, with gloo between CPUs. torchrun has set their environment."""

import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import distributed

from matinee.train.ranks.group import Numbers, Ranks


class GlooRanks(Ranks):
    """The process group that torchrun describes; `close` leaves it."""

    def __init__(self) -> None:
        distributed.init_process_group("gloo")
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        self.sent = 0

    @property
    def is_first_here(self) -> bool:
        """Whether it is the first rank on its host."""
        return os.environ["LOCAL_RANK"] == "0"

    def close(self) -> None:
        """Leave the group once every rank is done."""
        distributed.destroy_process_group()

    def add_up(self, numbers: Numbers) -> None:
        """Replace numbers by their sum over all ranks."""
        distributed.all_reduce(torch.from_numpy(numbers))

    def pass_on(self, give: Sequence[Numbers], take: Sequence[Numbers]) -> None:
        """Send arrays to the rank before this one, and fill others with those of the rank after it."""
        before, after = (self.rank - 1) % self.size, (self.rank + 1) % self.size
        sends = [distributed.isend(torch.from_numpy(table), before) for table in give if table.size]
        for table in take:
            if table.size:
                distributed.recv(torch.from_numpy(table), after)
        for send in sends:
            assert send is not None  # nosec B101 # for mypy: this process is in the group
            send.wait()
        self.sent += sum(table.nbytes for table in give)

    def in_order(self, start: Numbers, step: Callable[[Numbers], Numbers]) -> Numbers:
        """Let each rank change some numbers in turn, from the first to the last; every rank gets the result."""
        numbers = start.copy()
        if self.rank > 0:
            distributed.recv(torch.from_numpy(numbers), self.rank - 1)
        numbers = step(numbers)
        if self.rank + 1 < self.size:
            distributed.send(torch.from_numpy(numbers), self.rank + 1)
        distributed.broadcast(torch.from_numpy(numbers), self.size - 1)
        return numbers

    def collect(self, table: Numbers) -> list[Numbers]:
        """On the first rank, the arrays of all ranks in order; elsewhere an empty list."""
        lengths = np.zeros(self.size, np.int64)
        lengths[self.rank] = len(table)
        self.add_up(lengths)
        if not self.is_first:
            if len(table):
                distributed.send(torch.from_numpy(np.ascontiguousarray(table)), 0)
            return []
        found = [table]
        for rank in range(1, self.size):
            theirs = np.empty((lengths[rank], *table.shape[1:]), table.dtype)
            if len(theirs):
                distributed.recv(torch.from_numpy(theirs), rank)
            found.append(theirs)
        return found

    def agree(self, number: float) -> float:
        """The number of the first rank."""
        told = torch.tensor([number], dtype=torch.float64)
        distributed.broadcast(told, 0)
        return float(told[0])
