"""Decides which files of a drop folder are on the scale of the store. The number of their rows decides nothing.

Without a store's scale nothing decides, so files on different scales stay where they are until a person does.
"""

from collections.abc import Callable, Sequence
from operator import ne
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import first_of
from matinee.ingest.checks.scales import WIDER, find_other_scales, share_above
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.rating_counts import from_json
from matinee.ingest.rating_scale import SCALES, bounds_of, narrowest_scale

Odd = tuple[Partition, str]  # files with their own scale
_ENOUGH: Final = 20  # ratings above the scale of the others that make a scale of a file's own
_MANY: Final = 100  # rows that all lie on a smaller scale than the store's, which is not chance
_LISTED: Final = 5


def find_off_scale(partitions: Sequence[Partition], held: str, *, most_rejects: float) -> list[Odd]:
    """The files that are on another scale than the store, with their own.

    Args:
        partitions: The files with their counted values.
        held: The scale of the store.
        most_rejects: Share of rows above the scale up to which they are rejects.

    Returns:
        Partitions on a larger scale, or with values that belong to no scale, which may hold other files as well;
        without any, those on a smaller scale.

    Raises:
        DataError: No file is on the scale of the store.
    """
    scale = scale_of_all(partitions)
    wide = _find_above(partitions, held, most_rejects, is_odd=is_wider)
    if not wide and is_wider(scale, held):
        wide = _find_above(partitions, held, 0, is_odd=is_wider) or _find_above(
            partitions, held, most_rejects, is_odd=ne
        )
    smaller = find_other_scales(partitions, held if is_wider(held, scale) else scale)
    found = wide or [(partition, theirs) for partition, theirs in smaller if theirs != held]
    rows = sum(partition.manifest.rows for partition in partitions)
    if len(found) == len(partitions) and all(len(partition.sources) == 1 for partition, _ in found):
        raise _none_on_scale(found, held)
    if not found and (is_wider(scale, held) or (is_wider(held, scale) and rows >= _MANY)):
        raise _none_on_scale([(partition, scale) for partition in partitions], held)
    return found


def check_one_scale(partitions: Sequence[Partition], *, most_rejects: float) -> None:
    """Refuse files on different scales where no store says which is right; a shared partition counts as one.

    Raises DataError with the names of the files and their scales, and what to do.
    """
    scale = scale_of_all(partitions)
    smaller = find_other_scales(partitions, scale)
    wider = [
        (partition, theirs)
        for partition, theirs in _find_above(partitions, scale, most_rejects, is_odd=is_wider)
        if theirs in SCALES and _rows_above(partition, scale) >= _ENOUGH
    ]
    odd = smaller or wider
    if not odd:
        return
    named = {partition.digest for partition, _ in odd}
    others = [(partition, scale) for partition in partitions if partition.digest not in named]
    raise DataError(
        f"The files have different rating scales: {_names(odd)}, and {_names(others)}. Nothing was moved, since the "
        "store has no scale yet that could decide. Expected one scale: convert the files on the other scale, or take "
        f"them out of the drop folder. If all are on one scale, set ingest.scale={_widest(odd, scale)}."
    )


def scale_of_all(partitions: Sequence[Partition]) -> str:
    """The scale of the values of all partitions together."""
    return narrowest_scale(from_json(partition.manifest.values_read for partition in partitions))


def off_scale_reason(file: str, theirs: str, held: str) -> str:
    """Why a file is refused, and how it is taken all the same."""
    return (
        f"{file} has ratings on the scale {theirs}, and the store has {held}. Expected one scale: convert the file. If "
        f"all ratings are on one scale, set ingest.scale={_wider_of(theirs, held)} and put the file back as it is."
    )


def _find_above(
    partitions: Sequence[Partition], held: str, share: float, *, is_odd: Callable[[str, str], bool]
) -> list[Odd]:
    """The partitions whose own scale is odd next to the held one, with more than a share of their rows above it."""
    top, found = bounds_of(held)[1], []
    for partition in partitions:
        mine = from_json([partition.manifest.values_read])
        theirs = narrowest_scale(mine)
        if is_odd(theirs, held) and share_above([mine], top) > share:
            found.append((partition, theirs))
    return found


def is_wider(scale: str, other: str) -> bool:
    """Whether a scale ends so far above another that they are not of the same ratings."""
    return bounds_of(scale)[1] >= WIDER * bounds_of(other)[1]


def _rows_above(partition: Partition, scale: str) -> float:
    mine = from_json([partition.manifest.values_read])
    return share_above([mine], bounds_of(scale)[1]) * mine.total()


def _none_on_scale(found: Sequence[Odd], held: str) -> DataError:
    theirs = _widest(found, found[0][1])
    return DataError(
        f"No file is on the rating scale {held} of the store: {_names(found)}. Nothing was moved. Expected files "
        "on one scale: convert them. If the ratings of the store are on this scale from now on, set "
        f"ingest.scale={theirs}."
    )


def _names(odd: Sequence[Odd]) -> str:
    labels = [
        f"{partition.label(file.file)} ({theirs})"
        for partition, theirs in odd
        for file in partition.manifest.files
    ]
    return first_of(labels, _LISTED)


def _widest(odd: Sequence[Odd], scale: str) -> str:
    return max((scale, *(theirs for _, theirs in odd)), key=lambda name: bounds_of(name)[1])


def _wider_of(scale: str, other: str) -> str:
    return scale if is_wider(scale, other) else other
