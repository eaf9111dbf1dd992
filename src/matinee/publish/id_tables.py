"""The tables of users and movies in a release: ids, titles, and how many rows of each its models were fitted on."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from matinee.release.liking import liked_from
from matinee.schemas.encoded import TEXT_COLUMNS
from matinee.split.fitted_rows import count_fitted_rows


def write_id_tables(
    folder: Path, *, split: Path, scale: tuple[float, float], shipped: Sequence[str], tested: Sequence[str]
) -> None:
    """Write users.parquet and movies.parquet of a release.

    `train_rows` and `liked_rows` count the rows of the published models. If the tested models were fitted on other
    subsets, `tested_rows` and `tested_liked_rows` count theirs.

    Args:
        folder: Folder of the release.
        split: Folder of the split.
        scale: Lowest and highest rating.
        shipped: Subsets that the published models were fitted on.
        tested: Subsets that the tested models were fitted on.
    """
    counts = _counts(split, shipped, scale, prefix="")
    if set(tested) != set(shipped):
        for axis, columns in _counts(split, tested, scale, prefix="tested_").items():
            counts[axis] += columns
    for axis, columns in counts.items():
        table = _with_ids(pl.read_parquet(split / f"{axis}s.parquet").with_columns(columns), axis)
        pq.write_table(
            table.to_arrow(compat_level=pl.CompatLevel.oldest()),
            folder / f"{axis}s.parquet",
            compression="zstd",
        )


def _counts(
    split: Path, subsets: Sequence[str], scale: tuple[float, float], *, prefix: str
) -> dict[str, list[pl.Series]]:
    """The columns with the rows of some subsets, by axis."""
    found = count_fitted_rows(split, subsets, liked_from=liked_from(scale))
    name = f"{prefix}rows" if prefix else "train_rows"
    return {
        "user": [pl.Series(name, found.users)],
        "movie": [pl.Series(name, found.movies), pl.Series(f"{prefix}liked_rows", found.liked)],
    }


def _with_ids(table: pl.DataFrame, axis: str) -> pl.DataFrame:
    """The table with text ids as its ids, and their numbers as its keys."""
    number = f"{axis}_id"
    text = TEXT_COLUMNS[number]
    if text not in table.columns:
        return table
    keys = table[number].rename(f"{axis}_key")
    return table.with_columns(table[text].alias(number)).drop(text).with_columns(keys)
