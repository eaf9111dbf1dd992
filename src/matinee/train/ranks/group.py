"""What ranks do together. `Ranks` is one process alone; `matinee.train.ranks.gloo` joins several by torch.distributed.

Sums over ranks are of integers, or of numbers of which only one rank has each, so their bits do not depend on the
order of ranks.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_LONGEST: Final = 1000
Numbers = npt.NDArray[Any]


class Ranks:
    """The processes of one fit, as one of them sees them.

    Attributes:
        rank: The number of this process, from 0.
        size: How many there are.
        here: How many of them are on this host.
        sent: Bytes that this process has sent to the one before it in the ring.
    """

    rank = 0
    size = 1
    here = 1
    sent = 0

    @property
    def is_first_here(self) -> bool:
        """Whether it is the first rank on its host."""
        return self.is_first

    @property
    def is_first(self) -> bool:
        """Whether this process writes the results and reports progress."""
        return self.rank == 0

    def share(self, parts: int) -> range:
        """The parts of this rank, if some parts are divided among all ranks in order."""
        return self.share_of(self.rank, parts)

    def share_of(self, rank: int, parts: int) -> range:
        """The parts of another rank."""
        return range(rank * parts // self.size, (rank + 1) * parts // self.size)

    def add_up(self, numbers: Numbers) -> None:
        """Replace numbers by their sum over all ranks."""

    def pass_on(self, give: Numbers, take: Numbers) -> None:
        """Send an array to the rank before this one, and fill another with that of the rank after it."""

    def in_order(self, start: Numbers, step: Callable[[Numbers], Numbers]) -> Numbers:
        """Let each rank change some numbers in turn, from the first to the last; every rank gets the result."""
        return step(start)

    def collect(self, table: Numbers) -> list[Numbers]:
        """On the first rank, the arrays of all ranks in order; elsewhere an empty list."""
        return [table]

    def agree(self, number: float) -> float:
        """The number of the first rank."""
        return number

    def tell(self, text: str) -> str:
        """The text of the first rank, of at most a thousand characters."""
        told = np.frombuffer(text.encode().ljust(_LONGEST), np.uint8)
        return self.in_order(told, lambda numbers: numbers).tobytes().decode().rstrip()

    def wait(self) -> None:
        """Wait until every rank is here."""
        self.add_up(np.zeros(1, np.int64))


ALONE: Final = Ranks()
