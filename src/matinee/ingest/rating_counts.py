"""Counts of ratings by value, in bounded memory: exact up to some thousand values, rounded beyond."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from matinee.ingest import column_kernel as kernel

RatingCounts = Counter[float]
MOST_VALUES: Final = 4096  # with more, ratings are counted by rounded value
_BARS: Final = 40  # of a distribution, at most
_WIDTHS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


def count_ratings(ratings: pa.ChunkedArray) -> RatingCounts:
    """The counts of a column of ratings; nulls are not counted."""
    return count_values(ratings.drop_null().to_numpy())


def count_values(values: NDArray[np.float32]) -> RatingCounts:
    """The counts of some ratings."""
    halves = np.zeros(kernel.HALVES, np.int64)
    others = np.empty_like(values)
    rest = others[: kernel.count_halves(values, halves, others)]
    counts: RatingCounts = Counter({half / 2: int(halves[half]) for half in np.flatnonzero(halves).tolist()})
    if len(rest):
        odd, rows = np.unique(rest, return_counts=True)
        shortest = [float(str(value)) for value in odd]  # 3.7, not the nearest double of the nearest float
        add_counts(counts, Counter(dict(zip(shortest, rows.tolist(), strict=True))))
    return counts


def add_counts(counts: RatingCounts, more: Mapping[float, int]) -> None:
    """Add some counts to others, and round the values if they are too many."""
    counts.update(more)
    decimals = 4
    while len(counts) > MOST_VALUES:
        rounded: RatingCounts = Counter()
        for value, rows in counts.items():
            rounded[round(value, decimals) + 0.0] += rows
        counts.clear()
        counts.update(rounded)
        decimals -= 1


def sum_ratings(ratings: pa.ChunkedArray) -> float:
    """The sum of a column of ratings in float64."""
    return float(pc.sum(ratings.cast(pa.float64())).as_py() or 0.0)


def to_json(counts: RatingCounts) -> dict[str, int]:
    """The counts by the text of the value, ascending."""
    return {repr(value): counts[value] for value in sorted(counts)}


def from_json(kept: Iterable[Mapping[str, int]]) -> RatingCounts:
    """The sum of several stored counts."""
    total: RatingCounts = Counter()
    for counts in kept:
        add_counts(total, {float(value): rows for value, rows in counts.items()})
    return total


def distribution(counts: RatingCounts, removed: RatingCounts, scale: tuple[float, float]) -> dict[str, int]:
    """Counts by rating, without the removed ones: by half steps, and by wider or narrower bars on unusual scales.

    Ratings between two steps are named `low-high`.
    """
    low, high = scale
    width = 0.5
    if low < 0 or high > 100 or high <= 1:
        width = next((each for each in _WIDTHS if (high - low) / each <= _BARS), (high - low) / _BARS)
    bars: Counter[tuple[int, bool]] = Counter()
    for sign, each in ((1, counts), (-1, removed)):
        for value, rows in each.items():
            steps = round(value / width, 6)
            bars[int(steps // 1), steps != int(steps)] += sign * rows
    return {
        _name(step * width, width if between else 0): bars[step, between]
        for step, between in sorted(bars)
        if bars[step, between] > 0
    }


def _name(low: float, width: float) -> str:
    if not width:
        return f"{round(low, 6):.1f}" if round(low, 1) == round(low, 6) else f"{low:g}"
    return f"{round(low, 6):g}-{round(low + width, 6):g}"
