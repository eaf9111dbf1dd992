"""Ranks joined by torch.distributed, with gloo between CPUs. torchrun has set their environment."""

import os
from collections.abc import Callable
from datetime import timedelta

import numpy as np
import torch
from torch import distributed

from matinee.train.ranks.group import Numbers, Ranks

# Of one wait: a host may ingest for hours. torchrun sees when a process has ended.
_TIMEOUT = timedelta(days=1)


class GlooRanks(Ranks):
    """The process group that torchrun describes; `close` leaves it.

    Args:
        meeting: Address of what the ranks meet by (`init_method` of torch); None for the store of torchrun.
    """

    def __init__(self, meeting: str | None = None) -> None:
        rank, size, self.here = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        distributed.init_process_group(
            "gloo", init_method=meeting, rank=rank, world_size=size, timeout=_TIMEOUT
        )
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

    def pass_on(self, give: Numbers, take: Numbers) -> None:
        """Send an array to the rank before this one, and fill another with that of the rank after it."""
        before, after = (self.rank - 1) % self.size, (self.rank + 1) % self.size
        sending = distributed.isend(torch.from_numpy(give), before) if give.size else None
        if take.size:
            distributed.recv(torch.from_numpy(take), after)
        if sending is not None:
            sending.wait()
        self.sent += give.nbytes

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
