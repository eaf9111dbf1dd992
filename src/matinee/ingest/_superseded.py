"""The table of superseded rows: what they said, where they stood, and where the row stands that won."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from matinee.ingest._counts import IdCounts
from matinee.ingest._origins import Origins
from matinee.ingest._partition import COUNTED, to_ids
from matinee.ingest._parts import Part
from matinee.ingest._rows import COLUMNS
from matinee.ingest._scale import Slots, count_slots, no_slots, sum_ratings

SUPERSEDED: Final = "superseded.parquet"
_SCHEMA: Final = pa.schema(
    [
        ("partition", pa.int32()),
        ("row", pa.int64()),
        ("file", pa.string()),
        ("line", pa.int64()),
        ("user_id", pa.int64()),
        ("movie_id", pa.int64()),
        ("rating", pa.float32()),
        ("date", pa.date32()),
        ("winner_file", pa.string()),
        ("winner_line", pa.int64()),
    ]
)


class Removed:
    """What the superseded rows take away from the counts of a profile."""

    def __init__(self) -> None:
        self.rows = 0
        self.leaked = 0  # train rows whose pair stands in the test files too
        self.slots: Slots = no_slots()
        self.rating_sum = 0.0
        self.counts = {name: IdCounts() for name in COUNTED}

    def add(self, table: pa.Table) -> None:
        self.rows += table.num_rows
        self.slots += count_slots(table["rating"])
        self.rating_sum += sum_ratings(table["rating"])
        for name, counts in self.counts.items():
            counts.add(to_ids(table[name]))


def write_superseded(folder: Path, losers: pl.DataFrame, parts: Sequence[Part]) -> Removed:
    """Write the table of `losers` (as `find_superseded` finds them); returns what goes with them."""
    removed = Removed()
    tests = [number for number, part in enumerate(parts) if part.role == "test"]
    origins = {number: Origins(parts[number].folder) for number in _numbers(losers)}
    with pq.ParquetWriter(folder / SUPERSEDED, _SCHEMA) as writer:
        for number in losers["part"].unique().sort().to_list():
            mine = losers.filter(pl.col("part") == number)
            rows = mine["row"].to_numpy()
            for first, batch in parts[number].batches(COLUMNS):
                begin, end = np.searchsorted(rows, [first, first + batch.num_rows])
                if begin < end:
                    table = batch.take(pa.array(rows[begin:end] - first))
                    removed.add(table)
                    writer.write_table(_describe(mine[int(begin) : int(end)], table, origins))
            if parts[number].role == "train":
                removed.leaked += int(mine["winner_part"].is_in(tests).sum())
    return removed


def _numbers(losers: pl.DataFrame) -> list[int]:
    return pl.concat([losers["part"], losers["winner_part"].rename("part")]).unique().sort().to_list()


def _describe(losers: pl.DataFrame, values: pa.Table, origins: dict[int, Origins]) -> pa.Table:
    """Rows of the table for one batch of one part."""
    file, line = _find(losers["part"], losers["row"], origins)
    winner_file, winner_line = _find(losers["winner_part"], losers["winner_row"], origins)
    columns = [losers["part"].to_arrow(), losers["row"].to_arrow(), file, line]
    return pa.table([*columns, *values.columns, winner_file, winner_line], schema=_SCHEMA)


def _find(parts: pl.Series, rows: pl.Series, origins: dict[int, Origins]) -> tuple[pa.Array, pa.Array]:
    files = np.empty(len(parts), object)
    lines = np.empty(len(parts), np.int64)
    numbers, places = parts.to_numpy(), rows.to_numpy()
    for number in np.unique(numbers).tolist():
        mine = numbers == number
        names, lines[mine] = origins[number].find(places[mine])
        files[mine] = names.to_numpy()
    return pa.array(files, pa.string()), pa.array(lines)
