"""Finds rating files on different scales: together they would be read on the wider one, and half of them wrong."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import first_of
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.rating_counts import RatingCounts, add_counts, from_json
from matinee.ingest.rating_scale import bounds_of, narrowest_scale

WIDER: Final = 1.5  # times the highest rating of the other files
_EXPECTED_ABOVE: Final = 20  # ratings above its own scale that a file would have on the wider scale
_TOP_SHARE: Final = 0.05  # of the ratings of a file whose scale ends at its highest value
_LISTED: Final = 20  # files of a scale


def check_scales(partitions: Sequence[Partition], scale: str) -> None:
    """Refuse files on different scales.

    Raises DataError with the names of the files of each scale, and what to do.
    """
    files = _files(partitions)
    found = _others([counts for _, counts in files], scale)
    if not found:
        return
    top = max(bounds_of(own)[1] for own in found.values())
    wide = [counts for _, counts in files if share_above([counts], top)]
    wider = narrowest_scale(_sum(wide))
    groups: dict[str, list[str]] = {}
    for number, (name, counts) in enumerate(files):
        own = found.get(number) or (wider if share_above([counts], top) else "either")
        groups.setdefault(own, []).append(name)
    listed = "; ".join(f"{first_of(names, _LISTED)} ({own})" for own, names in groups.items())
    raise DataError(
        f"The files have different rating scales: {listed}. Expected one scale: convert the files. If they are all on "
        f"one scale, set ingest.scale={scale}."
    )


def _files(partitions: Sequence[Partition]) -> list[tuple[str, RatingCounts]]:
    """The files, or the partitions whose files are not counted one by one, with the counts of their ratings."""
    found = []
    for partition in partitions:
        manifest = partition.manifest
        if any(file.values_read for file in manifest.files):
            found += [(partition.label(file.file), from_json([file.values_read])) for file in manifest.files]
        else:
            names = [partition.label(file.file) for file in manifest.files]
            found.append((first_of(names, _LISTED), from_json([manifest.values_read])))
    return found


def find_other_scales(partitions: Sequence[Partition], scale: str) -> list[tuple[Partition, str]]:
    """The partitions whose ratings end far below the scale of all, which is not chance, with their own scale."""
    found = _others([from_json([partition.manifest.values_read]) for partition in partitions], scale)
    return [(partitions[number], own) for number, own in found.items()]


def _others(counts: Sequence[RatingCounts], scale: str) -> dict[int, str]:
    """Those of some counts that end far below a scale, which is not chance, by number, with their own scale.

    By chance is what may be, going by the counts that do not end there.
    """
    found: dict[int, str] = {}
    shares: dict[float, float] = {}
    for number, mine in enumerate(counts):
        theirs = narrowest_scale(mine)
        top = bounds_of(theirs)[1]
        if (
            bounds_of(scale)[1] < WIDER * top
            or mine[top] < _TOP_SHARE * mine.total()
            or share_above([mine], top)
        ):
            continue
        if top not in shares:
            shares[top] = share_above([each for each in counts if share_above([each], top)], top)
        if shares[top] * mine.total() >= _EXPECTED_ABOVE:
            found[number] = theirs
    return found if len(found) < len(counts) else {}


def _sum(counts: Sequence[RatingCounts]) -> RatingCounts:
    total: RatingCounts = Counter()
    for each in counts:
        add_counts(total, each)
    return total


def share_above(counts: Sequence[RatingCounts], top: float) -> float:
    """The share of the ratings above a value."""
    total = sum(each.total() for each in counts)
    above = sum(rows for each in counts for value, rows in each.items() if value > top)
    return above / total if total else 0.0
