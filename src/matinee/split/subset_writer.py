"""Writes the rows of a subset while the next batch is divided: compressing takes a third of a split's time."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow.parquet as pq

from matinee.schemas.columns import polars_columns
from matinee.schemas.encoded import Encoded


class SubsetWriter:
    """One Parquet file of encoded rows, written batch by batch on another thread; a context manager."""

    def __init__(self, path: Path) -> None:
        self._schema = pl.DataFrame(schema=polars_columns(Encoded)).to_arrow().schema
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd", compression_level=1)
        self._thread = ThreadPoolExecutor(1)
        self._pending: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._wait()
                self._writer.close()
        finally:
            self._thread.shutdown()

    def write(self, rows: pl.DataFrame) -> None:
        """Write a batch once the one before is written. Errors are raised by the next call, or at the exit."""
        self._wait()
        if rows.height:
            table = rows.to_arrow().cast(self._schema)
            self._pending = self._thread.submit(self._writer.write_table, table)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
