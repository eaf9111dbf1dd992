"""Validates typed rows against a pandera schema and gives each failing row one reject code."""

import threading
from collections.abc import Sequence
from typing import Any, Final

import polars as pl
import pyarrow as pa
from pandera.backends.polars.register import register_polars_backends
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors
from pandera.polars import DataFrameModel, DataFrameSchema

from matinee.schemas.columns import polars_columns
from matinee.schemas.rejects import Rejects

_FAILURES: Final[dict[str, pl.DataType]] = {
    "row": pl.Int64(),
    **{name: polars_columns(Rejects)[name] for name in ("column", "code")},
}
_MANY_ROWS: Final = 1 << 20  # more than a block of ordinary ratings has
_ROWS_AT_ONCE: Final = 1 << 18
_ONE_AT_A_TIME = threading.Lock()  # some versions of pandera keep a validation's settings per process


def check_rows(table: pa.Table, schema: DataFrameSchema) -> pl.DataFrame:
    """As `check_frame`, for an Arrow table; a large one in parts, as faults take ten times the memory of rows."""
    size = table.num_rows if table.num_rows <= _MANY_ROWS else _ROWS_AT_ONCE
    parts = []
    for start in range(0, max(1, table.num_rows), max(1, size)):
        found = check_frame(pl.DataFrame(pl.from_arrow(table.slice(start, size))), schema)
        parts.append(found.with_columns(pl.col("row") + start))
    return pl.concat(parts)


def check_frame(frame: pl.DataFrame, schema: DataFrameSchema) -> pl.DataFrame:
    """Find the rows of a typed frame that fail its schema.

    Returns:
        `row`, `column` and `code`; one line per failing row, ascending. If a row has several faults, the first column
        counts, and a missing value before one out of bounds.

    """
    if passes(frame, schema):
        return pl.DataFrame(schema=_FAILURES)
    try:
        with _ONE_AT_A_TIME, _full_depth():
            schema.validate(frame, lazy=True)
    except SchemaErrors as failed:
        return _name_failures(failed.failure_cases, frame.columns)
    return pl.DataFrame(schema=_FAILURES)


def validated(frame: pl.DataFrame, model: type[DataFrameModel]) -> pl.DataFrame:
    """The frame itself; the model raises if a row fails it."""
    return frame if passes(frame, model.to_schema()) else pl.DataFrame(model.validate(frame))


def passes(frame: pl.DataFrame, schema: DataFrameSchema) -> bool:
    """Whether all rows certainly pass the schema.

    To be able to name the rows that fail, pandera asks a dozen queries per column, which takes a third of the time of
    a small file.
    """
    if frame.columns != list(schema.columns) or schema.checks or schema.unique:
        return False
    register_polars_backends()
    rows = frame.lazy()
    for name, column in schema.columns.items():
        values = frame[name]
        if values.dtype != column.dtype.type or (column.unique and values.n_unique() < len(values)):
            return False
        if not column.nullable and (
            values.null_count() or (values.dtype.is_float() and values.is_nan().any())
        ):
            return False
        if not all(check(rows, name).check_passed.collect().item() for check in column.checks):
            return False
    return True


def _full_depth() -> Any:
    return config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA)


def _name_failures(cases: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    order = {name: place for place, name in enumerate(columns)}
    missing = pl.col("check") == "not_nullable"
    return (
        cases.select(
            row=pl.col("index").cast(pl.Int64),
            column=pl.col("column"),
            code=pl.format(
                "{}_{}", "column", pl.when(missing).then(pl.lit("missing")).otherwise(pl.lit("out_of_bounds"))
            ),
            rank=pl.col("column").replace_strict(order, return_dtype=pl.Int8) * 2 + (~missing).cast(pl.Int8),
        )
        .sort("row", "rank")
        .unique("row", keep="first", maintain_order=True)
        .select("row", "column", "code")
    )
