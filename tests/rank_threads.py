"""Ranks of a fit that are threads of one process."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Barrier

import numpy as np

from matinee.train.ranks.group import Numbers, Ranks


class RankThread(Ranks):
    """A rank that is a thread of this process, so that many of them take little time."""

    def __init__(self, rank: int, shared: "SharedByThreads") -> None:
        self.rank, self.size, self.sent, self._shared = rank, shared.size, 0, shared

    def add_up(self, numbers: Numbers) -> None:
        self._shared.tables[self.rank] = numbers.copy()
        self._shared.barrier.wait()
        total = sum(self._shared.tables)
        self._shared.barrier.wait()
        numbers[...] = total

    def pass_on(self, give: Numbers, take: Numbers) -> None:
        self._shared.mail[(self.rank - 1) % self.size].put(give.copy())
        take[...] = self._shared.mail[self.rank].get(timeout=9)
        self.sent += give.nbytes

    def in_order(self, start: Numbers, step: Callable[[Numbers], Numbers]) -> Numbers:
        for rank in range(self.size):
            if rank == self.rank:
                self._shared.tables[0] = step(start if rank == 0 else self._shared.tables[0])
            self._shared.barrier.wait()
        result: Numbers = self._shared.tables[0].copy()
        self._shared.barrier.wait()
        return result

    def collect(self, table: Numbers) -> list[Numbers]:
        self._shared.tables[self.rank] = table.copy()
        self._shared.barrier.wait()
        found = list(self._shared.tables) if self.is_first else []
        self._shared.barrier.wait()
        return found

    def agree(self, number: float) -> float:
        return float(self.in_order(np.array([number]), lambda told: told)[0])


class SharedByThreads:
    """What they exchange."""

    def __init__(self, size: int) -> None:
        self.size, self.barrier, self.tables = size, Barrier(size, timeout=20), [np.zeros(0)] * size
        self.mail: list[SimpleQueue[Numbers]] = [SimpleQueue() for _ in range(size)]
