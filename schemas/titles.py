"""The titles table: one row per movie, its title unchanged."""

import pandera.polars as pa
import polars as pl

# From the first moving pictures to announced films. The patterns of years in
# ingest/titles/fields.py and ingest/titles/layout.py go from 1800 to 2099: change them too if the bounds go beyond.
FIRST_YEAR = 1870
LAST_YEAR = 2100


class Titles(pa.DataFrameModel):
    """Movies by id; the year is null if the source has NULL or nothing."""

    movie_id: pl.Int64 = pa.Field(ge=0, unique=True)
    year: pl.Int16 = pa.Field(nullable=True, ge=FIRST_YEAR, le=LAST_YEAR)
    title: pl.String = pa.Field(str_length={"min_value": 1})

    class Config:
        strict = True
        ordered = True
