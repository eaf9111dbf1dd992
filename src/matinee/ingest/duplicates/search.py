"""Finds pairs of user and movie that were rated more than once, and which of their rows is kept.

Every pair becomes a 64-bit key; sorted keys show which repeat. Rows with a repeated key are then compared exactly. With
many keys both passes run in several rounds, each over a share of the keys, so that memory is bounded.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.ingest import column_kernel as kernel
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.partitions.times_of_day import read_times
from matinee.schemas.columns import polars_columns
from matinee.schemas.names import SIDES
from matinee.schemas.ratings import Ratings

_MOST_KEYS: Final = 1 << 27  # 1 GB
_MOST_CANDIDATES: Final = 1 << 24
_MOST_AT_ONCE: Final = 25_000_000  # candidates of one round: about 3 GB
_FILTER_BITS = 24
_UNDATED = -(2**31)
Keys = NDArray[np.uint64]
NOTHING_SUPERSEDED: Final = pl.DataFrame(
    schema={"partition": pl.Int32, "row": pl.Int64, "winner_partition": pl.Int32, "winner_row": pl.Int64}
)
_NO_CANDIDATES: Final = pl.DataFrame(
    schema={
        **{side: polars_columns(Ratings)[side] for side in SIDES},
        "day": pl.Int32,
        "clock": pl.Int32,
        "test": pl.Boolean,
        "partition": pl.Int32,
        "row": pl.Int64,
    }
)


def find_superseded(partitions: Sequence[Partition]) -> pl.DataFrame:
    """Find the rows that another row of the same pair supersedes.

    A test row wins over a train row, then the latest date wins, then the latest time of that day, then the later row. A
    row without a date is the oldest.

    Returns:
        One row per superseded row, in order: `partition`, `row`, `winner_partition`, `winner_row`.
    """
    rows = sum(partition.manifest.rows for partition in partitions)
    repeated, candidates = _repeated_keys(partitions, rows)
    rounds = -(-candidates // _MOST_CANDIDATES)
    superseded = [
        _superseded_rows(_candidates(partitions, repeated, round_, rounds)) for round_ in range(rounds)
    ]
    return pl.concat([NOTHING_SUPERSEDED, *superseded]).sort("partition", "row")


def _repeated_keys(partitions: Sequence[Partition], rows: int) -> tuple[Keys, int]:
    """The keys that occur more than once, sorted, and the number of rows that have them."""
    rounds = max(1, -(-rows // _MOST_KEYS))
    found: list[Keys] = []
    candidates = 0
    for round_ in range(rounds):
        keys = np.empty(rows if rounds == 1 else _MOST_KEYS + _MOST_KEYS // 8, np.uint64)
        filled = 0
        for _, _, batch in _keyed_batches(partitions, ()):
            mine = batch if rounds == 1 else batch[batch % np.uint64(rounds) == round_]
            while filled + len(mine) > len(keys):  # one pair over and over
                keys = np.concatenate([keys, np.empty_like(keys)])
            keys[filled : filled + len(mine)] = mine
            filled += len(mine)
        keys = keys[:filled]
        keys.sort()
        repeats, rows_held = kernel.keep_repeated(keys)
        found.append(keys[:repeats].copy())
        candidates += rows_held
    repeated = np.concatenate(found)
    repeated.sort()
    return repeated, candidates


def _keyed_batches(
    partitions: Sequence[Partition], columns: Sequence[str]
) -> Iterator[tuple[tuple[int, int], pa.Table, Keys]]:
    """Batches of all partitions: (partition, first row), the table with `columns` besides the pair, and its keys."""
    for number, partition in enumerate(partitions):
        for first, table in partition.batches((*SIDES, *columns)):
            keys = np.empty(table.num_rows, np.uint64)
            kernel.pair_keys(*(table[side].to_numpy() for side in SIDES), keys)
            yield (number, first), table, keys


def _candidates(partitions: Sequence[Partition], repeated: Keys, round_: int, rounds: int) -> pl.DataFrame:
    """The rows of one round whose key repeats.

    Raises DataError if they do not fit in memory; more rounds would not help.
    """
    seen = np.zeros(1 << _FILTER_BITS, np.bool_)
    seen[(repeated >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)] = True
    found, held = [_NO_CANDIDATES], 0
    for (number, first), table, keys in _keyed_batches(partitions, ("date",)):
        among = np.empty(len(keys), np.bool_)
        kernel.are_among(keys, repeated, seen, among)
        if rounds > 1:
            among &= keys % np.uint64(rounds) == round_
        places = np.flatnonzero(among)
        if len(places):
            held += len(places)
            if held > _MOST_AT_ONCE:  # rounds are even, unless a few pairs have nearly all rows
                raise DataError(
                    f"A few pairs of user and movie fill more than {_MOST_AT_ONCE:,} rows. Expected one "
                    "rating per user and movie: check the source, or set ingest.duplicates=off."
                )
            rows = pl.DataFrame(pl.from_arrow(table.take(pa.array(places))))
            found.append(
                rows.select(
                    *SIDES,
                    day=pl.col("date").cast(pl.Int32).fill_null(_UNDATED),
                    clock=pl.lit(0, pl.Int32),
                    test=pl.lit(partitions[number].role == "test"),
                    partition=pl.lit(number, pl.Int32),
                    row=pl.Series(first + places),
                )
            )
    return _with_clocks(pl.concat(found), partitions)


def _with_clocks(candidates: pl.DataFrame, partitions: Sequence[Partition]) -> pl.DataFrame:
    """The candidates with their times of day; they are in the order of partitions and rows."""
    clocks = [
        read_times(partitions[number].folder, rows["row"].to_numpy())
        for (number,), rows in candidates.group_by("partition", maintain_order=True)
    ]
    if not any(each.any() for each in clocks):
        return candidates
    return candidates.with_columns(clock=pl.Series(np.concatenate(clocks)))


def _superseded_rows(candidates: pl.DataFrame) -> pl.DataFrame:
    ordered = candidates.sort(*SIDES, "test", "day", "clock", "partition", "row")
    winners = {f"winner_{name}": pl.col(name).last().over(SIDES) for name in ("partition", "row")}
    is_winner = (pl.col("partition") == pl.col("winner_partition")) & (pl.col("row") == pl.col("winner_row"))
    return ordered.with_columns(**winners).filter(~is_winner).select(*NOTHING_SUPERSEDED.columns)
