"""Checks the pages of a Parquet file before Arrow unpacks them: a page is unpacked whole, whatever size it states.

A file of ten kilobytes can hold a page of two gigabytes. The size is in the header of the page, a struct of Thrift that
pyarrow does not show. Formats: https://github.com/apache/parquet-format/blob/master/README.md#data-pages and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import pyarrow.parquet as pq

from matinee.containers.faults import CorruptError
from matinee.errors import DataError

_LARGEST_PAGE: Final = 1 << 27  # writers make pages of about a megabyte
_HEADER_BYTES: Final = (1 << 12, 1 << 20)  # of a page: nearly every one, and the longest
_DEEPEST: Final = 8
_KIND, _UNPACKED, _PACKED = 1, 2, 3  # fields of PageHeader
_DICTIONARY: Final = 2  # a kind of page
_OF_DATA: Final = {5: 2, 8: 4}  # fields with the header of a data page, and the field of its encoding there
_LENGTHS, _DIFFERENCES = 6, 7  # encodings of texts: DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY
_DOUBLE: Final = 8  # bytes
_BATCH_BYTES: Final = 1 << 26  # of texts that may each be as long as their page
Struct = dict[int, "int | Struct | None"]


@dataclass(frozen=True)
class Page:
    """What a page states about itself."""

    column: str
    unpacked: int
    is_dictionary: bool
    encoding: int | None


def choose_reading(pages: Iterable[Page], texts: Collection[str]) -> tuple[list[str], int]:
    """How to read columns of texts so that a batch takes little memory.

    A text that is repeated in a million rows is in memory once if the column stays a dictionary; Arrow can't do that
    with texts that are encoded as differences or with their lengths.

    Returns:
        The columns to read as dictionaries, and the most rows of a batch.
    """
    widest = dict.fromkeys(texts, 1)
    encodings: dict[str, set[int | None]] = {name: set() for name in texts}
    with_dictionary = set()
    for page in pages:
        if page.column in widest:
            widest[page.column] = max(widest[page.column], page.unpacked)
            encodings[page.column].add(page.encoding)
            with_dictionary |= {page.column} if page.is_dictionary else set()
    plain = {name for name, found in encodings.items() if found & {_LENGTHS, _DIFFERENCES}}
    long = [name for name in plain if name in with_dictionary or _DIFFERENCES in encodings[name]]
    rows = min((_BATCH_BYTES // widest[name] for name in long), default=_BATCH_BYTES)
    return [name for name in texts if name not in plain], max(1, rows)


def read_pages(
    raw: BinaryIO, file: pq.FileMetaData, columns: Collection[str], *, label: str
) -> Iterator[Page]:
    """Iterate over the pages of some columns.

    Args:
        raw: The file.
        file: Its metadata.
        columns: Names of columns; all columns within them.
        label: The name of the file in messages.

    Raises:
        CorruptError: A page is not where the metadata says, or its header is invalid.
        DataError: A page is larger than a batch of rows may be.
    """
    end = raw.seek(0, 2)
    for group in map(file.row_group, range(file.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            name = column.path_in_schema.partition(".")[0]
            if name not in columns:
                continue
            starts = (column.dictionary_page_offset, column.data_page_offset)
            at = min(start for start in starts if start)
            stop = at + column.total_compressed_size
            if not 0 < at <= stop <= end:
                raise CorruptError("a column of the Parquet file is outside the file")
            while at < stop:
                page, size = _read_page(raw, at, name, label)
                yield page
                at += size


def _read_page(raw: BinaryIO, at: int, column: str, label: str) -> tuple[Page, int]:
    """A page, and its bytes in the file."""
    header, size = _read_header(raw, at)
    unpacked, packed = header.get(_UNPACKED), header.get(_PACKED)
    if not isinstance(unpacked, int) or not isinstance(packed, int) or min(unpacked, packed) < 0:
        raise CorruptError("the header of a page is invalid")
    if unpacked > _LARGEST_PAGE:
        raise DataError(
            f"{label} is Parquet with a page of {unpacked >> 20:,} MB. Expected pages of about 1 MB: write it again, "
            "and check that it contains ratings."
        )
    parts = ((header.get(name), field) for name, field in _OF_DATA.items())
    encodings = [part.get(field) for part, field in parts if isinstance(part, dict)]
    encoding = next((found for found in encodings if isinstance(found, int)), None)
    return Page(column, unpacked, header.get(_KIND) == _DICTIONARY, encoding), size + packed


def _read_header(raw: BinaryIO, at: int) -> tuple[Struct, int]:
    for size in _HEADER_BYTES:
        raw.seek(at)
        reader = _Compact(raw.read(size))
        try:
            return reader.struct(), reader.at
        except IndexError:  # it may be longer
            continue
    raise CorruptError("the header of a page is invalid")


class _Compact:
    """Reads structs of the compact protocol, by the numbers of their fields; texts, lists and maps are passed over."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self.at = 0

    def struct(self, depth: int = 0) -> Struct:
        """The struct that starts here. Raises IndexError if the text ends within it."""
        if depth > _DEEPEST:
            raise CorruptError("the header of a page is invalid")
        found: Struct = {}
        name = 0
        while kind := self._byte():
            name = name + (kind >> 4) if kind >> 4 else self._integer()
            found[name] = self._value(kind & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> "int | Struct | None":
        if kind in (1, 2):
            return None  # a boolean, which is its kind
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 12:
            return self.struct(depth + 1)
        if kind in (7, 8):
            size = _DOUBLE if kind == 7 else self._number()
            self.at += size
        elif kind in (9, 10):
            self._list(depth)
        else:
            raise CorruptError("the header of a page is invalid")
        return None

    def _list(self, depth: int) -> None:
        first = self._byte()
        count = first >> 4 if first >> 4 != 15 else self._number()
        for _ in range(count):
            self._byte() if first & 15 in (1, 2) else self._value(first & 15, depth + 1)

    def _byte(self) -> int:
        self.at += 1
        return self._text[self.at - 1]

    def _number(self) -> int:
        """A number of seven bits a byte."""
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
            if shift > 63:
                raise CorruptError("the header of a page is invalid")

    def _integer(self) -> int:
        value = self._number()
        return value >> 1 ^ -(value & 1)
