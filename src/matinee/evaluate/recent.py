"""Popularity of late: what was rated in the last 30 days, a simple order that is hard to beat in time."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

DAYS = 30


def count_recent(rows: pl.LazyFrame, *, movies: int) -> NDArray[np.int64] | None:
    """The rows of each movie in the last 30 days with a row; None without dates.

    Args:
        rows: `movie_code` and `date`.
        movies: Number of movie codes.
    """
    last = rows.select(pl.col("date").max()).collect(engine="streaming").item()
    if last is None:
        return None
    late = rows.filter(pl.col("date") > last - timedelta(DAYS)).group_by("movie_code").len()
    counted = late.collect(engine="streaming")
    found = np.zeros(movies, np.int64)
    found[counted["movie_code"].to_numpy()] = counted["len"].to_numpy()
    return found


def order_by_recent(recent: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Scores of movies by recent rows; among movies without any, those with more rows are first."""
    scores: NDArray[np.float32] = (recent + rows / (rows.max(initial=0) + 1)).astype(np.float32)
    return scores


def count_recent_of(split: Path, subsets: Sequence[str], *, movies: int) -> NDArray[np.int64] | None:
    """The same of some subsets of a split."""
    return count_recent(pl.scan_parquet([split / f"{subset}.parquet" for subset in subsets]), movies=movies)
