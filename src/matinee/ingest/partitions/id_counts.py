"""Counts rows by id over any number of blocks; memory grows with the ids, not with the rows."""

from datetime import date

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from matinee.ingest import column_kernel as kernel
from matinee.schemas.ratings import FIRST_DATE

_FIRST_SIZE = 1 << 12


class IdCounts:
    """How many rows each id has."""

    def __init__(self) -> None:
        self._resize(_FIRST_SIZE)

    def _resize(self, size: int) -> None:
        self._keys = np.full(size, kernel.FREE, np.int64)
        self._counts = np.zeros(size, np.int64)
        self._used = 0

    def add(self, ids: NDArray[np.int64], weights: NDArray[np.int64] | None = None) -> None:
        """Count each of `ids` once, or by `weights`; ids are not negative."""
        weights = np.empty(0, np.int64) if weights is None else weights
        start = 0
        while start < len(ids):
            start, self._used = kernel.count_ids(ids, weights, self._keys, self._counts, start, self._used)
            if start < len(ids):
                self._grow()

    def _grow(self) -> None:
        there = self._keys != kernel.FREE
        keys, counts = self._keys[there], self._counts[there]
        self._resize(2 * self._keys.size)
        _, self._used = kernel.count_ids(keys, counts, self._keys, self._counts, 0, 0)

    def __len__(self) -> int:
        return self._used

    def to_frame(self, name: str) -> pl.DataFrame:
        """The ids, ascending, as `name`, with their counts as `rows`; ids with a count of 0 are left out."""
        there = (self._keys != kernel.FREE) & (self._counts != 0)
        keys, counts = self._keys[there], self._counts[there]
        order = np.argsort(keys)
        return pl.DataFrame({name: keys[order], "rows": counts[order]})


def to_ids(column: pa.ChunkedArray) -> NDArray[np.int64]:
    """A counted column as non-negative ids, without nulls; a date becomes days since 1900."""
    is_date = column.type == pa.date32()
    values = column.drop_null().cast(pa.int32()) if is_date else column
    ids: NDArray[np.int64] = values.to_numpy().astype(np.int64, copy=False)
    return ids - (FIRST_DATE - date(1970, 1, 1)).days if is_date else ids
