"""The id map of users or of movies: source ids to dense codes and back. It is immutable."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError

Ids = NDArray[np.int64]
Codes = NDArray[np.int32]

UNKNOWN = -1
# A lookup table is ten times as fast as binary search. It is used while it is not much larger than the map.
_TABLE_SPAN = 32


def as_ids(given: ArrayLike, kind: str) -> Ids:
    """Convert ids of any shape to int64.

    Args:
        given: Whole numbers of any type.
        kind: `user` or `movie`, for the error.

    Raises:
        ConfigError: A value is not an integer of at most 64 bits: a fraction, NaN, text or True.
    """
    array = np.asarray(given)
    if array.dtype == np.int64:
        return array
    try:
        with np.errstate(invalid="ignore"):
            ids = array.astype(np.int64)
        fit = np.asarray(ids == array) & (array.dtype.kind in "iufO")
    except (TypeError, ValueError, OverflowError):  # find the wrong element
        fit = np.array([isinstance(each, int) and -(2**63) <= each < 2**63 for each in array.ravel()])
    if not fit.all():
        wrong = array.ravel().tolist()[int(np.argmin(fit))]
        raise ConfigError(f"A {kind} id was given as {wrong!r:.80}; expected an integer of at most 64 bits.")
    return ids


@dataclass(frozen=True, eq=False)
class IdMap:
    """Ids in ascending order; the code of an id is its position."""

    ids: Ids

    @classmethod
    def fit(cls, batches: Iterable[Ids]) -> "IdMap":
        """The map that covers every id of the batches."""
        known = np.empty(0, np.int64)
        for batch in batches:
            known = np.union1d(known, batch)
        return cls(known)

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, ids: Ids) -> Codes:
        """The codes of ids of any shape, as int32; -1 for an unknown id."""
        if len(self) == 0:
            return np.full(np.shape(ids), UNKNOWN, np.int32)
        first, last = int(self.ids[0]), int(self.ids[-1])
        if last - first >= _TABLE_SPAN * len(self) + 1024:
            place = np.minimum(np.searchsorted(self.ids, ids), len(self) - 1)
            return np.where(self.ids[place] == ids, place, UNKNOWN).astype(np.int32)
        table = self._table(first, last)
        inside = (ids >= first) & (ids <= last)
        return table[np.where(inside, ids - first, last - first + 1)]

    def decode(self, codes: Codes) -> Ids:
        """The ids of codes of any shape; every code must be valid."""
        return self.ids[codes]

    def _table(self, first: int, last: int) -> Codes:
        cached: Codes | None = self.__dict__.get("_codes")
        if cached is None:
            cached = np.full(
                last - first + 2, UNKNOWN, np.int32
            )  # the last entry is for ids outside the range
            cached[self.ids - first] = np.arange(len(self), dtype=np.int32)
            self.__dict__["_codes"] = cached
        return cached
