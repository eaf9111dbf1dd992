"""A text to read: a file, or a file within an archive."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Protocol

HEAD_BYTES: Final = 1 << 16
_CHUNK_BYTES: Final = 1 << 20


class Stream(Protocol):
    """What can be read from front to back."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the buffer; returns the number of bytes, 0 at the end."""


@dataclass
class Member:
    """A text to read: a source file, or a file within an archive. `head` holds its first bytes."""

    name: str
    head: bytes
    stream: Stream
    in_archive: bool = False
    line_shift: int = 0  # what is added to a line number of the text to get that of the file

    @property
    def is_text(self) -> bool:
        """Whether the file's lines are those of the text; False for JSON lines, which become CSV."""
        return self.line_shift == 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, first from the head; returns the number of bytes, 0 at the end."""
        if self.head:
            taken = min(len(self.head), len(buffer))
            buffer[:taken] = self.head[:taken]
            self.head = self.head[taken:]
            return taken
        return self.stream.readinto(buffer) or 0

    def read(self, size: int) -> bytes:
        """Read `size` bytes; fewer only at the end."""
        buffer = bytearray(size)
        filled = 0
        while filled < size and (taken := self.readinto(memoryview(buffer)[filled:])):
            filled += taken
        return bytes(buffer[:filled])

    def chunks(self) -> Iterator[bytes]:
        """Read the rest in chunks of a bounded size."""
        while chunk := self.read(_CHUNK_BYTES):
            yield chunk


def begin(name: str, stream: Stream, *, in_archive: bool = False, line_shift: int = 0) -> Member:
    """A member whose head is read."""
    member = Member(name, b"", stream, in_archive, line_shift)
    member.head = member.read(HEAD_BYTES)
    return member


class AsFile(io.RawIOBase):
    """A member as a raw file object, for libraries that read from one."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        return self._member.readinto(memoryview(buffer))

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes; fewer only at the end."""
        return self._member.read(size)


class FilePart(io.RawIOBase):
    """A part of a file that can seek, read from front to back; it ends early where the file does."""

    def __init__(self, raw: BinaryIO, start: int, size: int) -> None:
        self._raw = raw
        self._at = start
        self.left = size

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        wanted = min(self.left, len(buffer))
        if not wanted:
            return 0
        self._raw.seek(self._at)
        chunk = self._raw.read(wanted)
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        self.left -= len(chunk)
        return len(chunk)


class TextPieces:
    """A stream of texts that are made one after the other."""

    def __init__(self, texts: Iterator[bytes]) -> None:
        self._texts = texts
        self._rest = memoryview(b"")

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        while not self._rest:
            text = next(self._texts, None)
            if text is None:
                return 0
            self._rest = memoryview(text)
        taken = min(len(self._rest), len(buffer))
        buffer[:taken] = self._rest[:taken]
        self._rest = self._rest[taken:]
        return taken
