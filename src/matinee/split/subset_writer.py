"""Writes the rows of a subset while the next batch of rows is divided: compressing them takes half of the time."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

import polars as pl
import pyarrow.parquet as pq

from matinee.schemas.columns import polars_columns
from matinee.schemas.encoded import Encoded


class SubsetWriter:
    """One Parquet file of encoded rows, written batch by batch on another thread."""

    def __init__(self, path: Path) -> None:
        self._schema = pl.DataFrame(schema=polars_columns(Encoded)).to_arrow().schema
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", compression_level=1)
        self._thread, self._last = ThreadPoolExecutor(1), Future[None]()
        self._last.set_result(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._last.result()
        finally:
            self._thread.shutdown()
            self._writer.close()

    def write(self, rows: pl.DataFrame) -> None:
        """Write a batch once the one before is written; raises the error of that one."""
        self._last.result()
        if rows.height:
            self._last = self._thread.submit(self._writer.write_table, rows.to_arrow().cast(self._schema))
