"""Converts Parquet and Arrow tables to CSV text, so that one parser handles every format.

Line numbers refer to that CSV, whose first line is the header. Arrow does the conversion: polars panics on dates and
texts of a corrupt file that Arrow can print.
"""

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from matinee.containers.arrow_file import open_arrow
from matinee.containers.limits import Meter, Reading
from matinee.containers.member import TextPieces
from matinee.containers.parquet_pages import Page, choose_reading, read_pages
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.schemas.headers import ALIASES, plain_name
from matinee.schemas.integers import parse_int64
from matinee.schemas.names import SIDES

PARQUET_MAGIC: Final = b"PAR1"
_BATCH_ROWS: Final = 1 << 17
_BATCH_BYTES: Final = 1 << 24  # of texts in a batch
_MOST_COLUMNS: Final = 2_000
_LONGEST_FOOTER: Final = 1 << 24
# From here on, not every whole number has a float of its own, and ids of two users may have become one.
_EXACT: Final = {pa.float16(): 1 << 11, pa.float32(): 1 << 24, pa.float64(): 1 << 53}
_CSV: Final = pa.csv.WriteOptions(include_header=False)


def parquet_text(raw: BinaryIO, meter: Meter, constants: Mapping[str, str]) -> TextPieces:
    """The text of a Parquet file as a stream. `constants` are columns with one value, which stands in the file's path.

    Raises DataError if it has no columns of numbers, texts or dates, or if columns have the same name.
    """
    check_footer(raw, meter.label)
    file = pq.ParquetFile(raw)
    plain = _plain_columns(file.schema_arrow, f"{meter.label} is Parquet", meter.settings)
    texts = [field.name for field in file.schema_arrow if _is_text(field.type)]
    pages = read_pages(raw, file.metadata, plain, label=meter.label)
    dictionaries, rows = choose_reading(_count(pages, meter), texts)
    file = pq.ParquetFile(raw, metadata=file.metadata, read_dictionary=dictionaries)
    batches = file.iter_batches(min(rows, _batch_rows(file)), columns=plain)
    return TextPieces(_Writer(plain, constants, meter).write(batches))


def _count(pages: Iterator[Page], meter: Meter) -> Iterator[Page]:
    for page in pages:
        meter.unpacked(page.unpacked)
        yield page


def check_footer(raw: BinaryIO, label: str) -> None:
    """Raise DataError if the footer of a Parquet file is larger than that of any table of a few columns."""
    size = raw.seek(0, io.SEEK_END)
    raw.seek(max(0, size - 8))
    footer = int.from_bytes(raw.read(4), "little")
    if raw.read(4) == PARQUET_MAGIC and _LONGEST_FOOTER < footer < size:
        raise DataError(
            f"{label} is Parquet with a footer of {footer:,} bytes. Expected a few columns: write the file again."
        )
    raw.seek(0)


def arrow_text(raw: BinaryIO, meter: Meter, constants: Mapping[str, str]) -> TextPieces:
    """As `parquet_text`, for a file of Arrow's own format (Feather)."""
    schema, batches = open_arrow(raw, meter)
    plain = _plain_columns(schema, f"{meter.label} is Arrow", meter.settings)
    chosen = (batch.select(plain) for batch in batches)
    return TextPieces(_Writer(plain, constants, meter).write(chosen))


def _plain_columns(schema: pa.Schema, is_what: str, settings: Reading) -> list[str]:
    """The columns that can be written as text.

    Raises DataError if there is none, if one occurs twice, or if a required column has another type.
    """
    if len(schema) > _MOST_COLUMNS:
        raise DataError(f"{is_what} with {len(schema):,} columns. Expected userID, movieID, rating, date.")
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise DataError(f"{is_what} with the column '{shown(twice[0])}' twice. Rename or remove one of them.")
    plain = [field.name for field in schema if _is_plain(field.type)]
    if not plain:
        raise DataError(
            f"{is_what} without a column of numbers, texts or dates. Expected userID, movieID, rating, date."
        )
    for column, aliases in ALIASES.items():
        names = [plain_name(settings.columns[column])] if column in settings.columns else aliases
        found = [field for field in schema if plain_name(field.name) in names]
        if found and not any(_is_plain(field.type) for field in found):
            raise DataError(
                f"{is_what}, and its column '{shown(found[0].name)}' for the {column} is of the type "
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
        "string_view",
        "date",
        "time",
        "timestamp",
        "null",
    )
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string())


class _Writer:
    """Writes batches as CSV with a header."""

    def __init__(self, columns: list[str], constants: Mapping[str, str], meter: Meter) -> None:
        self._columns = columns
        self._constants = {name: value for name, value in constants.items() if name not in columns}
        self._label = meter.label
        self._ids = _id_columns(columns, meter.settings)
        self._constant_bytes = sum(map(len, self._constants.values()))
        self._longest = meter.settings.max_line_mb << 20

    def write(self, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        names = [*self._columns, *self._constants]
        yield _csv(pa.table([pa.array([name]) for name in names], names=_numbered(names)))
        for read in batches:
            if read.schema.names != self._columns:
                raise DataError(f"{self._label} has ambiguous columns. Rename them.")
            batch = _without_views(self._checked_ids(read))
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                yield from self._write_rows(batch.slice(start, _BATCH_ROWS))

    def _checked_ids(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch, where an id that is not a number (NaN) is a missing one, as pandas writes it.

        Raises:
            DataError: Ids are floats that are infinite, or too large for whole numbers.
        """
        for name in self._ids:
            place = batch.schema.get_field_index(name)
            column = batch.column(place)
            exact = _EXACT.get(column.type)
            if exact is None:
                continue
            numbers = column.cast(pa.float64())
            ends = pc.min_max(numbers).as_py()
            largest = 0.0 if ends["max"] is None else max(ends["max"], -ends["min"])
            if largest >= exact:
                found = (
                    f"which is not exact from {exact:,} on: different ids have become one"
                    if np.isfinite(largest)
                    else "and one of them is infinite"
                )
                raise DataError(
                    f"{self._label} has the ids of '{shown(name)}' as {column.type}, {found}. Write the column as "
                    "integers (int64), from the source of the data."
                )
            known = pc.if_else(pc.is_nan(numbers), pa.scalar(None, column.type), column)
            batch = batch.set_column(place, batch.schema.field(place), known)
        return batch

    def _write_rows(self, batch: pa.RecordBatch) -> Iterator[bytes]:
        """The rows as CSV, in smaller batches if their texts are long."""
        size = _text_bytes(batch) + batch.num_rows * self._constant_bytes
        if size > _BATCH_BYTES and batch.num_rows > 1:
            half = batch.num_rows // 2
            yield from self._write_rows(batch.slice(0, half))
            yield from self._write_rows(batch.slice(half))
        elif batch.num_rows == 1 and size > self._longest:
            raise DataError(
                f"{self._label} has a row of more than {self._longest >> 20} MB (ingest.max_line_mb). Expected one "
                "rating per row; check that it is the right file."
            )
        elif batch.num_rows:
            columns = [pc.cast(column, _written_as(column.type)) for column in batch.columns]
            columns += [pa.repeat(value, batch.num_rows) for value in self._constants.values()]
            yield _csv(pa.table(columns, names=_numbered(columns)))


def _id_columns(columns: Sequence[str], settings: Reading) -> list[str]:
    """The columns that are read as ids: by the settings, or else by their names."""
    plain = [plain_name(name) for name in columns]
    found = []
    for side in SIDES:
        given = settings.columns.get(side, "")
        wanted = (plain_name(given),) if given else ALIASES[side]
        place = next((plain.index(name) for name in wanted if name in plain), None)
        number = parse_int64(given)
        if number is not None and 0 < number <= len(columns):
            place = number - 1
        found += [] if place is None else [columns[place]]
    return found


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose texts have offsets: few functions of Arrow know the texts of polars."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_string_view(field.type):
            batch = batch.set_column(place, field.name, pc.cast(batch.column(place), pa.large_string()))
    return batch


def _numbered(columns: Sequence[object]) -> list[str]:
    return list(map(str, range(len(columns))))


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
