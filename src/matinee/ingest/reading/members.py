"""Opens source files as streams of text: plain, compressed, Parquet, or archives of any of them.

The kind of a file is detected from its first bytes, not from its name.
"""

import contextlib
import io
import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import pyarrow as pa
from polars.exceptions import PanicException

from matinee.errors import ConfigError, DataError, MatineeError
from matinee.errors.text import shown
from matinee.ingest.reading.dialect import HEAD_BYTES
from matinee.ingest.reading.limits import Meter, Metered
from matinee.ingest.reading.parquet import PARQUET_MAGIC, open_parquet
from matinee.ingest.reading.sources import Source
from matinee.ingest.reading.tar import MAGIC, MAGIC_AT, TarError, read_tar
from matinee.settings.ingest import IngestSettings
from matinee.store.disk_errors import io_error

log = logging.getLogger(__name__)

_CODECS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_AGAIN: Final = "Copy or download it again."
_CHUNK_BYTES = 1 << 20
_MOST_HEADS = 16  # members of an archive: enough to see whether it holds ratings


@dataclass
class Member:
    """A text to read: a source file, or a file within an archive. `head` holds its first bytes."""

    name: str
    head: bytes
    stream: Any  # has readinto(buffer)
    in_archive: bool = False

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


def open_members(source: Source, settings: IngestSettings) -> Generator[Member]:
    """Open the texts in a source: one, or all members of an archive.

    Raises DataError if it is corrupt, truncated or over a limit of the settings; ConfigError if it no longer exists.
    """
    meter = Meter(source, settings)
    with translate_read_errors(source), source.path.open("rb", buffering=0) as raw:
        if raw.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC:
            raw.seek(0)
            text = open_parquet(raw, source.label(), settings)
            yield _watched(_member(source.name, Metered(text, meter)), source)
        else:
            raw.seek(0)
            yield from (_watched(each, source) for each in _unpack(_member(source.name, raw), meter))


def read_heads(source: Source, settings: IngestSettings) -> list[Member]:
    """Open the first texts in a source, to inspect their heads."""
    with contextlib.closing(open_members(source, settings)) as members:
        return list(islice(members, _MOST_HEADS))


def _unpack(member: Member, meter: Meter, depth: int = 0) -> Iterator[Member]:
    codec = next((name for magic, name in _CODECS.items() if member.head.startswith(magic)), None)
    is_tar = member.head[MAGIC_AT:].startswith(MAGIC)
    if codec or is_tar:
        meter.enter(depth)
    if codec:
        stream = Metered(pa.CompressedInputStream(pa.PythonFile(_AsFile(member), "r"), codec), meter)
        yield from _unpack(_member(member.name, stream, in_archive=member.in_archive), meter, depth + 1)
    elif is_tar:
        for entry in read_tar(member, meter):
            name = entry.name.rpartition("/")[2]
            if entry.size and not name.startswith("."):
                yield from _unpack(_member(name, entry, in_archive=True), meter, depth + 1)
    else:
        yield member


def _member(name: str, stream: Any, *, in_archive: bool = False) -> Member:
    member = Member(name, b"", stream, in_archive)
    member.head = member.read(HEAD_BYTES)
    return member


def _watched(member: Member, source: Source) -> Member:
    member.stream = _Watched(member.stream, source)
    return member


class _Watched:
    """A stream whose read errors name the source, wherever they occur."""

    def __init__(self, stream: Any, source: Source) -> None:
        self._stream = stream
        self._source = source

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        with translate_read_errors(self._source):
            taken: int = self._stream.readinto(buffer) or 0
            return taken


class _AsFile(io.RawIOBase):
    """A member as a raw file object, for the decompressor."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._member.readinto(memoryview(buffer))

    def read(self, size: int = -1) -> bytes:
        return self._member.read(size)


@contextlib.contextmanager
def translate_read_errors(source: Source) -> Iterator[None]:
    """Translate any error while a source is read into one that names it."""
    label = source.label()
    with translate_parser_errors(label):
        try:
            yield
        except FileNotFoundError:
            raise ConfigError(f"{label} no longer exists.") from None
        except pa.ArrowMemoryError as error:
            raise DataError(
                f"{label} needs more memory than is available ({shown(error)}). {_AGAIN}"
            ) from None
        except (pa.ArrowException, TarError, EOFError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # pyarrow's own have no number
                raise DataError(f"{label} could not be read: {error.strerror}.") from None
            reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
            raise DataError(f"{label} is corrupt or truncated ({shown(reason)}). {_AGAIN}") from None


@contextlib.contextmanager
def translate_parser_errors(label: str, *, writes: bool = False) -> Iterator[None]:
    """Translate any other error that a file's content causes into a refusal of that file; the log has the traceback.

    Our own errors, disk errors and a lack of memory are passed on. With `writes`, so are errors in which a library
    reports a disk error as text.
    """
    try:
        yield
    except (MatineeError, MemoryError, OSError):
        raise
    except (Exception, PanicException) as error:
        if writes and io_error(error) is not None:
            raise
        log.warning("%s could not be read.", label, exc_info=True)
        raise DataError(
            f"{label} could not be read ({type(error).__name__}: {shown(error)}). Expected a table as text or Parquet; "
            "the log has the traceback."
        ) from error
