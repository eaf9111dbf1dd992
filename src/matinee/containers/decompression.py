"""Decompresses bz2, xz and deflate as streams. Every stream must be whole, and nothing may follow the last."""

import bz2
import lzma
import tempfile
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

from matinee.containers.faults import CorruptError
from matinee.containers.member import Member, Stream
from matinee.errors import StoreError

_PACKED_BYTES: Final = 1 << 16
_UNPACKED_BYTES: Final = 1 << 18
_XZ_MEMORY: Final = 1 << 28  # xz -9 needs 65 MB; a header may ask for 4 GB
_IN_MEMORY: Final = 1 << 24  # a copy of a member that must be read from its end; larger ones are on disk


class Decompressor(Protocol):
    """What `bz2` and `lzma` call a decompressor."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether it waits for more input."""

    @property
    def unused_data(self) -> bytes:
        """What followed the end of the stream."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Up to `max_length` unpacked bytes."""


class _Inflater:
    """Raw deflate, as in zip, with the interface of the others."""

    needs_input = True  # asking again does no harm: what was not consumed is kept

    def __init__(self) -> None:
        self._state = zlib.decompressobj(-zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._state.eof

    @property
    def unused_data(self) -> bytes:
        return self._state.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        unpacked = self._state.decompress(self._state.unconsumed_tail + data, max_length)
        self.needs_input = not self._state.unconsumed_tail
        return unpacked


class Unpacked:
    """A decompressing stream, of one packed stream or of `several`, one after the other."""

    def __init__(self, packed: Stream, start: Callable[[], Decompressor], *, several: bool = True) -> None:
        self._packed = packed
        self._start = start
        self._several = several
        self._state = start()
        self._held = b""  # read, and not given to the decompressor

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end. Raises CorruptError if a stream is cut off."""
        most = min(len(buffer), _UNPACKED_BYTES)
        while not self._state.eof or self._begin_next():
            asked = self._state.needs_input
            chunk = self._take() if asked else b""
            unpacked = self._state.decompress(chunk, most)
            if unpacked:
                buffer[: len(unpacked)] = unpacked
                return len(unpacked)
            if asked and not chunk and not self._state.eof:
                raise CorruptError("it ends within a compressed stream")
        return 0

    def _take(self) -> bytes:
        held, self._held = self._held, b""
        if held:
            return held
        chunk = memoryview(bytearray(_PACKED_BYTES))
        return bytes(chunk[: self._packed.readinto(chunk) or 0])

    def _begin_next(self) -> bool:
        """Start with the next packed stream; False at the end. xz may have zeros between and behind its streams."""
        rest = self._state.unused_data or self._take()
        if self._start is start_xz:
            while rest and not (rest := rest.lstrip(b"\0")):
                rest = self._take()
        if not rest:
            return False
        if not self._several:
            raise CorruptError("data follows a compressed stream")
        self._state, self._held = self._start(), rest
        return True


def start_bz2() -> Decompressor:
    """A decompressor of bz2."""
    return bz2.BZ2Decompressor()


def start_xz() -> Decompressor:
    """A decompressor of xz with a limit on its memory."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)


def start_deflate() -> Decompressor:
    """A decompressor of raw deflate."""
    return _Inflater()


def spooled(member: Member) -> BinaryIO:
    """The rest of a member as a file that can be read from its end, in memory or as a nameless file on disk.

    Raises StoreError if the temporary folder has no room for it.
    """
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 # the caller closes it
    for chunk in member.chunks():
        try:
            file.write(chunk)
        except OSError as error:  # of this machine, not of the member
            file.close()
            raise StoreError(
                f"{member.name} could not be unpacked to the temporary folder: {error.strerror or error}. Free space "
                "there, or set TMPDIR to a folder on another disk, and run the same command again."
            ) from error
    file.seek(0)
    return file  # type: ignore[return-value]
