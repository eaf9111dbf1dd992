"""The ring of ranks: which groups of movies a rank holds at which step, and how they move on.

Distributed stochastic gradient descent: Gemulla et al. (2011). A rank keeps its groups of users. At the start of an
epoch it holds the groups of movies with the same numbers; after each diagonal of blocks it gives the lowest of them to
the rank before it, and takes the next one from the rank after it. So after an epoch every group is back.
"""

from dataclasses import dataclass

import numpy as np

from matinee.train.blocks import Cut
from matinee.train.ranks.group import Numbers, Ranks


@dataclass(frozen=True)
class Ring:
    """The share of one rank in the blocks of a fit."""

    ranks: Ranks
    cut: Cut

    @property
    def groups(self) -> range:
        """The groups of users of this rank, and of movies at the start of an epoch."""
        return self.ranks.share(self.cut.groups)

    @property
    def users(self) -> slice:
        """The users of this rank."""
        return self.cut.users_in(self.groups)

    @property
    def movies(self) -> slice:
        """The movies that this rank holds at the start of an epoch."""
        return self.cut.movies_in(self.groups)

    def turn(self, shift: int, *tables: Numbers) -> None:
        """After the diagonal `shift`: move the rows of one group of movies on, in tables with a row per movie."""
        if self.ranks.size == 1:
            return
        mine, groups = self.groups, self.cut.groups
        give, take = (self._rows((edge + shift) % groups) for edge in (mine.start, mine.stop))
        self._move(give, take, tables)

    def complete(self, *tables: Numbers) -> None:
        """Between two epochs: give every rank the rows of all movies."""
        size = self.ranks.size
        for step in range(size - 1):
            give, take = (
                self.cut.movies_in(self.ranks.share_of((self.ranks.rank + ahead) % size, self.cut.groups))
                for ahead in (step, step + 1)
            )
            self._move(give, take, tables)

    def _rows(self, group: int) -> slice:
        return self.cut.movies_in(range(group, group + 1))

    def _move(self, give: slice, take: slice, tables: tuple[Numbers, ...]) -> None:
        """One message: each costs more than some hundred rows."""
        parts = [table[take] for table in tables]
        arriving = np.empty(sum(part.size for part in parts), parts[0].dtype)
        self.ranks.pass_on(np.concatenate([table[give].ravel() for table in tables]), arriving)
        ends = np.cumsum([part.size for part in parts])[:-1]
        for part, rows in zip(parts, np.split(arriving, ends), strict=True):
            part[...] = rows.reshape(part.shape)
