"""Ratings that come as Parquet, read as the CSV they stand for: one parser, one meaning of every field.

Line numbers are those of that CSV, whose first line is the header.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from matinee.errors import DataError

PARQUET_MAGIC: Final = b"PAR1"
_BATCH_ROWS = 1 << 17


def open_parquet(raw: BinaryIO, label: str) -> "_CsvOfParquet":
    """The text of a Parquet file as a stream.

    Raises DataError when it has no columns of numbers, texts or dates.
    """
    file = pq.ParquetFile(raw)
    plain = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    if not plain:
        raise DataError(f"{label} is Parquet without a plain column. Expected userID, movieID, rating, date.")
    return _CsvOfParquet(file, plain)


class _CsvOfParquet(io.RawIOBase):
    def __init__(self, file: pq.ParquetFile, columns: list[str]) -> None:
        self._texts = self._write(file, columns)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            text = next(self._texts, None)
            if text is None:
                return 0
            self._rest = memoryview(text)
        taken = min(len(self._rest), len(buffer))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken

    @staticmethod
    def _write(file: pq.ParquetFile, columns: list[str]) -> Iterator[bytes]:
        # A line is a row: line ends within a text of another column would break that.
        one_line = pl.col(pl.String).str.replace_all(r"[\r\n]", " ")
        yield pl.DataFrame(schema=columns).write_csv().encode()
        for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
            frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
            yield frame.with_columns(one_line).write_csv(include_header=False).encode()
