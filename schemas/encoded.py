"""The encoded tables of a split: rows by code, and the id of each code."""

from typing import Final

import pandera.polars as pa
import polars as pl

# Of text ids, a table has the numbers as its ids, and their texts in a last column.
TEXT_COLUMNS: Final = {"user_id": "user_text", "movie_id": "movie_text"}


def with_text_column(model: type[pa.DataFrameModel], table: pl.DataFrame) -> pa.DataFrameSchema:
    """The schema of users or movies, with the column of texts if the table has it."""
    schema = model.to_schema()
    texts = [name for name in TEXT_COLUMNS.values() if name in table.columns]
    return (
        schema.add_columns({name: pa.Column(pl.String, unique=True) for name in texts}) if texts else schema
    )


class Encoded(pa.DataFrameModel):
    """Rows of train, valid or test; codes are dense, 0..n-1."""

    user_code: pl.Int32 = pa.Field(ge=0)
    movie_code: pl.Int32 = pa.Field(ge=0)
    rating: pl.Float32
    date: pl.Date = pa.Field(nullable=True)

    class Config:
        strict = True
        ordered = True


class Users(pa.DataFrameModel):
    """The users of a split: the row number is the code, ids ascend."""

    user_id: pl.Int64 = pa.Field(unique=True)
    train_rows: pl.Int64 = pa.Field(ge=0)

    class Config:
        strict = True
        ordered = True


class Movies(pa.DataFrameModel):
    """The movies of a split: the row number is the code, ids ascend."""

    movie_id: pl.Int64 = pa.Field(unique=True)
    train_rows: pl.Int64 = pa.Field(ge=0)
    liked_rows: pl.Int64 = pa.Field(ge=0)
    year: pl.Int16 = pa.Field(nullable=True)
    title: pl.String = pa.Field(nullable=True)

    class Config:
        strict = True
        ordered = True
