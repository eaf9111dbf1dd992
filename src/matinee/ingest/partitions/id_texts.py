"""The texts of text ids, by number: a table next to the counts of a partition or a dataset."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.schemas.names import Side
from matinee.schemas.text_ids import collision

TEXTS: Final[dict[str, str]] = {"user_id": "user_texts.parquet", "movie_id": "movie_texts.parquet"}
NO_TEXTS: Final = pl.DataFrame(schema={"id": pl.Int64, "text": pl.String})
_AT_ONCE: Final = 1 << 22  # texts of several partitions that are merged together


def write_texts(path: Path, pieces: Iterable[tuple[NDArray[np.int64], pa.Array]]) -> None:
    """Write the texts of ascending numbers, piece by piece."""
    schema = pa.schema({"id": pa.int64(), "text": pa.large_string()})
    encoding = {"id": "PLAIN", "text": "PLAIN"}
    with pq.ParquetWriter(
        path, schema, use_dictionary=False, column_encoding=encoding, compression="zstd"
    ) as writer:
        for numbers, texts in pieces:
            writer.write_table(pa.table([pa.array(numbers), texts.cast(pa.large_string())], schema=schema))


def pieces_of(table: pl.DataFrame) -> Iterator[tuple[NDArray[np.int64], pa.Array]]:
    """A table of texts, in pieces for `write_texts`."""
    for part in table.iter_slices(1 << 20):
        yield part["id"].to_numpy(), part["text"].to_arrow()


def read_texts(folder: Path, side: Side, *, rows: int | None = None) -> pl.DataFrame:
    """The texts of a partition or a dataset: `id`, ascending, and `text`; empty if its ids are integers.

    With `rows`, only so many of them are read.
    """
    path = folder / TEXTS[side]
    return pl.read_parquet(path, n_rows=rows) if path.exists() else NO_TEXTS


def merge_texts(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The texts of several tables, each once, by ascending number.

    Raises DataError if two texts have one number.
    """
    merged = NO_TEXTS
    waiting: list[pl.DataFrame] = []
    for table in tables:
        waiting.append(table)
        if sum(each.height for each in waiting) > _AT_ONCE:
            merged, waiting = _merge([merged, *waiting]), []
    return _merge([merged, *waiting])


def with_texts(ids: pl.Series, texts: pl.DataFrame | None) -> pl.Series:
    """A column of ids as people know them: the texts of numbers, or the integers that they are."""
    if texts is None or texts.is_empty():
        return ids
    return (
        pl.DataFrame({"id": ids})
        .join(texts, on="id", how="left", maintain_order="left")["text"]
        .rename(ids.name)
    )


def _merge(tables: list[pl.DataFrame]) -> pl.DataFrame:
    full = [table for table in tables if table.height]
    if not full:
        return NO_TEXTS
    if len(full) == 1 and _ascends(full[0]["id"].to_numpy()):  # as the table of a partition does
        return full[0]
    found = pl.concat(full, rechunk=False).sort("id")
    again = found["id"] == found["id"].shift(1)
    same = found["text"] == found["text"].shift(1)
    other = (again & ~same).fill_null(False).arg_true()
    if len(other):
        place = int(other[0])
        raise DataError(collision(*sorted(found["text"][place - 1 : place + 1].to_list())))
    return found.filter(~again.fill_null(False))


def _ascends(numbers: NDArray[np.int64]) -> bool:
    return bool((numbers[1:] > numbers[:-1]).all())
