"""Reads tar archives as streams, strictly: an archive without its end-of-archive blocks is truncated.

The standard library accepts any end as the end of the archive, keeps every entry in memory, and loops on negative
sizes. Formats: ustar, GNU with long names, pax (https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from matinee.containers.faults import CorruptError
from matinee.containers.limits import Meter
from matinee.containers.member import Stream

MAGIC: Final = b"ustar"
MAGIC_AT: Final = 257
_BLOCK: Final = 512
_LONGEST_NOTE: Final = 1 << 20  # a long name or pax attributes
_READ_BYTES: Final = 1 << 16
_FILES: Final = b"0\x007"
_WITHOUT_CONTENT: Final = b"123456"  # links, devices, folders and pipes
_LONG_NAME, _LONG_LINK, _PAX, _PAX_OLD, _PAX_ALL = b"L", b"K", b"x", b"X", b"g"
_SPLIT_FILES: Final = b"SM"  # sparse files, files of several volumes


@dataclass
class TarEntry:
    """A regular file in the archive; it must be read before the next one is requested."""

    name: str
    size: int
    _read: Callable[[memoryview], int | None]
    left: int

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end of the file."""
        taken = (self._read(buffer[: min(self.left, len(buffer))]) or 0) if self.left else 0
        if self.left and not taken:
            raise CorruptError(f"it ends within {self.name}, {self.left:,} bytes short")
        self.left -= taken
        return taken


def read_tar(stream: Stream, meter: Meter) -> Iterator[TarEntry]:
    """Iterate over the regular files of an archive, in order.

    Raises CorruptError if the archive is corrupt or truncated, and DataError if it has too many entries.
    """
    notes: dict[str, str] = {}
    while (header := _read(stream, _BLOCK, "without its end-of-archive blocks")) != bytes(_BLOCK):
        meter.member()
        kind, size = _check(header)
        if kind in (_LONG_NAME, _PAX, _PAX_OLD):
            note = _read_note(stream, size)
            notes |= {"path": _text(note)} if kind == _LONG_NAME else _pax(note)
            continue
        size = _number(notes["size"].encode(), 10) if "size" in notes else size
        if kind in _SPLIT_FILES or any(name.startswith("GNU.sparse") for name in notes):
            raise CorruptError(
                "it contains a sparse or multi-volume file, which is not supported; pack it without --sparse"
            )
        entry = TarEntry(notes.get("path") or _name(header), size, stream.readinto, size)
        notes = notes if kind in (_LONG_LINK, _PAX_ALL) else {}
        if kind in _FILES:
            yield entry
        if kind not in _WITHOUT_CONTENT:
            _skip(entry)
            _read(stream, -size % _BLOCK, "within an entry")
    _finish(stream)


def _finish(stream: Any) -> None:
    """Read to the end, so that an enclosing container is checked to its end too."""
    if _read(stream, _BLOCK, "without its end-of-archive blocks") != bytes(_BLOCK):
        raise CorruptError("a block of zeros is within it")
    buffer = memoryview(bytearray(_READ_BYTES))
    while taken := stream.readinto(buffer):
        if any(buffer[:taken]):
            raise CorruptError("data follows the end of the archive; unpack concatenated archives first")


def _check(header: bytes) -> tuple[bytes, int]:
    """The kind and the size of an entry; the header's checksum is verified."""
    stated = _number(header[148:156], 8)
    if stated != sum(header) - sum(header[148:156]) + 8 * 32 or not header[MAGIC_AT:].startswith(MAGIC):
        raise CorruptError("a header in it is invalid")
    return header[156:157], _number(header[124:136], 8)


def _number(field: bytes, base: int) -> int:
    """A number of a header: digits, or base 256 if the first bit is set (GNU)."""
    if field[0] & 0x80:
        value = int.from_bytes(field[1:], "big")
        if field[0] == 0x80 and value < 2**63:
            return value
    else:
        digits = field.strip(b" \0")
        if len(digits) <= 19 and (not digits or digits.isdigit()):
            try:
                return int(digits or b"0", base)
            except ValueError:
                pass
    raise CorruptError("a number in one of its headers is invalid")


def _name(header: bytes) -> str:
    prefix = header[345:500] if header[257:263] == b"ustar\0" else b""
    parts = [_text(part) for part in (prefix, header[:100])]
    return "/".join(part for part in parts if part)


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _read_note(stream: Any, size: int) -> bytes:
    if size > _LONGEST_NOTE:
        raise CorruptError(f"a header in it is {size:,} bytes long")
    return _read(stream, size + -size % _BLOCK, "within a header")[:size]


def _pax(note: bytes) -> dict[str, str]:
    """The attributes of an extended header: lines of `length name=value`."""
    found = {}
    while note:
        length, _, _ = note.partition(b" ")
        if not length.isdigit() or len(length) > 8 or not len(length) + 1 < int(length) <= len(note):
            raise CorruptError("an extended header in it is invalid")
        line, note = note[len(length) + 1 : int(length)], note[int(length) :]
        name, _, value = line.removesuffix(b"\n").partition(b"=")
        found[_text(name)] = _text(value)
    return found


def _skip(entry: TarEntry) -> None:
    buffer = memoryview(bytearray(min(entry.left, _READ_BYTES)))
    while entry.left:
        entry.readinto(buffer)


def _read(stream: Any, size: int, where: str) -> bytes:
    """Exactly `size` bytes."""
    buffer = memoryview(bytearray(size))
    filled = 0
    while filled < size:
        taken = stream.readinto(buffer[filled:])
        if not taken:
            raise CorruptError(f"it ends {where}")
        filled += taken
    return bytes(buffer)
