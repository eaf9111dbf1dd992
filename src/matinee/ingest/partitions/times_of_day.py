"""The time of day of the accepted rows, which decides between two ratings of one day; written only if a row has one."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Clocks = NDArray[np.int32]  # milliseconds of the day
TIMES_FILE: Final = "times.parquet"
_SCHEMA: Final = pa.schema([pa.field("milliseconds", pa.int32(), nullable=False)])
_ROWS_AT_ONCE: Final = 1 << 20


class TimeWriter:
    """Writes the times of a partition, from the first row that has one."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / TIMES_FILE
        self._writer: pq.ParquetWriter | None = None

    def write(self, clocks: Clocks, *, before: int) -> None:
        """Write the times of some rows, which come after `before` others."""
        if self._writer is None:
            if not clocks.any():
                return
            self._writer = pq.ParquetWriter(self._path, _SCHEMA, compression="zstd", compression_level=1)
            for start in range(0, before, _ROWS_AT_ONCE):
                self._write(self._writer, np.zeros(min(_ROWS_AT_ONCE, before - start), np.int32))
        self._write(self._writer, clocks)

    def _write(self, writer: pq.ParquetWriter, clocks: Clocks) -> None:
        if len(clocks):
            writer.write_table(pa.table([clocks], schema=_SCHEMA))

    def close(self) -> None:
        """Finish the file, if there is one."""
        if self._writer is not None:
            self._writer.close()


def read_times(folder: Path, rows: NDArray[np.int64]) -> Clocks:
    """The times of some rows of a partition, which are in ascending order; 0 for a row without one."""
    found = np.zeros(len(rows), np.int32)
    if not len(rows) or not (folder / TIMES_FILE).exists():
        return found
    first = 0
    with pq.ParquetFile(folder / TIMES_FILE) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            begin, end = np.searchsorted(rows, [first, first + batch.num_rows])
            if begin < end:
                found[begin:end] = batch.column(0).to_numpy()[rows[begin:end] - first]
            first += batch.num_rows
    return found
