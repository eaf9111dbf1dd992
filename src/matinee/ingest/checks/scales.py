"""Finds rating files on different scales: together they would be read on the wider one, and half of them wrong."""

from collections.abc import Sequence
from typing import Final

from matinee.errors import DataError
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.rating_counts import RatingCounts, from_json
from matinee.ingest.rating_scale import bounds_of, narrowest_scale

WIDER: Final = 1.5  # times the highest rating of the other files
_EXPECTED_ABOVE: Final = 20  # ratings above its own scale that a file would have on the wider scale
_TOP_SHARE: Final = 0.05  # of the ratings of a file whose scale ends at its highest value
_LISTED: Final = 20  # files of a scale


def check_scales(partitions: Sequence[Partition], scale: str) -> None:
    """Refuse files on different scales.

    Raises DataError with the names of the files of each scale, and what to do.
    """
    found = find_other_scales(partitions, scale)
    if not found:
        return
    theirs = {partition.digest: own for partition, own in found}
    rest = [partition for partition in partitions if partition.digest not in theirs]
    wider = narrowest_scale(from_json(partition.manifest.values_read for partition in rest))
    groups: dict[str, list[str]] = {}
    for partition in partitions:
        names = [partition.label(file.file) for file in partition.manifest.files]
        groups.setdefault(theirs.get(partition.digest, wider), []).extend(names)
    listed = "; ".join(f"{_list(names)} ({own})" for own, names in groups.items())
    raise DataError(
        f"The files have different rating scales: {listed}. Expected one scale: convert the files. If they are all on "
        f"one scale, set ingest.scale={scale}."
    )


def _list(names: Sequence[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def find_other_scales(partitions: Sequence[Partition], scale: str) -> list[tuple[Partition, str]]:
    """The partitions whose ratings end far below the scale of all, which is not chance, with their own scale."""
    counts = [from_json([partition.manifest.values_read]) for partition in partitions]
    found = []
    for number, (partition, mine) in enumerate(zip(partitions, counts, strict=True)):
        theirs = narrowest_scale(mine)
        top = bounds_of(theirs)[1]
        if bounds_of(scale)[1] < WIDER * top or mine[top] < _TOP_SHARE * mine.total():
            continue
        others = counts[:number] + counts[number + 1 :]
        if share_above(others, top) * mine.total() >= _EXPECTED_ABOVE and share_above([mine], top) == 0:
            found.append((partition, theirs))
    return found if len(found) < len(partitions) else []


def share_above(counts: Sequence[RatingCounts], top: float) -> float:
    """The share of the ratings above a value."""
    total = sum(each.total() for each in counts)
    above = sum(rows for each in counts for value, rows in each.items() if value > top)
    return above / total if total else 0.0
