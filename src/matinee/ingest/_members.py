"""Opens source files: plain, compressed, Parquet, or archives of any of them, as streams of text.

What a file is, is seen from its first bytes and not from its name.
"""

import contextlib
import io
import tarfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from matinee.errors import ConfigError, DataError
from matinee.ingest._dialect import HEAD_BYTES
from matinee.ingest._parquet import PARQUET_MAGIC, open_parquet
from matinee.ingest._sources import Source

_CODECS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_TAR_MAGIC = b"ustar"
_TAR_MAGIC_AT = 257
_PART_BYTES = 1 << 20
_MOST_HEADS = 16  # of an archive: enough to see whether it holds ratings


@dataclass
class Member:
    """A text to read: a source file, or a file within an archive; its first bytes are read already."""

    name: str
    head: bytes
    stream: Any  # has readinto(buffer)
    in_archive: bool = False

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next, the head first; 0 at the end."""
        if self.head:
            taken = min(len(self.head), len(buffer))
            buffer[:taken] = self.head[:taken]
            self.head = self.head[taken:]
            return taken
        return self.stream.readinto(buffer) or 0

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end."""
        buffer = bytearray(size)
        filled = 0
        while filled < size and (taken := self.readinto(memoryview(buffer)[filled:])):
            filled += taken
        return bytes(buffer[:filled])

    def read_all(self) -> bytes:
        """All that is left, of a small member."""
        parts = []
        while part := self.read(_PART_BYTES):
            parts.append(part)
        return b"".join(parts)


def open_members(source: Source) -> Generator[Member]:
    """The texts in a source: one, or as many as an archive holds.

    Raises DataError when it is damaged or cut off, ConfigError when it is not there any more.
    """
    with _reading(source), source.path.open("rb", buffering=0) as raw:
        if raw.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC:
            raw.seek(0)
            yield _member(source.name, open_parquet(raw, source.label()))
        else:
            raw.seek(0)
            yield from _unpack(_member(source.name, raw))


def read_heads(source: Source) -> list[Member]:
    """The text in a source, or the first of those in an archive, to be looked at by their heads."""
    with contextlib.closing(open_members(source)) as members:
        return list(islice(members, _MOST_HEADS))


def _unpack(member: Member) -> Iterator[Member]:
    codec = next((name for magic, name in _CODECS.items() if member.head.startswith(magic)), None)
    if codec:
        stream = pa.CompressedInputStream(pa.PythonFile(_AsFile(member), "r"), codec)
        yield from _unpack(_member(member.name, stream, in_archive=member.in_archive))
    elif member.head[_TAR_MAGIC_AT:].startswith(_TAR_MAGIC):
        with tarfile.open(fileobj=_AsFile(member), mode="r|", bufsize=_PART_BYTES) as archive:
            for entry in archive:
                name = Path(entry.name).name
                if entry.isfile() and entry.size and not name.startswith("."):
                    yield from _unpack(_member(name, archive.extractfile(entry), in_archive=True))
    else:
        yield member


def _member(name: str, stream: Any, *, in_archive: bool = False) -> Member:
    member = Member(name, b"", stream, in_archive)
    member.head = member.read(HEAD_BYTES)
    return member


class _AsFile(io.RawIOBase):
    """A member as those who unpack it want to read it."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._member.readinto(memoryview(buffer))

    def read(self, size: int = -1) -> bytes:
        return self._member.read(size)


@contextlib.contextmanager
def _reading(source: Source) -> Iterator[None]:
    """Turn what goes wrong while a source is read into an error that names it."""
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(f"{source.label()} is not there any more.") from None
    except (pa.ArrowException, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk; pyarrow's own have no number
        told = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(
            f"{source.label()} is damaged or cut off ({told}). Copy or download it again."
        ) from None
