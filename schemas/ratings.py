"""The ratings table: one row per rating, with the ids of the source."""

from datetime import date

import pandera.polars as pa
import polars as pl

# A rating before films or a century from now is a misread field, not a rating.
FIRST_DATE = date(1900, 1, 1)
LAST_DATE = date(2099, 12, 31)
STEP_TOLERANCE = 1e-4  # of a step; ratings have 32 bits


class Ratings(pa.DataFrameModel):
    """Accepted ratings; `ratings_schema` adds the bounds of the rating scale."""

    # No upper bound: the parser refuses more than 64 bits, and text ids are numbers of up to 63 bits in these columns.
    # The texts of `*_id_out_of_bounds` in rejects.py name these bounds.
    user_id: pl.Int64 = pa.Field(ge=0)
    movie_id: pl.Int64 = pa.Field(ge=0)
    rating: pl.Float32
    date: pl.Date = pa.Field(nullable=True, ge=FIRST_DATE, le=LAST_DATE)

    class Config:
        strict = True
        ordered = True


def ratings_schema(*, low: float, high: float, step: float | None = None) -> pa.DataFrameSchema:
    """The schema of ratings on one scale; a rating outside `low`..`high`, or between two steps, fails it."""

    def is_step(data: pa.PolarsData) -> pl.LazyFrame:
        steps = (pl.col(data.key).cast(pl.Float64) - low) / (step or 1)
        return data.lazyframe.select((steps - steps.round()).abs() < STEP_TOLERANCE)

    checks = [pa.Check.in_range(low, high), *([pa.Check(is_step)] if step else [])]
    return Ratings.to_schema().update_column("rating", checks=checks)
