"""Reads a dataset back: its ratings in bounded batches, its titles, and its row counts."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa

from matinee.formats.dataset import PartitionList
from matinee.ingest.dataset import COUNTS, TITLES
from matinee.ingest.duplicates.superseded import SUPERSEDED
from matinee.ingest.partitions.id_texts import read_texts
from matinee.ingest.partitions.partition import open_partition
from matinee.ingest.reading.parser import COLUMNS
from matinee.ingest.reading.sources import Role
from matinee.schemas.names import Side
from matinee.schemas.text_ids import numbers_of_column
from matinee.store import Reference, Store
from matinee.store.documents import read_as

BATCH_ROWS: Final = 1 << 20


def iter_ratings(
    store: Store,
    dataset: Reference | str,
    *,
    role: Role | None = None,
    exclude: Collection[str] = (),
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pl.DataFrame]:
    """Iterate over the accepted ratings that are not superseded, in a stable order.

    Args:
        store: The store that holds the dataset.
        dataset: Its reference or digest.
        role: Only rows from train files or only rows from test files; all rows if None.
        exclude: Digests of partitions to skip.
        batch_rows: The maximum number of rows per batch.

    Yields:
        Data frames of the schema Ratings.

    Raises:
        StoreError: The dataset is no longer in the store.
    """
    folder = _folder(store, dataset)
    for number, listed in enumerate(read_as(folder / PartitionList.NAME, PartitionList).partitions):
        if role in (None, listed.role) and listed.digest not in exclude:
            removed = _superseded(folder, number)
            for first, table in open_partition(store, listed.digest, listed.role).batches(
                COLUMNS, rows=batch_rows
            ):
                begin, end = np.searchsorted(removed, [first, first + table.num_rows])
                frame = pl.DataFrame(pl.from_arrow(_without(table, removed[begin:end] - first)))
                if frame.height:
                    yield frame


def read_titles_table(store: Store, dataset: Reference | str) -> pl.DataFrame:
    """The titles of a dataset, as a table of the schema Titles; of text ids, `movie_id` has the numbers.

    Raises StoreError if the dataset is no longer in the store.
    """
    titles = pl.read_parquet(_folder(store, dataset) / TITLES)
    if titles["movie_id"].dtype == pl.String:
        titles = titles.with_columns(movie_id=numbers_of_column(titles["movie_id"].to_arrow()))
    return titles


def read_id_texts(store: Store, dataset: Reference | str, *, column: Side) -> pl.DataFrame:
    """The texts of text ids: `id`, their numbers, ascending, and `text`; empty for integers.

    Raises StoreError if the dataset is no longer in the store.
    """
    return read_texts(_folder(store, dataset), column)


def read_counts(store: Store, dataset: Reference | str, *, column: Side) -> pl.DataFrame:
    """The rated users or movies of a dataset by ascending id, with their number of ratings as `rows`.

    Raises StoreError if the dataset is no longer in the store.
    """
    return pl.read_parquet(_folder(store, dataset) / COUNTS[column])


def _folder(store: Store, dataset: Reference | str) -> Path:
    return store.path(store.reference("datasets", dataset) if isinstance(dataset, str) else dataset)


def _superseded(folder: Path, number: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    rows = pl.scan_parquet(folder / SUPERSEDED).filter(pl.col("partition") == number)
    return rows.select("row").collect()["row"].to_numpy()


def _without(table: pa.Table, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.Table:
    if not len(rows):
        return table
    kept = np.ones(table.num_rows, bool)
    kept[rows] = False
    return table.filter(pa.array(kept))
