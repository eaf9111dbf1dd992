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
    subsets, `tested_rows` counts theirs.

    Args:
        folder: Folder of the release.
        split: Folder of the split.
        scale: Lowest and highest rating.
        shipped: Subsets that the published models were fitted on.
        tested: Subsets that the tested models were fitted on.
    """
    least = liked_from(scale)
    ours = count_fitted_rows(split, shipped, liked_from=least)
    counts = {
        "users": [pl.Series("train_rows", ours.users)],
        "movies": [pl.Series("train_rows", ours.movies), pl.Series("liked_rows", ours.liked)],
    }
    if set(tested) != set(shipped):
        theirs = count_fitted_rows(split, tested, liked_from=least)
        counts["users"].append(pl.Series("tested_rows", theirs.users))
        counts["movies"].append(pl.Series("tested_rows", theirs.movies))
    for axis, columns in counts.items():
        table = _with_ids(pl.read_parquet(split / f"{axis}.parquet").with_columns(columns), axis)
        pq.write_table(
            table.to_arrow(compat_level=pl.CompatLevel.oldest()),
            folder / f"{axis}.parquet",
            compression="zstd",
        )


def _with_ids(table: pl.DataFrame, axis: str) -> pl.DataFrame:
    """The table with text ids as its ids, and their numbers as its keys."""
    number = f"{axis[:-1]}_id"
    text = TEXT_COLUMNS[number]
    if text not in table.columns:
        return table
    keys = table[number].rename(f"{axis[:-1]}_key")
    return table.with_columns(table[text].alias(number)).drop(text).with_columns(keys)
