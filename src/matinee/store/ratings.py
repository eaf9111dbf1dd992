"""The rows of a split as three compact columns, 12 bytes per row, read without a data frame."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_ROWS = 1 << 20
_COLUMNS = ["user_code", "movie_code", "rating"]
# Rows per chunk of a pass: a tenth of a second, and a fit can be stopped between two chunks.
_CHUNK_ROWS = 1 << 22


@dataclass(frozen=True)
class EncodedRatings:
    """Ratings by code, in the order of the split, which training must not rely on."""

    users: npt.NDArray[np.int32]
    movies: npt.NDArray[np.int32]
    ratings: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.ratings)


def row_chunks(rows: int) -> Iterator[slice]:
    """Slices that cover all rows: compiled code must return often, so that a signal does not wait long."""
    return (slice(start, start + _CHUNK_ROWS) for start in range(0, rows, _CHUNK_ROWS))


def zeros(*shape: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Zeros in touched memory: the first write to a fresh page is slow, so it is done here."""
    array = np.empty(shape, dtype)
    flat = array.reshape(-1)
    for chunk in row_chunks(flat.size):
        flat[chunk] = 0
    return array


def count_codes(codes: npt.NDArray[np.integer[Any]], size: int) -> npt.NDArray[np.int64]:
    """The number of times that each code from 0 to size - 1 occurs."""
    counts = np.zeros(size, np.int64)
    for chunk in row_chunks(len(codes)):
        counts += np.bincount(codes[chunk], minlength=size)
    return counts


def placed_rows(codes: npt.NDArray[np.int32], place: npt.NDArray[np.int32]) -> npt.NDArray[np.intp]:
    """The numbers of the rows whose code has a place; `place` is -1 for the others.

    >>> placed_rows(np.array([2, 0, 2, 1], np.int32), np.array([-1, -1, 0], np.int32))
    array([0, 2])
    """
    found = [np.flatnonzero(place[codes[here]] >= 0) + here.start for here in row_chunks(len(codes))]
    return np.concatenate([np.empty(0, np.intp), *found])


def read_ratings(folder: Path, subsets: Sequence[str]) -> EncodedRatings:
    """Read the rows of subsets of a split (train, valid, test), one subset after another."""
    count = sum(count_rows(folder / f"{subset}.parquet") for subset in subsets)
    rows = EncodedRatings(np.empty(count, np.int32), np.empty(count, np.int32), np.empty(count, np.float32))
    done = 0
    for batch in read_batches(folder, subsets):
        here = slice(done, done := done + len(batch))
        rows.users[here], rows.movies[here], rows.ratings[here] = batch.users, batch.movies, batch.ratings
    return rows


def read_batches(
    folder: Path, subsets: Sequence[str], *, part: int = 0, parts: int = 1
) -> Iterator[EncodedRatings]:
    """Read the rows of subsets of a split in pieces, one subset after another.

    Args:
        folder: Folder of the split.
        subsets: Names of the subsets.
        part: Number of the part to read, from 0.
        parts: Into how many parts the row groups of the files are divided, by turns.
    """
    number = 0
    for subset in subsets:
        file = pq.ParquetFile(folder / f"{subset}.parquet")
        groups = file.metadata.num_row_groups
        own = [group for group in range(groups) if (number + group) % parts == part]
        number += groups
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=own, columns=_COLUMNS):
            yield EncodedRatings(*(column.to_numpy(zero_copy_only=False) for column in batch.columns))


def read_dated_batches(
    folder: Path, subsets: Sequence[str]
) -> Iterator[tuple[EncodedRatings, npt.NDArray[np.int32]]]:
    """Read the rows of subsets that have a date in pieces, each with the rows' days since 1970."""
    for subset in subsets:
        file = pq.ParquetFile(folder / f"{subset}.parquet")
        for batch in file.iter_batches(_BATCH_ROWS, columns=[*_COLUMNS, "date"]):
            dated = batch.filter(batch["date"].is_valid())
            # Copies, because kernels are compiled for arrays that can be written.
            rows = EncodedRatings(*(np.array(dated[name]) for name in _COLUMNS))
            yield rows, np.array(dated["date"].cast(pa.int32()))


def count_rows(table: Path) -> int:
    """Number of rows of a Parquet file, from its footer."""
    return int(pq.read_metadata(table).num_rows)
