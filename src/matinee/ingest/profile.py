"""The profile of a dataset: sizes, distributions and dates over all its files."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from matinee.formats.dataset import DateRange, Profile
from matinee.ingest.duplicates.superseded import SupersededSummary
from matinee.ingest.partitions.id_counts import IdCounts
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.partitions.writer import COUNTED
from matinee.ingest.rating_counts import distribution, from_json
from matinee.schemas.names import Column
from matinee.schemas.ratings import FIRST_DATE

_QUANTILES: Final = {"p10": 0.1, "median": 0.5, "p90": 0.9, "p99": 0.99}


def count_rows(partitions: Sequence[Partition], removed: SupersededSummary) -> dict[str, pl.DataFrame]:
    """Counts of the accepted, not superseded rows by user, by movie and by day, from the counts of the partitions."""
    return {name: _count(name, partitions, removed) for name in COUNTED}


def profile(
    partitions: Sequence[Partition],
    titles: pl.DataFrame,
    removed: SupersededSummary,
    *,
    counts: Mapping[str, pl.DataFrame],
    scale: tuple[float, float],
) -> Profile:
    """Sizes, distributions and dates of the accepted, not superseded rows; `counts` comes from `count_rows`."""
    users, movies = counts["user_id"]["rows"], counts["movie_id"]["rows"]
    values = from_json(partition.manifest.values for partition in partitions)
    ratings = int(users.sum())
    total = sum(partition.manifest.rating_sum for partition in partitions) - removed.rating_sum
    cells = len(users) * len(movies)
    rated = counts["movie_id"]["movie_id"]
    dates, undated, years = _dates(counts["date"], ratings)
    return Profile(
        users=len(users),
        movies=len(movies),
        ratings=ratings,
        full_matrix=cells,
        percentage_filled=100 * ratings / cells if cells else 0.0,
        mean_rating=total / ratings if ratings else None,
        distribution=distribution(values, removed.values, scale),
        dates=dates,
        undated=undated,
        ratings_per_year=years,
        titles=titles.height,
        rated_movies_without_a_title=int((~rated.is_in(titles["movie_id"].implode())).sum()),
        titles_without_a_rating=int((~titles["movie_id"].is_in(rated.implode())).sum()),
        ratings_per_user=_spread(users),
        ratings_per_movie=_spread(movies),
    )


def _count(name: Column, partitions: Sequence[Partition], removed: SupersededSummary) -> pl.DataFrame:
    total = IdCounts()
    for partition in partitions:
        kept = partition.counts(name)
        total.add(kept[name].to_numpy(), kept["rows"].to_numpy())
    gone = removed.counts[name].to_frame(name)
    total.add(gone[name].to_numpy(), -gone["rows"].to_numpy())
    return total.to_frame(name)


def _dates(days: pl.DataFrame, ratings: int) -> tuple[DateRange, int, dict[str, int]]:
    """The first and the last day, how many ratings have none, and the ratings by year."""
    dated = int(days["rows"].sum())
    if not dated:
        return DateRange(first=None, last=None), ratings, {}
    dates = [FIRST_DATE + timedelta(days=day) for day in days["date"].to_list()]
    years: dict[str, int] = {}
    for date, rows in zip(dates, days["rows"].to_list(), strict=True):
        years[str(date.year)] = years.get(str(date.year), 0) + rows
    return DateRange(first=dates[0].isoformat(), last=dates[-1].isoformat()), ratings - dated, years


def _spread(rows: pl.Series) -> dict[str, float]:
    if rows.is_empty():
        return {}
    quantiles = {name: rows.quantile(level, "nearest") for name, level in _QUANTILES.items()}
    spread = {"min": rows.min(), **quantiles, "max": rows.max(), "mean": rows.mean()}
    return {name: round(float(value), 2) for name, value in spread.items()}  # type: ignore[arg-type]
