"""Reads zip archives by their central directory, strictly and in bounded memory.

The standard library reads a directory of any size, and accepts entries that overlap, as the smallest bombs have them.
Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, cast

from matinee.containers.decompression import Unpacked, start_bz2, start_deflate
from matinee.containers.faults import CorruptError
from matinee.containers.limits import Meter
from matinee.containers.member import FilePart, Stream
from matinee.errors import DataError

MAGIC: Final = (b"PK\x03\x04", b"PK\x05\x06")
_END: Final = struct.Struct("<4s4H2LH")
_END_MAGIC: Final = b"PK\x05\x06"
_LONG_COMMENT: Final = 1 << 16
_LOCATOR: Final = struct.Struct("<4sLQL")
_LOCATOR_MAGIC: Final = b"PK\x06\x07"
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_END_64_MAGIC: Final = b"PK\x06\x06"
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_ENTRY_MAGIC: Final = b"PK\x01\x02"
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_LOCAL_MAGIC: Final = b"PK\x03\x04"
_LARGEST_DIRECTORY: Final = 1 << 26
_ENCRYPTED, _UTF_8 = 1, 1 << 11
_IN_64: Final = 0xFFFFFFFF  # the value is in the extra field
_STORED, _DEFLATED, _BZ2 = 0, 8, 12
_STARTS: Final = {_DEFLATED: start_deflate, _BZ2: start_bz2}
# Files that are zip archives of something else, by an entry of theirs.
_SHEETS: Final = {
    "[Content_Types].xml": "a spreadsheet or a document of Office (.xlsx, .docx)",
    "mimetype": "a spreadsheet or a document of OpenDocument (.ods, .odt)",
}


@dataclass(frozen=True)
class _Listed:
    """An entry of the central directory."""

    name: str
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    offset: int


class ZipEntry:
    """A file in the archive; it must be read before the next one is requested."""

    def __init__(self, name: str, stream: Stream, size: int, checksum: int) -> None:
        self.name = name
        self.size = size
        self._stream = stream
        self._left = size
        self._checksum = checksum
        self._computed = 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end.

        Raises CorruptError if the size or the checksum is not that of the directory.
        """
        taken = self._stream.readinto(buffer) or 0
        self._left -= taken
        self._computed = zlib.crc32(buffer[:taken], self._computed)
        if self._left < 0 or (not taken and self._left):
            raise CorruptError(f"{self.name} is not {self.size:,} bytes long, as the directory says")
        if not taken and self._computed != self._checksum:
            raise CorruptError(f"the checksum of {self.name} is wrong")
        return taken


def read_zip(raw: BinaryIO, meter: Meter) -> Iterator[ZipEntry]:
    """Iterate over the files of an archive, in the order of its directory; `raw` can seek.

    Raises CorruptError if the archive is corrupt or truncated, and DataError if it has too many entries, is encrypted,
    or is a spreadsheet.
    """
    count, size, offset = _find_directory(raw)
    if size > _LARGEST_DIRECTORY:
        raise CorruptError(f"the directory of the zip archive is {size:,} bytes long")
    meter.member(count)
    raw.seek(offset)
    listed = list(_directory(_exactly(raw, size, "within its directory"), count))
    _check_places(listed, offset)
    _check_names(listed)
    for entry in listed:
        if kind := _SHEETS.get(entry.name):
            raise DataError(f"{meter.label} is {kind}. Save the table as CSV, and give that.")
    for entry in listed:
        if not entry.name.endswith("/"):
            yield _open(raw, entry, meter.label)


def _find_directory(raw: BinaryIO) -> tuple[int, int, int]:
    """The number of entries, and the size and the place of the central directory."""
    size = raw.seek(0, 2)
    tail_at = max(0, size - _END.size - _LONG_COMMENT)
    raw.seek(tail_at)
    tail = _exactly(raw, size - tail_at, "")
    at = tail.rfind(_END_MAGIC)
    while at >= 0:
        if len(tail) >= at + _END.size:
            _, disk, first, _, count, length, offset, comment = _END.unpack_from(tail, at)
            if at + _END.size + comment == len(tail):
                break
        at = tail.rfind(_END_MAGIC, 0, at)
    if at < 0:
        raise CorruptError("the zip archive ends without its directory")
    if (disk, first) not in ((0, 0), (0xFFFF, 0xFFFF)):
        raise CorruptError("the zip archive is one of several volumes; join them first")
    if _IN_64 in (length, offset) or count == 0xFFFF:
        return _find_directory_64(raw, tail_at + at)
    return _ends_at(tail_at + at, count, length, offset)


def _find_directory_64(raw: BinaryIO, end: int) -> tuple[int, int, int]:
    """As `_find_directory`, for an archive with more than 65,535 entries or 4 GB."""
    if end < _LOCATOR.size:
        raise CorruptError("the end of the zip archive is invalid")
    raw.seek(end - _LOCATOR.size)
    magic, _, at, _ = _LOCATOR.unpack(_exactly(raw, _LOCATOR.size, ""))
    if magic != _LOCATOR_MAGIC or at > end:
        raise CorruptError("the end of the zip archive is invalid")
    raw.seek(at)
    magic, *_, count, size, offset = _END_64.unpack(_exactly(raw, _END_64.size, "within its end"))
    if magic != _END_64_MAGIC:
        raise CorruptError("the end of the zip archive is invalid")
    return _ends_at(at, count, size, offset)


def _ends_at(end: int, count: int, size: int, offset: int) -> tuple[int, int, int]:
    """The directory, which ends where its own end is stated; else a part of it could be left out."""
    if offset + size != end:
        raise CorruptError("the directory of the zip archive is not where its end says")
    return count, size, offset


def _directory(text: bytes, count: int) -> Iterator[_Listed]:
    at = 0
    for _ in range(count):
        if at + _ENTRY.size > len(text) or text[at : at + 4] != _ENTRY_MAGIC:
            raise CorruptError("the directory of the zip archive is invalid")
        fields = _ENTRY.unpack_from(text, at)
        flags, method, checksum, packed, size = fields[3], fields[4], *fields[7:10]
        name, extra, comment = fields[10:13]
        begin = at + _ENTRY.size
        at = begin + name + extra + comment
        numbers = _wide(text[begin + name : begin + name + extra], [size, packed, fields[16]])
        written = text[begin : begin + name].decode("utf-8" if flags & _UTF_8 else "cp437", "replace")
        yield _Listed(written, flags, method, checksum, numbers[1], numbers[0], numbers[2])
    if at != len(text):
        raise CorruptError("the directory of the zip archive is invalid")


def _wide(extra: bytes, numbers: list[int]) -> list[int]:
    """Size, packed size and place of an entry, from its extra field where they do not fit 32 bits."""
    while _IN_64 in numbers and len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        body, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == 1:
            for place, number in enumerate(numbers):
                if number == _IN_64 and len(body) >= 8:
                    numbers[place] = int.from_bytes(body[:8], "little")
                    body = body[8:]
            break
    return numbers


def _check_places(listed: list[_Listed], directory: int) -> None:
    """Raise CorruptError if entries overlap each other or the directory."""
    end = 0
    for entry in sorted(listed, key=lambda entry: entry.offset):
        if entry.offset < end:
            raise CorruptError("entries of the zip archive overlap")
        end = entry.offset + _LOCAL.size + entry.packed
    if end > directory:
        raise CorruptError("entries of the zip archive overlap")


def _check_names(listed: list[_Listed]) -> None:
    """Raise CorruptError if a name occurs twice: programs differ in which of the two files they unpack."""
    name, count = Counter(entry.name for entry in listed).most_common(1)[0] if listed else ("", 0)
    if count > 1:
        raise CorruptError(f"the zip archive contains {name} twice")


def _open(raw: BinaryIO, entry: _Listed, label: str) -> ZipEntry:
    if entry.flags & _ENCRYPTED:
        raise DataError(
            f"{label} is encrypted ({entry.name}). Unpack it with its password, and give its files."
        )
    raw.seek(entry.offset)
    magic, *_, name, extra = _LOCAL.unpack(_exactly(raw, _LOCAL.size, "within an entry"))
    if magic != _LOCAL_MAGIC:
        raise CorruptError(f"{entry.name} is not where the directory says")
    packed = FilePart(raw, entry.offset + _LOCAL.size + name + extra, entry.packed)
    if entry.method == _STORED:
        return ZipEntry(entry.name, cast(Stream, packed), entry.size, entry.checksum)
    start = _STARTS.get(entry.method)
    if start is None:
        raise DataError(
            f"{label} compresses {entry.name} by method {entry.method}, which is not supported. Pack it again with "
            "ordinary zip (deflate), or unpack it."
        )
    return ZipEntry(
        entry.name, Unpacked(cast(Stream, packed), start, several=False), entry.size, entry.checksum
    )


def _exactly(raw: BinaryIO, size: int, where: str) -> bytes:
    text = b""
    while len(text) < size:
        chunk = raw.read(size - len(text))
        if not chunk:
            raise CorruptError(f"the zip archive ends {where}")
        text += chunk
    return text
