"""The profile of a dataset: the diagnostics that the notebook printed, over all files together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

_QUANTILES: Final = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


def profile(
    partitions: Sequence[Path],
    manifests: Sequence[dict[str, Any]],
    *,
    superseded: pl.DataFrame,
    titles: pl.DataFrame,
) -> dict[str, Any]:
    """Users, movies, ratings, size and filled share of the full matrix, distribution, dates, titles without ratings."""
    users = _counts(partitions, "user_id", superseded)
    movies = _counts(partitions, "movie_id", superseded)
    rated = pl.scan_parquet([folder / "ratings.parquet" for folder in partitions]).group_by("rating").len()
    ratings = {
        str(value): count for value, count in rated.sort("rating").collect(engine="streaming").iter_rows()
    }
    for value, count in superseded["rating"].value_counts().iter_rows():
        ratings[str(value)] -= count
    total = sum(ratings.values())
    cells = users.height * movies.height
    dates = [manifest["dates"] for manifest in manifests]
    first = [found["first"] for found in dates if found["first"]]
    last = [found["last"] for found in dates if found["last"]]
    return {
        "users": users.height,
        "movies": movies.height,
        "ratings": total,
        "full_matrix": cells,
        "percentage_filled": 100 * total / cells if cells else 0.0,
        "distribution": ratings,
        "mean_rating": sum(float(value) * count for value, count in ratings.items()) / total
        if total
        else None,
        "dates": {"first": min(first, default=None), "last": max(last, default=None)},
        "ratings_per_user": _quantiles(users),
        "ratings_per_movie": _quantiles(movies),
        "titles": titles.height,
        "rated_movies_without_a_title": movies.join(titles, on="movie_id", how="anti").height,
        "titles_without_a_rating": titles.join(movies, on="movie_id", how="anti").height,
    }


def _counts(partitions: Sequence[Path], name: str, superseded: pl.DataFrame) -> pl.DataFrame:
    file = {"user_id": "users.parquet", "movie_id": "movies.parquet"}[name]
    lost = superseded.group_by(name).agg((-pl.len().cast(pl.Int64)).alias("rows"))
    tables = [pl.read_parquet(folder / file) for folder in partitions]
    counts = pl.concat([*tables, lost]).group_by(name).agg(pl.col("rows").sum())
    return counts.filter(pl.col("rows") > 0)


def _quantiles(counts: pl.DataFrame) -> dict[str, float]:
    return {f"{share:.0%}": float(counts["rows"].quantile(share, "nearest") or 0) for share in _QUANTILES}
