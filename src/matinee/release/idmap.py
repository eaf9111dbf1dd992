"""The id map of one side: source ids to dense codes and back, immutable, learned once from a dataset."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError

Ids = NDArray[np.int64]
Codes = NDArray[np.int32]

UNKNOWN = -1
# A lookup table beats binary search tenfold; it is worth it while it stays within a few times the map itself.
_TABLE_SPAN = 32


def as_ids(given: ArrayLike, side: str) -> Ids:
    """What a caller gives as the ids of a side (user, movie), any shape, as int64.

    Whole numbers of any type are ids. Raises ConfigError for all else: a fraction, NaN, text, True, more than 64 bits.
    """
    array = np.asarray(given)
    if array.dtype == np.int64:
        return array
    try:
        with np.errstate(invalid="ignore"):
            ids = array.astype(np.int64)
        fit = np.asarray(ids == array) & (array.dtype.kind in "iufO")
    except (TypeError, ValueError, OverflowError):  # of one element, perhaps; which one?
        fit = np.array([isinstance(each, int) and -(2**63) <= each < 2**63 for each in array.ravel()])
    if not fit.all():
        wrong = array.ravel().tolist()[int(np.argmin(fit))]
        raise ConfigError(f"A {side} id was given as {wrong!r:.80}; expected an integer of at most 64 bits.")
    return ids


@dataclass(frozen=True, eq=False)
class IdMap:
    """Ids in ascending order; an id's code is its place."""

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
        """Codes of ids, any shape, int32; an id that the map does not cover is -1."""
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
        """Ids of codes, any shape; every code must be one of the map's."""
        return self.ids[codes]

    def _table(self, first: int, last: int) -> Codes:
        cached: Codes | None = self.__dict__.get("_codes")
        if cached is None:
            cached = np.full(last - first + 2, UNKNOWN, np.int32)  # the extra place is that of ids outside
            cached[self.ids - first] = np.arange(len(self), dtype=np.int32)
            self.__dict__["_codes"] = cached
        return cached
