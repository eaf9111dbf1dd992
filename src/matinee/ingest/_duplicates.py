"""Finds the same user and movie in two rows, over all partitions, and which of the rows wins.

One pass collects a key of each row and sorts the keys: 8 bytes a row. Only rows whose key repeats, usually
few, are looked at in a second pass.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Batches = Callable[[], Iterable[tuple[int, int, pl.DataFrame]]]  # (partition, first row, ratings)

SCHEMA: Final = {
    "partition": pl.Int32,
    "row": pl.Int64,
    "user_id": pl.Int64,
    "movie_id": pl.Int64,
    "rating": pl.Float32,
    "date": pl.Date,
    "file": pl.String,
    "line": pl.Int64,
    "winner_file": pl.String,
    "winner_line": pl.Int64,
}
# Odd, so that the product keeps every bit of the id; two pairs with one key cost a second look, no more.
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)


def find_superseded(
    batches: Batches, *, rows: int, is_test: list[bool], origins: Callable[[int], Path]
) -> pl.DataFrame:
    """The rows that lose, each with the file and line of the one that wins.

    Of two rows of one user and movie the one of a test file wins, so that nothing is trained on what is tested;
    then the later date (an empty one is the earliest), then the later row. `origins` is the path of a
    partition's origins.parquet.
    """
    repeated = _repeated_keys(batches, rows)
    if len(repeated) == 0:
        return pl.DataFrame(schema=SCHEMA)
    found = []
    for partition, first_row, batch in batches():
        keys = _keys(batch)
        place = np.minimum(np.searchsorted(repeated, keys), len(repeated) - 1)
        chosen = np.flatnonzero(repeated[place] == keys)
        if len(chosen):
            found.append(
                batch[chosen].with_columns(
                    partition=pl.lit(partition, pl.Int32),
                    row=pl.Series(first_row + chosen, dtype=pl.Int64),
                    is_test=pl.lit(is_test[partition]),
                )
            )
    pairs = pl.concat(found).filter(pl.len().over("user_id", "movie_id") > 1)
    ranked = _locate(pairs, origins).sort("is_test", "date", "partition", "row", nulls_last=False)
    winner = {f"winner_{name}": pl.col(name).last().over("user_id", "movie_id") for name in ("file", "line")}
    last = pl.col("row").cum_count().over("user_id", "movie_id") == pl.len().over("user_id", "movie_id")
    losers = ranked.with_columns(**winner, wins=last).filter(~pl.col("wins"))
    return losers.select(SCHEMA).sort("partition", "row")


def _keys(batch: pl.DataFrame) -> Keys:
    keys: Keys = batch["user_id"].to_numpy().astype(np.uint64) * _SPREAD + batch[
        "movie_id"
    ].to_numpy().astype(np.uint64)
    return keys


def _repeated_keys(batches: Batches, rows: int) -> Keys:
    keys = np.empty(rows, np.uint64)
    filled = 0
    for _, _, batch in batches():
        keys[filled : filled + batch.height] = _keys(batch)
        filled += batch.height
    keys.sort()
    return np.unique(keys[1:][keys[1:] == keys[:-1]])


def _locate(rows: pl.DataFrame, origins: Callable[[int], Path]) -> pl.DataFrame:
    """Add the file and line that each row came from."""
    located = []
    for (partition,), mine in rows.sort("partition", "row").group_by("partition", maintain_order=True):
        runs = pl.read_parquet(origins(int(partition))).rename({"line": "first_line"})
        runs = runs.with_columns(first_row=pl.col("row")).sort("row")
        joined = mine.sort("row").join_asof(runs, on="row", strategy="backward")
        located.append(joined.with_columns(line=pl.col("first_line") + pl.col("row") - pl.col("first_row")))
    return pl.concat(located)
