"""Splits by date: one cut for all rows, or the last ratings of each user.

All rows of one day are in the same subset. A row without a date counts as older than every dated row, as it does when
repeated ratings are resolved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.formats.manifests import DayLimits
from matinee.split.hash_split import TEST, TRAIN, VALID, Subsets

Days = NDArray[np.int32]  # since 1970
UNDATED = int(np.iinfo(np.int32).min)
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class DayCuts:
    """The first day of the valid rows and the first day of the test rows."""

    valid_from: int
    test_from: int

    def assign(self, days: Days) -> Subsets:
        """TRAIN, VALID or TEST for each row."""
        held_out = np.where(days < self.test_from, VALID, TEST)
        return np.where(days < self.valid_from, TRAIN, held_out).astype(np.int8)

    def to_json(self) -> DayLimits:
        """The form that a manifest holds."""
        return DayLimits(valid_from=day_text(self.valid_from), test_from=day_text(self.test_from))


def choose_cuts(rows_by_day: Mapping[int, int], *, test_fraction: float, valid_fraction: float) -> DayCuts:
    """The cuts between days that come nearest to both fractions: of all rows, then of the rest.

    Raises DataError if there are fewer days than subsets.
    """
    days = np.array(sorted(set(rows_by_day) - {UNDATED}), np.int64)
    first = 0 if rows_by_day.get(UNDATED) else 1  # the first day that need not be left to the train rows
    if len(days) < first + 2:
        raise DataError(
            f"A split by date cuts between days, and the ratings have {len(days)} dated days: "
            "each subset needs at least one day. Give ratings of more days, or set split.strategy=stratified."
        )
    counts = np.array([rows_by_day[int(day)] for day in days])
    since = counts[::-1].cumsum()[::-1]  # rows of that day and later
    total = int(since[0]) + rows_by_day.get(UNDATED, 0)
    test = first + 1 + int(np.abs(since[first + 1 :] - test_fraction * total).argmin())
    rest = total - int(since[test])
    valid = first + int(np.abs(since[first:test] - since[test] - valid_fraction * rest).argmin())
    return DayCuts(int(days[valid]), int(days[test]))


def hold_out_last(users: NDArray[np.integer], days: Days, *, n: int) -> Subsets:
    """Hold out the last n rows of each user with more than 2n rows as test rows, and the n before them as valid rows.

    Rows are ordered by day, and within a day by their place in the data. All other rows are train rows.
    """
    order = np.lexsort((days, users))  # stable: rows of one day keep their order
    ordered = users[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(users) else order
    lengths = np.diff(np.concatenate([starts, [len(users)]]))
    from_end = np.repeat(starts + lengths, lengths) - np.arange(len(users))  # 1 for the last
    held_out = np.repeat(lengths > 2 * n, lengths) & (from_end <= 2 * n)
    subsets = np.full(len(users), TRAIN, np.int8)
    subsets[order[held_out]] = np.where(from_end[held_out] <= n, TEST, VALID)
    return subsets


def day_text(day: int) -> str:
    """A day as YYYY-MM-DD."""
    return (_EPOCH + timedelta(days=day)).isoformat()
