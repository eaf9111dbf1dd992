"""Writes the rows of a sample in the formats of other programs: JSON lines, RecBole's `.inter`, and Parquet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from matinee.sample.kernels import RatingRows
from matinee.sample.planted import FIRST_DATE
from matinee.sample.text_ids import text_of_movie, text_of_user
from matinee.schemas.columns import arrow_fields
from matinee.schemas.names import SIDES
from matinee.schemas.ratings import Ratings

TableFormat = Literal["jsonl", "inter", "parquet"]
Write = Callable[[pa.Table], object]

_FIRST_DAY: Final = np.datetime64(FIRST_DATE, "D")
_SECONDS_PER_DAY: Final = 86_400
_INTER: Final = pa_csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
_INTER_HEADER: Final = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def schema_of(*, text_ids: bool) -> pa.Schema:
    """The columns of a sample."""
    texts = SIDES if text_ids else ()
    return pa.schema(
        [field.with_type(pa.string()) if field.name in texts else field for field in arrow_fields(Ratings)]
    )


def table_of(rows: RatingRows, schema: pa.Schema) -> pa.Table:
    """Rows as a table; ids are texts if those of the schema are."""
    users, movies = rows.user_id.tolist(), rows.movie_id.tolist()
    if pa.types.is_string(schema.field("user_id").type):
        users, movies = list(map(text_of_user, users)), list(map(text_of_movie, movies))
    columns = (users, movies, rows.rating.astype(np.float32), _FIRST_DAY + rows.day)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)


@contextmanager
def open_table(path: Path, kind: TableFormat, schema: pa.Schema) -> Iterator[Write]:
    """What writes tables of a schema, one after the other, into one file."""
    if kind == "parquet":
        with pq.ParquetWriter(path, schema, compression="zstd") as parquet:
            yield parquet.write_table
        return
    with path.open("wb") as out:
        if kind == "inter":
            out.write(_INTER_HEADER)
            yield lambda table: pa_csv.write_csv(_with_seconds(table), out, _INTER)
        else:
            yield lambda table: pl.DataFrame(table).write_ndjson(out)


def _with_seconds(table: pa.Table) -> pa.Table:
    """The table with seconds since 1970 in place of the dates."""
    seconds = table["date"].to_numpy().astype(np.int64) * _SECONDS_PER_DAY
    whole = pa.array(table["rating"].to_numpy().astype(np.int64))
    return table.set_column(2, "rating", whole).set_column(3, "timestamp", pa.array(seconds))
