"""The texts of text ids, by number: a table next to the counts of a partition or a dataset."""

from collections.abc import Iterable
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


def write_texts(path: Path, numbers: NDArray[np.int64], texts: pa.Array) -> None:
    """Write the texts of ascending numbers."""
    pq.write_table(
        pa.table({"id": numbers, "text": texts}),
        path,
        use_dictionary=False,
        column_encoding={"id": "PLAIN", "text": "PLAIN"},
        compression="zstd",
    )


def read_texts(folder: Path, side: Side) -> pl.DataFrame:
    """The texts of a partition or a dataset: `id`, ascending, and `text`; empty if its ids are integers."""
    path = folder / TEXTS[side]
    return pl.read_parquet(path) if path.exists() else NO_TEXTS


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
    found = pl.concat(tables).unique().sort("id")
    twice = found.filter(pl.col("id").is_duplicated())
    if twice.height:
        raise DataError(collision(*twice["text"].to_list()[:2]))
    return found
