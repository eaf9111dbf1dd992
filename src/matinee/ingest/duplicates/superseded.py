"""The table of superseded rows: their values, their file and line, and the file and line of the row that was kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from matinee.ingest.partitions.id_counts import IdCounts, to_ids
from matinee.ingest.partitions.id_texts import with_texts
from matinee.ingest.partitions.origins import ORIGIN_FIELDS, ORIGINS_SCHEMA, Origins
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.partitions.writer import COUNTED
from matinee.ingest.rating_counts import RatingCounts, add_counts, count_ratings, sum_ratings
from matinee.ingest.reading.parser import COLUMNS
from matinee.schemas.columns import arrow_fields
from matinee.schemas.names import Side
from matinee.schemas.ratings import Ratings

SUPERSEDED: Final = "superseded.parquet"
_BEFORE: Final = [pa.field("partition", pa.int32()), *ORIGINS_SCHEMA]
_BEHIND: Final = [field.with_name(f"winner_{field.name}") for field in ORIGIN_FIELDS]


class SupersededSummary:
    """Counts of the superseded rows, to be subtracted from those of the partitions."""

    def __init__(self) -> None:
        self.rows = 0
        self.leaked = 0  # train rows whose pair is also in the test files
        self.values: RatingCounts = Counter()
        self.rating_sum = 0.0
        self.counts = {name: IdCounts() for name in COUNTED}

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        add_counts(self.values, count_ratings(table["rating"]))
        self.rating_sum += sum_ratings(table["rating"])
        for name, counts in self.counts.items():
            counts.add(to_ids(table[name]))


def write_superseded(
    folder: Path,
    superseded: pl.DataFrame,
    partitions: Sequence[Partition],
    texts: Mapping[Side, pl.DataFrame] = MappingProxyType({}),
) -> SupersededSummary:
    """Write the table of the rows that `find_superseded` found; returns their counts. `texts` are those of text ids."""
    named = [
        field.with_type(pa.large_string()) if field.name in texts else field
        for field in arrow_fields(Ratings)
    ]
    schema = pa.schema([*_BEFORE, *named, *_BEHIND])
    removed = SupersededSummary()
    tests = [number for number, partition in enumerate(partitions) if partition.role == "test"]
    origins = {number: Origins(partitions[number].folder) for number in _numbers(superseded)}
    with pq.ParquetWriter(folder / SUPERSEDED, schema) as writer:
        for number in superseded["partition"].unique().sort().to_list():
            mine = superseded.filter(pl.col("partition") == number)
            rows = mine["row"].to_numpy()
            for first, batch in partitions[number].batches(COLUMNS):
                begin, end = np.searchsorted(rows, [first, first + batch.num_rows])
                if begin < end:
                    table = batch.take(pa.array(rows[begin:end] - first))
                    removed.add(table)
                    values = _with_texts(table, texts)
                    writer.write_table(_describe(mine[int(begin) : int(end)], values, origins, schema))
            if partitions[number].role == "train":
                removed.leaked += int(mine["winner_partition"].is_in(tests).sum())
    return removed


def _with_texts(table: pa.Table, texts: Mapping[Side, pl.DataFrame]) -> pa.Table:
    for side, known in texts.items():
        ids = pl.Series(side, pl.from_arrow(table[side]))
        column = pa.chunked_array([with_texts(ids, known).to_arrow().cast(pa.large_string())])
        table = table.set_column(table.schema.get_field_index(side), side, column)
    return table


def _numbers(superseded: pl.DataFrame) -> list[int]:
    return (
        pl.concat([superseded["partition"], superseded["winner_partition"].rename("partition")])
        .unique()
        .sort()
        .to_list()
    )


def _describe(
    superseded: pl.DataFrame, values: pa.Table, origins: dict[int, Origins], schema: pa.Schema
) -> pa.Table:
    """Rows of the table for one batch of one partition."""
    file, line = _find(superseded["partition"], superseded["row"], origins)
    winner_file, winner_line = _find(superseded["winner_partition"], superseded["winner_row"], origins)
    columns = [superseded["partition"].to_arrow(), superseded["row"].to_arrow(), file, line]
    return pa.table([*columns, *values.columns, winner_file, winner_line], schema=schema)


def _find(partitions: pl.Series, rows: pl.Series, origins: dict[int, Origins]) -> tuple[pa.Array, pa.Array]:
    files = np.empty(len(partitions), object)
    lines = np.empty(len(partitions), np.int64)
    numbers, places = partitions.to_numpy(), rows.to_numpy()
    for number in np.unique(numbers).tolist():
        mine = numbers == number
        names, lines[mine] = origins[number].find(places[mine])
        files[mine] = names.to_numpy()
    return pa.array(files, pa.string()), pa.array(lines)
