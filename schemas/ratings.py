"""The ratings table: one row per rating, with the ids of the source."""

from datetime import date

import pandera.polars as pa
import polars as pl

# A rating before films or a century from now is a misread field, not a rating.
FIRST_DATE = date(1900, 1, 1)
LAST_DATE = date(2099, 12, 31)


class Ratings(pa.DataFrameModel):
    """Accepted ratings; `ratings_schema` adds the bounds of the rating scale."""

    user_id: pl.Int64 = pa.Field(ge=0)
    movie_id: pl.Int64 = pa.Field(ge=0)
    rating: pl.Float32
    date: pl.Date = pa.Field(nullable=True, ge=FIRST_DATE, le=LAST_DATE)

    class Config:
        strict = True
        ordered = True


def ratings_schema(*, low: float, high: float) -> pa.DataFrameSchema:
    """The schema of ratings on one scale; a rating outside `low`..`high` fails it."""
    return Ratings.to_schema().update_column("rating", checks=[pa.Check.in_range(low, high)])
