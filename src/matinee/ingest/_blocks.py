"""Opens source files and cuts their text into blocks of whole lines: what the parser is fed with.

Small files share a block, a large one fills many; memory holds a few blocks, whatever the size of the file.
"""

import contextlib
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.errors import ConfigError, DataError
from matinee.ingest._dialect import HEAD_BYTES, Dialect, recognise
from matinee.ingest._parquet import PARQUET_MAGIC, open_parquet
from matinee.ingest._sources import Source
from matinee.settings import IngestSettings

BLOCK_BYTES: Final = 1 << 24  # some 600,000 ratings: one row group of the table
_LONGEST_LINE: Final = 1 << 28
_ROOM_FOR_MORE = 1 << 20  # a block with less left is full
_CODECS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}


@dataclass(frozen=True)
class Piece:
    """A run of lines of one file within a block."""

    file: str
    dialect: Dialect
    start: int
    stop: int
    goes_on: bool  # the lines before stand in the block before


@dataclass(frozen=True)
class Block:
    """Bytes that end with a line end, and which of them are of which file."""

    text: NDArray[np.uint8]
    pieces: Sequence[Piece]


@dataclass
class Member:
    """A text to read: a source file, or a file within an archive."""

    name: str
    head: bytes
    stream: Any  # has readinto(buffer)
    dialect: Dialect | None = None

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next, the head first; 0 at the end."""
        if self.head:
            taken = min(len(self.head), len(buffer))
            buffer[:taken] = self.head[:taken]
            self.head = self.head[taken:]
            return taken
        return self.stream.readinto(buffer) or 0


def read_blocks(
    sources: Sequence[Source], settings: IngestSettings, *, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """The text of the sources, in order, as blocks of whole lines.

    Raises DataError when a source is no ratings file, is cut off, or changes while it is read.
    """
    packer = _Packer(block_bytes)
    for source in sources:
        for member in open_members(source):
            dialect = recognise(member.head, settings, label=source.label(member.name))
            yield from packer.add(member, dialect, source)
        source.check_unchanged()
    yield from packer.emit()


def read_heads(source: Source) -> list[tuple[str, bytes]]:
    """The first bytes of a source, or of each of the first few files in it if it is an archive."""
    heads = []
    for member in open_members(source):
        heads.append((member.name, member.head))
        if len(heads) == 4:
            break
    return heads


def open_members(source: Source) -> Iterator[Member]:
    """The texts in a source, each with its head read: one, or as many as an archive holds."""
    with reading(source), contextlib.ExitStack() as stack:
        raw = stack.enter_context(source.path.open("rb"))
        magic = raw.read(4)
        raw.seek(0)
        if magic == PARQUET_MAGIC:
            yield _member(source.name, open_parquet(raw, source.label()))
            return
        codec = next((name for start, name in _CODECS.items() if magic.startswith(start)), None)
        stream: Any = pa.CompressedInputStream(pa.PythonFile(raw, "r"), codec) if codec else raw
        head = _fill(stream, HEAD_BYTES)
        if head[257:262] != b"ustar":
            yield Member(source.name, head, stream)
            return
        yield from _open_archive(Member(source.name, head, stream))


def read_all(member: Member) -> bytes:
    """The whole text of a small member."""
    parts = []
    while part := _fill(member, BLOCK_BYTES):
        parts.append(part)
    return b"".join(parts)


def _open_archive(whole: Member) -> Iterator[Member]:
    stream: Any = _Readable(whole)  # to read is all that the stream mode asks of it
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in archive:
            name = Path(entry.name).name
            if entry.isfile() and entry.size and not name.startswith("."):
                yield _member(name, archive.extractfile(entry))


class _Readable:
    """A member as tarfile wants to read it."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def read(self, size: int) -> bytes:
        return _fill(self._member, size)


def _member(name: str, stream: Any) -> Member:
    return Member(name, _fill(stream, HEAD_BYTES), stream)


def _fill(stream: Any, size: int) -> bytes:
    """`size` bytes of a stream, fewer only at its end."""
    buffer = bytearray(size)
    filled = 0
    while filled < size and (taken := stream.readinto(memoryview(buffer)[filled:])):
        filled += taken
    return bytes(buffer[:filled])


@contextlib.contextmanager
def reading(source: Source) -> Iterator[None]:
    """Turn what goes wrong while a source is read into an error that names it."""
    try:
        yield
    except (ConfigError, DataError):
        raise
    except FileNotFoundError:
        raise ConfigError(f"{source.label()} is not there any more.") from None
    except (pa.ArrowException, tarfile.TarError, EOFError) as error:
        raise DataError(
            f"{source.label()} is damaged or cut off ({_first_sentence(error)}). Copy or download it again."
        ) from None
    except OSError as error:
        if error.errno is None:  # pyarrow's own
            raise DataError(
                f"{source.label()} is damaged or cut off ({_first_sentence(error)}). Copy or download it again."
            ) from None
        raise


def _first_sentence(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__


class _Packer:
    """Fills blocks with lines, cutting only at line ends."""

    def __init__(self, block_bytes: int) -> None:
        self._size = block_bytes
        self._start_block(b"")

    def _start_block(self, begun: bytes) -> None:
        # One byte more than is read into: a last line without an end gets one.
        self._text = np.empty(max(self._size, 2 * len(begun)) + 1, np.uint8)
        self._text[: len(begun)] = np.frombuffer(begun, np.uint8)
        self._filled = len(begun)
        self._pieces: list[Piece] = []

    def emit(self) -> Iterator[Block]:
        """The block so far, if anything is in it."""
        if self._pieces:
            yield Block(self._text[: self._pieces[-1].stop], self._pieces)
        self._start_block(b"")

    def add(self, member: Member, dialect: Dialect, source: Source) -> Iterator[Block]:
        """Add a member's lines after its header; yields each block that is full."""
        _fill(member, dialect.skip_bytes)
        begin, goes_on = self._filled, False
        while True:
            room = self._text.size - 1
            if self._filled < room:
                taken = member.readinto(self._text.data[self._filled : room])
                self._filled += taken
                if taken == 0:
                    break
                continue
            cut = _line_end_before(self._text, begin, self._filled, dialect.line_end)
            if cut > begin:
                self._pieces.append(Piece(member.name, dialect, begin, cut, goes_on))
                goes_on = True
            elif self._filled - begin > _LONGEST_LINE:
                raise DataError(
                    f"{source.label(member.name)} has a line of more than {_LONGEST_LINE >> 20} MB. "
                    "Expected a rating a line; check that it is the right file."
                )
            rest = self._text[cut : self._filled].tobytes()
            if self._pieces:
                yield Block(self._text[:cut], self._pieces)
            self._start_block(rest)
            begin = 0
        yield from self._finish(member, dialect, begin, goes_on)

    def _finish(self, member: Member, dialect: Dialect, begin: int, goes_on: bool) -> Iterator[Block]:
        if self._filled > begin and self._text[self._filled - 1] != dialect.line_end:
            self._text[self._filled] = dialect.line_end
            self._filled += 1
        # A file without a row is a piece too: it is counted.
        self._pieces.append(Piece(member.name, dialect, begin, self._filled, goes_on))
        if self._text.size - self._filled < min(_ROOM_FOR_MORE, self._size // 2):
            yield from self.emit()


def _line_end_before(text: NDArray[np.uint8], start: int, stop: int, line_end: int) -> int:
    """One past the last line end in text[start:stop], or `start` where there is none."""
    step = 1 << 12
    while True:
        begin = max(start, stop - step)
        found = text[begin:stop].tobytes().rfind(bytes([line_end]))
        if found >= 0:
            return begin + found + 1
        if begin == start:
            return start
        step *= 8
