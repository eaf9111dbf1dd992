"""The recommendations table: a list of movies per user, best first."""

from collections.abc import Collection

import pandera.polars as pa
import polars as pl


class Recommendations(pa.DataFrameModel):
    """One row per movie of a user's list; ranks count from 1.

    Titles are null if the source had none, and expected ratings are null where the model was trained on plays.
    """

    user_id: pl.Int64
    rank: pl.Int32 = pa.Field(ge=1)
    movie_id: pl.Int64
    title: pl.String = pa.Field(nullable=True)
    score: pl.Float32
    expected_rating: pl.Float32 = pa.Field(nullable=True)

    class Config:
        strict = True
        ordered = True


def recommendations_schema(*, texts: Collection[str]) -> pa.DataFrameSchema:
    """The schema of lists by a release in which users, movies or both have text ids: `texts` names their columns."""
    return Recommendations.to_schema().update_columns({name: {"dtype": pl.String} for name in texts})
