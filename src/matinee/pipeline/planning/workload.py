"""The size of a run, and what one step costs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from matinee.settings import Resolved, Settings

# How unevenly ratings are spread over users and over movies: the mean of squares by the square of the mean. Samples
# with few pairs rated have 3.9 for users and 4.4 for movies; the Netflix Prize has 3.1 for users.
_SKEW: Final = 4.0
_DENSE: Final = (
    6.0  # where many pairs are rated, no movie can have many more ratings than the mean (2.9 at 6% of pairs)
)


@dataclass(frozen=True)
class Workload:
    """One run: its data, its settings and the number of its hosts.

    Attributes:
        ratings, users, movies: Numbers of each.
        settings: All settings, resolved.
        hosts: Number of hosts that fit the rating model together.
    """

    ratings: int
    users: int
    movies: int
    settings: Resolved
    hosts: int = 1

    @property
    def plays(self) -> bool:
        """Whether the rows are plays, which have no rating model."""
        return self.settings.ingest.feedback == "implicit"

    @property
    def test_rows(self) -> float:
        """Held-out rows."""
        split = self.settings.split
        if split.strategy == "last_n":
            return self._users_with_more_than(2 * split.last_n) * split.last_n
        return self.ratings * split.test_fraction

    def _users_with_more_than(self, rows: int) -> float:
        """Users with more rows than that, as if rows by user had a log-normal distribution."""
        mean = self.ratings / max(self.users, 1)
        variance = math.log(skew(self.ratings, self.users, self.movies))
        if not variance:
            return float(self.users) if mean > rows else 0.0
        median = math.log(mean) - variance / 2
        return self.users * math.erfc((math.log(rows) - median) / math.sqrt(2 * variance)) / 2

    @property
    def valid_rows(self) -> float:
        """Rows for early stopping."""
        split = self.settings.split
        return (
            self.test_rows
            if split.strategy == "last_n"
            else (self.ratings - self.test_rows) * split.valid_fraction
        )

    @property
    def train_rows(self) -> float:
        """Rows of the first fit."""
        return self.ratings - self.test_rows - self.valid_rows

    @property
    def fitted_rows(self) -> float:
        """Rows that the tested models are fitted on."""
        return self.train_rows if self.settings.train.refit == "none" else self.train_rows + self.valid_rows


@dataclass(frozen=True)
class Part:
    """Work of one kind.

    Attributes:
        rate: Name of the rate that was measured.
        units: Amount of work.
        lanes: How many cores can share it; 1 for serial work.
    """

    rate: str
    units: float
    lanes: float = 1.0


@dataclass(frozen=True)
class StepCost:
    """What one step takes.

    Attributes:
        parts: Its work, part after part.
        memory: Largest memory of its tables, in bytes, without that of the process itself.
        disk: Bytes that it leaves in the store.
        network: Bytes that each rank sends.
        hosts: Number of hosts that share the parts.
    """

    parts: Sequence[Part]
    memory: float = 0.0
    disk: float = 0.0
    network: float = 0.0
    hosts: int = 1


def skew(ratings: float, users: float, movies: float) -> float:
    """The mean of squares of ratings by user, or by movie, as a multiple of the square of the mean."""
    density = min(1.0, ratings / max(users * movies, 1.0))
    return max(1.0, _SKEW / (1 + _DENSE * density))


def with_value(settings: Settings, name: str, value: float | str | bool) -> Settings:
    """The settings with another value of one setting, such as `rank.dense_mb`."""
    section, _, field = name.partition(".")
    written = settings.model_dump()
    written[section] = {**written[section], field: value}
    return Settings.model_validate(written)
