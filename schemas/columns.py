"""The columns of a table as polars and pyarrow declare them, derived from its pandera model."""

from typing import Final

import pandera.polars as pandera
import polars as pl
import pyarrow as pa

_ARROW: Final = {
    pl.Int16: pa.int16(),
    pl.Int32: pa.int32(),
    pl.Int64: pa.int64(),
    pl.Float32: pa.float32(),
    pl.Date: pa.date32(),
    pl.String: pa.string(),
}


def polars_columns(model: type[pandera.DataFrameModel]) -> dict[str, pl.DataType]:
    """The polars type of each column, in order.

    >>> from matinee.schemas.encoded import Users
    >>> polars_columns(Users)
    {'user_id': Int64, 'train_rows': Int64}
    """
    return {name: column.dtype.type for name, column in model.to_schema().columns.items()}


def arrow_fields(model: type[pandera.DataFrameModel]) -> list[pa.Field]:
    """The pyarrow field of each column, in order; all of them may hold nulls, as Parquet files usually declare.

    >>> from matinee.schemas.encoded import Users
    >>> arrow_fields(Users)
    [pyarrow.Field<user_id: int64>, pyarrow.Field<train_rows: int64>]
    """
    return [pa.field(name, _ARROW[kind.base_type()]) for name, kind in polars_columns(model).items()]
