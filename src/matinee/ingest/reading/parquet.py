"""Converts Parquet ratings to CSV text, so that one parser handles every format.

Line numbers refer to that CSV, whose first line is the header. Arrow does the conversion: polars panics on dates and
texts of a corrupt file that Arrow can print.
"""

import io
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.schemas.headers import ALIASES, plain_name
from matinee.settings.ingest import IngestSettings

PARQUET_MAGIC: Final = b"PAR1"
_BATCH_ROWS: Final = 1 << 17
_BATCH_BYTES: Final = 1 << 24  # of texts in a batch
_MOST_COLUMNS: Final = 2_000
_LONGEST_FOOTER: Final = 1 << 24
_CSV: Final = pa.csv.WriteOptions(include_header=False)


def open_parquet(raw: BinaryIO, label: str, settings: IngestSettings) -> "_CsvOfParquet":
    """The text of a Parquet file as a stream.

    Raises DataError if it has no columns of numbers, texts or dates, or if columns have the same name.
    """
    size = raw.seek(0, io.SEEK_END)
    raw.seek(max(0, size - 8))
    footer = int.from_bytes(raw.read(4), "little")
    if raw.read(4) == PARQUET_MAGIC and _LONGEST_FOOTER < footer < size:
        raise DataError(
            f"{label} is Parquet with a footer of {footer:,} bytes. Expected a few columns: write the file again."
        )
    raw.seek(0)
    file = pq.ParquetFile(raw)
    plain = _plain_columns(file.schema_arrow, label, settings)
    texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
    # Texts stay dictionary-encoded: a long text repeated in a million rows is in memory once.
    file = pq.ParquetFile(raw, metadata=file.metadata, read_dictionary=texts)
    return _CsvOfParquet(file, plain, label, settings.max_line_mb << 20)


def _plain_columns(schema: pa.Schema, label: str, settings: IngestSettings) -> list[str]:
    """The columns that can be written as text.

    Raises DataError if there is none, if one occurs twice, or if a required column has another type.
    """
    if len(schema) > _MOST_COLUMNS:
        raise DataError(
            f"{label} is Parquet with {len(schema):,} columns. Expected userID, movieID, rating, date."
        )
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise DataError(
            f"{label} is Parquet with the column '{shown(twice[0])}' twice. Rename or remove one of them."
        )
    plain = [field.name for field in schema if _is_plain(field.type)]
    if not plain:
        raise DataError(
            f"{label} is Parquet without a column of numbers, texts or dates. Expected userID, movieID, rating, date."
        )
    for column, aliases in ALIASES.items():
        names = [plain_name(settings.columns[column])] if column in settings.columns else aliases
        found = [field for field in schema if plain_name(field.name) in names]
        if found and not any(_is_plain(field.type) for field in found):
            raise DataError(
                f"{label} is Parquet, and its column '{shown(found[0].name)}' for the {column} is of the type "
                f"{shown(found[0].type)}. Expected numbers, texts or dates: convert it."
            )
    return plain


def _is_plain(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (
        "integer",
        "floating",
        "decimal",
        "boolean",
        "string",
        "large_string",
        "date",
        "time",
        "timestamp",
        "null",
    )
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string())


class _CsvOfParquet(io.RawIOBase):
    def __init__(self, file: pq.ParquetFile, columns: list[str], label: str, longest: int) -> None:
        self._label = label
        self._longest = longest
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

    def _write(self, file: pq.ParquetFile, columns: list[str]) -> Iterator[bytes]:
        yield _csv(
            pa.table([pa.array([name]) for name in columns], names=list(map(str, range(len(columns)))))
        )
        for batch in file.iter_batches(_batch_rows(file), columns=columns):
            if batch.schema.names != columns:
                raise DataError(f"{self._label} is Parquet with ambiguous columns. Rename them.")
            yield from self._write_rows(batch)

    def _write_rows(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The rows as CSV, in smaller batches if their texts are long."""
        if _text_bytes(batch) > _BATCH_BYTES and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self._write_rows(batch.slice(0, half))
            yield from self._write_rows(batch.slice(half))
        elif batch.num_rows == 1 and _text_bytes(batch) > self._longest:
            raise DataError(
                f"{self._label} has a row of more than {self._longest >> 20} MB (ingest.max_line_mb). Expected one "
                "rating per row; check that it is the right file."
            )
        elif batch.num_rows:
            columns = [pc.cast(column, _written_as(column.type)) for column in batch.columns]
            yield _csv(pa.table(columns, names=list(map(str, range(len(columns))))))


def _batch_rows(file: pq.ParquetFile) -> int:
    """Rows per batch, so that a batch takes about 16 MB by the file's own metadata."""
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    widest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=0)
    return max(1, min(_BATCH_ROWS, int(_BATCH_BYTES / max(widest, 1))))


def _text_bytes(batch: pa.RecordBatch) -> int:
    total = 0
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
            lengths = pc.take(pc.binary_length(column.dictionary), column.indices)
            total += pc.sum(lengths.cast(pa.int64())).as_py() or 0
        elif _is_text(column.type):
            total += pc.sum(pc.binary_length(column).cast(pa.int64())).as_py() or 0
    return total


def _written_as(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        return _written_as(kind.value_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.string() if pa.types.is_null(kind) else kind


def _csv(table: pa.Table) -> bytes:
    """A table as CSV, one line per row; line ends within a text are replaced."""
    for place, field in enumerate(table.schema):
        if _is_text(field.type):
            text = table.column(place)
            for line_end in ("\r", "\n"):
                text = pc.replace_substring(text, line_end, " ")
            table = table.set_column(place, field.name, text)
    out = io.BytesIO()
    pa.csv.write_csv(table, out, _CSV)
    return out.getvalue()
