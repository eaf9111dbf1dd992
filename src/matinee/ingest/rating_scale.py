"""Finds the rating scale from the values of the ratings: their ends, their steps, and how often each occurs."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from matinee.ingest.rating_counts import RatingCounts
from matinee.schemas.ratings import STEP_TOLERANCE
from matinee.settings.ingest import IngestSettings, parse_scale, scale_name

SCALES: Final[dict[str, tuple[float, float]]] = {
    "1-5": (1, 5),
    "0.5-5": (0.5, 5),
    "0-5": (0, 5),
    "1-10": (1, 10),
    "0-10": (0, 10),
    "1-100": (1, 100),
}
PLAYS: Final = "plays"  # the scale of plays, which all have the value 1
_RARER: Final = ((0, 1), (-1, 1), (-5, 5), (-10, 10), (0, 20), (0, 100), (-100, 100))
_ENOUGH: Final = 0.99  # share of the values that a usual scale must hold
_EXTENDS: Final = 0.002  # share of the values next to a scale that makes it wider; typing errors are rarer
_RECURS: Final = 2  # rows
_WIDEST: Final = 100  # values beyond are ids, counts or codes: such a scale must be set
_LEAST_HALVES: Final = 3  # values such as 2.5 that show a scale of half steps
_FAR: Final = 2  # values this many times the range of the others away from them are codes
_NEAR: Final = 0.5  # the same for one value, if there are many others
_MANY: Final = 20  # values
_MOST_CODES: Final = 3  # values beyond one gap
_WHOLE: Final = 4  # values at least, beside codes
_GAP: Final = 2  # steps; fewer values may be missing by chance
_MOSTLY: Final = 0.95  # share of the values
_WIDE: Final = 5  # scales that end above it may be wide only because of codes
_LOWEST_TOP: Final = 3  # -1 is not a rating where 3 is one


def bounds_of(scale: str) -> tuple[float, float]:
    """The lowest and the highest rating of a scale; both are 1 for plays."""
    return (1, 1) if scale == PLAYS else parse_scale(scale)[:2]


def step_of(scale: str) -> float | None:
    """The step of a scale; None if all values between its ends are ratings."""
    return None if scale == PLAYS else parse_scale(scale)[2]


def fixed_scale(settings: IngestSettings) -> str:
    """The scale that the settings decide; `auto` if the values decide it."""
    return PLAYS if settings.feedback == "implicit" else settings.scale


def narrowest_scale(counts: RatingCounts) -> str:
    """The scale of counted ratings.

    It is the narrowest usual scale (`SCALES`, ordered by width) that holds 99% of the values. It becomes wider if the
    values next to it, on its own steps, recur too often for typing errors. If there is none, it is a scale whose ends
    are those of the values. Codes such as 99 for "not rated" do not make a scale wider, however many they are.
    """
    usual = next((name for name in SCALES if _held(counts, name) >= _ENOUGH * counts.total()), None)
    if usual is None or SCALES[usual][1] > _WIDE:
        kept = _without_codes(counts)
        if len(kept) < len(counts) and 2 * kept.total() >= counts.total():
            return narrowest_scale(kept)
    if usual is None:
        return _unusual_scale(counts)
    if _held(counts, "0-1") >= _ENOUGH * counts.total() and any(0 <= value < 0.5 for value in counts):
        return "0-1"
    return _widen(usual, counts)


def values_outside(counts: RatingCounts, scale: str) -> dict[float, int]:
    """The values that are not on a scale and recur, with their counts, the most frequent first."""
    low, high = bounds_of(scale)
    step = step_of(scale)
    return {
        value: rows
        for value, rows in counts.most_common()
        if rows >= _RECURS and not (low <= value <= high and _is_step(value - low, step))
    }


def _is_step(distance: float, step: float | None) -> bool:
    return step is None or abs(distance / step - round(distance / step)) < STEP_TOLERANCE


def _held(counts: RatingCounts, scale: str) -> int:
    low, high = bounds_of(scale)
    return sum(rows for value, rows in counts.items() if low <= value <= high)


def _widen(usual: str, counts: RatingCounts) -> str:
    low, high = SCALES[usual]
    recurring = sorted(value for value, rows in counts.items() if rows >= _RECURS)
    step = _step([value for value in recurring if low <= value <= high])
    least = _EXTENDS * counts.total()
    below = [value for value in reversed(recurring) if value < low]
    low = _farthest(below, counts, begin=low, step=step, least=least)
    high = _farthest(
        [value for value in recurring if value > high], counts, begin=high, step=step, least=least
    )
    if step == 0.5 and low == 1 and counts[0.5] >= _RECURS:
        low = 0.5  # half stars are few at the low end
    return next(
        (name for name, (lowest, highest) in SCALES.items() if lowest <= low and high <= highest), usual
    )


def _step(values: Sequence[float]) -> float:
    """The step of a scale: 1, 0.5 or 0.1."""
    halves = sum(value % 1 == 0.5 for value in values)
    finer = sum(value % 0.5 != 0 for value in values)
    if finer > max(halves, _LEAST_HALVES):
        return 0.1
    return 0.5 if halves >= _LEAST_HALVES else 1


def _farthest(
    outside: Sequence[float], counts: RatingCounts, *, begin: float, step: float, least: float
) -> float:
    """The end of the values that continue a scale step by step, such that `least` rows are at that end or beyond."""
    chain = [begin]
    for value in outside:
        if abs(value - chain[-1]) > 1.001 * step:
            break
        chain.append(value)
    rows = 0
    for value in reversed(chain[1:]):
        rows += counts[value]
        if rows >= least:
            return value
    return begin


def _unusual_scale(counts: RatingCounts) -> str:
    """A scale for values that no usual scale holds, such as negative ones."""
    values = sorted(value for value in counts if abs(value) <= _WIDEST)
    if sum(counts[value] for value in values) < 0.5 * counts.total():
        return max(SCALES, key=lambda name: _held(counts, name))
    low, high = _end(values, counts), _end(values[::-1], counts)
    for lowest, highest in sorted([*SCALES.values(), *_RARER], key=lambda ends: ends[1] - ends[0]):
        if lowest <= low and high <= highest and highest - lowest <= 1.25 * (high - low):
            return scale_name(lowest, highest)
    usual = next(
        (name for name, (lowest, highest) in SCALES.items() if lowest <= low and high <= highest), None
    )
    return usual or scale_name(low // 1, -(-high // 1))


def _without_codes(counts: RatingCounts) -> RatingCounts:
    """The counts without codes: values far from all others, or beyond a gap in the steps of the others."""
    values = sorted(value for value in counts if abs(value) <= _WIDEST)
    common = [value for value in values if counts[value] >= _EXTENDS * counts.total()]
    if sum(counts[value] for value in common) >= _MOSTLY * counts.total():
        values = common  # typing errors do not close a gap
    codes: set[float] = set()
    while found := {
        *_codes_above(values),
        *(-code for code in _codes_above([-each for each in values[::-1]])),
    }:
        codes |= found
        values = [value for value in values if value not in found]
    if values[:1] == [-1] and len(values) >= _WHOLE and values[1] >= 0 and values[-1] >= _LOWEST_TOP:
        codes.add(-1)
    return Counter(
        {value: rows for value, rows in counts.items() if value not in codes and abs(value) <= _WIDEST}
    )


def _codes_above(values: Sequence[float]) -> Sequence[float]:
    """The last of ascending values, if they are codes. 0 is none: it may be the lowest rating."""
    for count in range(1, _MOST_CODES + 1):
        others, codes = values[:-count], values[-count:]
        if len(others) < _WHOLE or 0 in codes:
            break
        gaps = [after - before for before, after in pairwise(others)]
        span = others[-1] - others[0]
        limit = max(*gaps, (_NEAR if count == 1 and len(others) >= _MANY else _FAR) * span)
        for steps in (gaps, gaps[1:]):  # a code may be at the other end as well
            if count == 1 and len(steps) >= _WHOLE - 1 and max(steps) - min(steps) < STEP_TOLERANCE:
                limit = min(limit, _GAP * steps[0])
        if codes[0] - others[-1] > limit:
            return codes
    return ()


def _end(values: Sequence[float], counts: RatingCounts) -> float:
    """The first value, if it and those up to it are not too few to count."""
    least = _EXTENDS * counts.total()
    rows = 0
    for value in values:
        rows += counts[value]
        if rows >= least:
            return value
    return values[-1]
