"""The rating scale: histograms of ratings, and the smallest scale that contains nearly all of them."""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from matinee.ingest import column_kernel as kernel
from matinee.settings.ingest import IngestSettings, ScaleName

SCALES: Final[dict[ScaleName, tuple[float, float]]] = {
    "1-5": (1, 5),
    "0.5-5": (0.5, 5),
    "0-5": (0, 5),
    "1-10": (1, 10),
    "0-10": (0, 10),
    "1-100": (1, 100),
}
AnyScale = ScaleName | Literal["plays"]
PLAYS: Final = "plays"  # the scale of plays, which all have the value 1
_ENOUGH = 0.99  # share of the values that a scale must contain; values outside are rejected

Histogram = NDArray[np.int64]


def bounds_of(scale: AnyScale) -> tuple[float, float]:
    """The lowest and the highest rating of a scale; both are 1 for plays."""
    return (1, 1) if scale == PLAYS else SCALES[scale]


def fixed_scale(settings: IngestSettings) -> AnyScale:
    """The scale that the settings decide; `auto` if the values decide it."""
    return PLAYS if settings.feedback == "implicit" else settings.scale


def empty_histogram() -> Histogram:
    """A histogram without ratings; its bins: below 0, 0, between 0 and 0.5, 0.5, ..., 100, above 100."""
    return np.zeros(kernel.SLOTS, np.int64)


def rating_histogram(ratings: pa.ChunkedArray) -> Histogram:
    """The histogram of a column of ratings; nulls are not counted."""
    histogram = empty_histogram()
    kernel.count_slots(ratings.drop_null().to_numpy(), histogram)
    return histogram


def sum_ratings(ratings: pa.ChunkedArray) -> float:
    """The sum of a column of ratings in float64."""
    return float(pc.sum(ratings.cast(pa.float64())).as_py() or 0.0)


def narrowest_scale(histogram: Histogram) -> ScaleName:
    """The narrowest scale that contains 99 % of the counted ratings; if none does, the scale that contains most.

    `SCALES` is ordered by width.
    """
    held = {name: _within(histogram, *bounds) for name, bounds in SCALES.items()}
    enough = _ENOUGH * int(histogram.sum())
    return next((name for name in SCALES if held[name] >= enough), max(SCALES, key=lambda name: held[name]))


def distribution(histogram: Histogram) -> dict[str, int]:
    """Counts by rating; ratings between two half steps are named `low-high`."""
    counts = {}
    for slot in np.flatnonzero(histogram[:-2] if histogram[-2] == 0 else histogram[:-1]).tolist():
        if slot == 0:
            name = "<0"
        else:
            half, between = divmod(slot - 1, 2)
            name = f"{half / 2:g}-{half / 2 + 0.5:g}" if between else f"{half / 2:.1f}"
        counts[name] = int(histogram[slot])
    if histogram[-1]:
        counts[">100"] = int(histogram[-1])
    return counts


def to_json(histogram: Histogram) -> dict[str, int]:
    """The counts that are not 0, by bin number."""
    return {str(slot): int(histogram[slot]) for slot in np.flatnonzero(histogram)}


def from_json(kept: Iterable[Mapping[str, int]]) -> Histogram:
    """The sum of several stored histograms."""
    histogram = empty_histogram()
    for counts in kept:
        for slot, count in counts.items():
            histogram[int(slot)] += count
    return histogram


def _within(histogram: Histogram, low: float, high: float) -> int:
    return int(histogram[1 + int(4 * low) : 2 + int(4 * high)].sum())
