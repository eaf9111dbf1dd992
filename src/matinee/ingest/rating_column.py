"""Decides which of the first three columns of a file without a header has the ratings, by their values."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from matinee.ingest.reading.rows import bare, is_number

USUAL: Final = 2  # the place of the ratings in user, movie, rating
_HIGHEST: Final = 10  # ratings above it are on a scale to 100
_HUNDRED: Final = 100
_MOST_VALUES: Final = 21  # of a scale to 10 in half steps
_FIVES: Final = 5  # ratings on a scale to 100 are often multiples
_FEWEST_ROWS: Final = 20
_MANY_REPEATS, _FEW_REPEATS = 0.1, 0.01  # shares of rows whose pair is that of an earlier row
_MOST: Final = 0.95  # of the rows have a number


@dataclass(frozen=True)
class _Values:
    """What the values of a column show."""

    is_numeric: bool
    has_fractions: bool
    distinct: frozenset[float]
    ascends: bool

    @property
    def highest(self) -> float:
        """The highest value."""
        return max(self.distinct, default=0.0)

    def may_be_ratings(self) -> bool:
        """Whether the values are a few numbers up to 10, and in no order."""
        return (
            self.is_numeric
            and 1 < len(self.distinct) <= _MOST_VALUES
            and self.highest <= _HIGHEST
            and not self.ascends
        )


def find_rating(columns: Sequence[Sequence[str]]) -> list[int]:
    """The places of the columns that may have the ratings; one if it is sure.

    Args:
        columns: The texts of the first three columns of some rows.

    Returns:
        The places, the most probable first.

    >>> users, movies = [str(400 + row % 31) for row in range(99)], [str(row % 77) for row in range(99)]
    >>> ratings = [str(1 + row % 5) for row in range(99)]
    >>> find_rating([users, movies, ratings]), find_rating([users, ratings, movies])
    ([2], [1, 2])
    """
    values = [_read(column) for column in columns]
    usual = values[USUAL]
    others = [place for place in range(USUAL) if values[place].may_be_ratings()]
    if len(columns[USUAL]) < _FEWEST_ROWS or not others:
        return [USUAL]
    if unique := _without_repeats(columns, others if usual.highest <= _HUNDRED else []):
        return [*unique, USUAL]
    if (usual.is_numeric and usual.highest <= _HIGHEST) or usual.has_fractions:
        return [USUAL]
    is_hundred = usual.highest == _HUNDRED or all(value % _FIVES == 0 for value in usual.distinct)
    if usual.is_numeric and usual.highest <= _HUNDRED:
        return [USUAL] if is_hundred else [*others, USUAL]
    return others


def _without_repeats(columns: Sequence[Sequence[str]], others: Sequence[int]) -> list[int]:
    """Which of the other columns are the ratings by the pairs: a user rates a movie once, and seldom again."""

    def share(rating: int) -> float:
        pairs = [*zip(*(column for place, column in enumerate(columns) if place != rating), strict=True)]
        return 1 - len({*pairs}) / len(pairs)

    repeats = share(USUAL) > _MANY_REPEATS
    return [place for place in others if repeats and share(place) < _FEW_REPEATS]


def _read(column: Sequence[str]) -> _Values:
    texts = [text for field in column if (text := bare(field))]
    numbers = [float(text.replace(",", ".")) for text in texts if is_number(text)]
    return _Values(
        is_numeric=len(numbers) >= _MOST * max(len(texts), 1),
        has_fractions=any(number % 1 for number in numbers),
        distinct=frozenset(numbers),
        ascends=all(after >= before for before, after in pairwise(numbers)),
    )
