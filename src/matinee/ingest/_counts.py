"""Counts of rows by id, over any number of blocks, in memory that grows with the ids and not with the rows."""

from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

_FREE = -1  # accepted ids are not negative
_FIRST_SIZE = 1 << 12
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: Fibonacci hashing

_compiled: Any = njit(nogil=True, cache=True)


@_compiled
def _count(ids, weights, keys, counts, start, used):
    """Add ids from `start` on to an open-addressed table; stops where it is half full. Returns (next, used)."""
    shift = np.uint64(64 - int(np.log2(keys.size)))
    for k in range(start, ids.size):
        if 2 * used >= keys.size:
            return k, used
        slot = np.int64((np.uint64(ids[k]) * _SPREAD) >> shift)
        while keys[slot] != ids[k] and keys[slot] != _FREE:
            slot = (slot + 1) & (keys.size - 1)
        if keys[slot] == _FREE:
            keys[slot] = ids[k]
            used += 1
        counts[slot] += weights[k] if weights.size else 1
    return ids.size, used


class IdCounts:
    """How many rows each id has."""

    def __init__(self) -> None:
        self._resize(_FIRST_SIZE)

    def _resize(self, size: int) -> None:
        self._keys = np.full(size, _FREE, np.int64)
        self._counts = np.zeros(size, np.int64)
        self._used = 0

    def add(self, ids: NDArray[np.int64], weights: NDArray[np.int64] | None = None) -> None:
        """Count each of `ids` once, or as often as `weights` says; none is negative."""
        weights = np.empty(0, np.int64) if weights is None else weights
        start = 0
        while start < len(ids):
            start, self._used = _count(ids, weights, self._keys, self._counts, start, self._used)
            if start < len(ids):
                self._grow()

    def _grow(self) -> None:
        there = self._keys != _FREE
        keys, counts = self._keys[there], self._counts[there]
        self._resize(2 * self._keys.size)
        _, self._used = _count(keys, counts, self._keys, self._counts, 0, 0)

    def __len__(self) -> int:
        return self._used

    def to_frame(self, name: str) -> pl.DataFrame:
        """The ids, ascending, as `name`, and their counts as `rows`; ids whose counts are 0 are left out."""
        there = (self._keys != _FREE) & (self._counts != 0)
        keys, counts = self._keys[there], self._counts[there]
        order = np.argsort(keys)
        return pl.DataFrame({name: keys[order], "rows": counts[order]})
