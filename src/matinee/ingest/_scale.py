"""The rating scale: counts of ratings by value, and the smallest scale that holds nearly all of them."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinee.ingest import _kernel as kernel
from matinee.ingest._blocks import Block, Piece, read_head
from matinee.ingest._dialect import recognise
from matinee.ingest._rows import parse_block
from matinee.ingest._sources import Source
from matinee.settings import IngestSettings, ScaleName

SCALES: Final[dict[ScaleName, tuple[float, float]]] = {
    "1-5": (1, 5),
    "0.5-5": (0.5, 5),
    "0-5": (0, 5),
    "1-10": (1, 10),
    "0-10": (0, 10),
    "1-100": (1, 100),
}
_ENOUGH = 0.99  # of the values; what lies outside is dirt

Slots = NDArray[np.int64]


def no_slots() -> Slots:
    """Counts of no ratings: below 0, 0, between 0 and 0.5, 0.5, ..., 100, above 100."""
    return np.zeros(kernel.SLOTS, np.int64)


def narrowest_scale(slots: Slots) -> ScaleName:
    """The first scale that holds 99 % of the counted ratings, or of all scales the one that holds most.

    Scales by width, so that of two that hold as much the narrower is taken.
    """
    held = {name: _within(slots, *bounds) for name, bounds in SCALES.items()}
    enough = _ENOUGH * int(slots.sum())
    return next((name for name in SCALES if held[name] >= enough), max(SCALES, key=lambda name: held[name]))


def distribution(slots: Slots) -> dict[str, int]:
    """Counts by rating; ratings between two halves are told as `low-high`."""
    counts = {}
    for slot in np.flatnonzero(slots[:-2] if slots[-2] == 0 else slots[:-1]).tolist():
        if slot == 0:
            name = "<0"
        else:
            half, between = divmod(slot - 1, 2)
            name = f"{half / 2:g}-{half / 2 + 0.5:g}" if between else f"{half / 2:.1f}"
        counts[name] = int(slots[slot])
    if slots[-1]:
        counts[">100"] = int(slots[-1])
    return counts


def to_json(slots: Slots) -> dict[str, int]:
    """The counts that are not 0, by slot."""
    return {str(slot): int(slots[slot]) for slot in np.flatnonzero(slots)}


def from_json(kept: Iterable[Mapping[str, Any]]) -> Slots:
    """The sum of several counts that were kept."""
    slots = no_slots()
    for counts in kept:
        for slot, count in counts.items():
            slots[int(slot)] += count
    return slots


def _within(slots: Slots, low: float, high: float) -> int:
    return int(slots[1 + int(4 * low) : 2 + int(4 * high)].sum())


def guess_scale(source: Source, settings: IngestSettings) -> ScaleName:
    """The scale of the first rows of a source; all rows together may say otherwise.

    Raises DataError when it is no ratings file.
    """
    slots = no_slots()
    for name, head in read_head(source):
        dialect = recognise(head, settings, label=source.label(name))
        stop = head.rfind(bytes([dialect.line_end])) + 1
        if stop > dialect.skip_bytes:
            piece = Piece(name, dialect, dialect.skip_bytes, stop, goes_on=False)
            typed = parse_block(Block(np.frombuffer(head, np.uint8), [piece]))
            kernel.count_slots(typed.rating[typed.nulls >> kernel.RATING & 1 == 0], slots)
    return narrowest_scale(slots)
