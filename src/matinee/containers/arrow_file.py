"""Opens files of Arrow's own format (Feather, `write_ipc`). Batches are unpacked whole: their size is checked first.

The size of a batch stands in its metadata, a flatbuffer that pyarrow does not show. A file of a few kilobytes may claim
a batch of many gigabytes. Format: https://arrow.apache.org/docs/format/Columnar.html
"""

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.ipc

from matinee.containers.faults import CorruptError
from matinee.containers.limits import Meter
from matinee.errors import DataError

MAGIC: Final = b"ARROW1"
_LARGEST_FOOTER: Final = 1 << 26
_DICTIONARIES, _BATCHES = 2, 3  # places of fields in Footer
_LARGEST_BATCH: Final = 1 << 31
_MOST_ROWS: Final = 1 << 28  # of a batch; columns without values may claim any number
_HEADER, _BUFFERS, _DATA = 2, 2, 1  # places of fields: in Message, in RecordBatch, in DictionaryBatch
_COMPRESSION: Final = 3


def open_arrow(raw: BinaryIO, meter: Meter) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The schema of an Arrow file, and its batches one by one.

    Raises DataError if a batch would take more than 2 GB, or more than ingest.max_ratio allows.
    """
    footer = _read_footer(raw)
    end = raw.seek(0, io.SEEK_END)
    for place in (_DICTIONARIES, _BATCHES):
        for offset, size in _blocks(footer, place):
            if offset + size > end:
                raise CorruptError("a batch is outside the Arrow file")
            raw.seek(offset)
            unpacked = _unpacked_size(pa.ipc.read_message(pa.py_buffer(raw.read(size))))
            if unpacked > _LARGEST_BATCH:
                raise DataError(
                    f"{meter.label} is Arrow with a batch of {unpacked >> 20:,} MB. Write it in batches of at most a "
                    "million rows, or as Parquet."
                )
            meter.unpacked(unpacked)
    raw.seek(0)
    file = pa.ipc.open_file(raw)
    return file.schema, _read_batches(file)


def _read_batches(file: pa.ipc.RecordBatchFileReader) -> Iterator[pa.RecordBatch]:
    """The batches, checked: lengths and places in a batch are only claims, and pyarrow believes them."""
    for number in range(file.num_record_batches):
        batch = file.get_batch(number)
        if not 0 <= batch.num_rows <= _MOST_ROWS:
            raise CorruptError(f"a batch claims {batch.num_rows:,} rows")
        batch.validate(full=True)
        yield batch


def _read_footer(raw: BinaryIO) -> bytes:
    """The footer. Raises CorruptError if the file is cut off."""
    end = raw.seek(0, io.SEEK_END) - len(MAGIC) - 4
    raw.seek(max(0, end))
    size = int.from_bytes(raw.read(4), "little")
    if raw.read() != MAGIC or not 4 <= size <= min(end, _LARGEST_FOOTER):
        raise CorruptError("the Arrow file ends without its footer")
    raw.seek(end - size)
    return raw.read(size)


def _blocks(footer: bytes, place: int) -> Iterator[tuple[int, int]]:
    """Where the messages are that the footer lists, and their bytes."""
    try:
        at = _field(footer, _table(footer, 0), place)
        if at is None:
            return
        vector = _table(footer, at)
        (count,) = struct.unpack_from("<I", footer, vector)
        for number in range(count):
            offset, metadata, body = struct.unpack_from("<qi4xq", footer, vector + 4 + 24 * number)
            if min(offset, metadata, body) < 0:
                raise CorruptError("the footer of the Arrow file is invalid")
            yield offset, metadata + body
    except struct.error:
        raise CorruptError("the footer of the Arrow file is invalid") from None


def _unpacked_size(message: pa.ipc.Message) -> int:
    """The bytes that a message's buffers take in memory."""
    if message.type not in ("record batch", "dictionary"):
        return 0
    body = message.body
    if body is None:
        return 0
    try:
        return _sum_buffers(message.metadata.to_pybytes(), message.type, body)
    except (struct.error, IndexError):
        raise CorruptError("the metadata of a batch is invalid") from None


def _sum_buffers(metadata: bytes, kind: str, body: Any) -> int:
    header = _child(metadata, _table(metadata, 0), _HEADER)
    batch = _child(metadata, header, _DATA) if kind == "dictionary" else header
    if batch is None or _field(metadata, batch, _COMPRESSION) is None:
        return int(body.size)
    at = _field(metadata, batch, _BUFFERS)
    if at is None:
        return 0
    (vector,) = struct.unpack_from("<I", metadata, at)
    (count,) = struct.unpack_from("<I", metadata, at + vector)
    total: int = 0
    for number in range(count):
        offset, length = struct.unpack_from("<2q", metadata, at + vector + 4 + 16 * number)
        if length >= 8:
            if not 0 <= offset <= body.size - 8:
                raise CorruptError("a buffer of a batch is outside the batch")
            (size,) = struct.unpack("<q", body.slice(offset, 8).to_pybytes())
            total += length if size < 0 else size  # -1: this buffer is not compressed
    return total


def _table(metadata: bytes, at: int) -> int:
    """Where the table is to which the offset at `at` leads."""
    return at + int(struct.unpack_from("<I", metadata, at)[0])


def _field(metadata: bytes, table: int | None, place: int) -> int | None:
    """Where a field of a table is; None if it is absent."""
    if table is None:
        return None
    (back,) = struct.unpack_from("<i", metadata, table)
    (size,) = struct.unpack_from("<H", metadata, table - back)
    if 4 + 2 * place >= size:
        return None
    (offset,) = struct.unpack_from("<H", metadata, table - back + 4 + 2 * place)
    return table + offset if offset else None


def _child(metadata: bytes, table: int | None, place: int) -> int | None:
    at = _field(metadata, table, place)
    return None if at is None else _table(metadata, at)
