"""Opens a file as texts: plain, compressed, a table, or archives of any of them, one within another.

The kind of a file is detected from its first bytes, not from its name.
"""

import contextlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final, cast

import pyarrow as pa

from matinee.containers import arrow_file, tar, zip_archive
from matinee.containers.decompression import Unpacked, spooled, start_bz2, start_xz
from matinee.containers.encoding import as_utf8
from matinee.containers.json_lines import json_as_csv
from matinee.containers.limits import Meter, MeteredStream
from matinee.containers.member import AsFile, Member, Stream, begin
from matinee.containers.tables import PARQUET_MAGIC, arrow_text, parquet_text
from matinee.containers.typed_header import without_types
from matinee.errors.text import shown

_CODECS: Final = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_STARTS: Final = {b"BZh": start_bz2, b"\xfd7zXZ\0": start_xz}
_TABLES: Final = {PARQUET_MAGIC: parquet_text, arrow_file.MAGIC: arrow_text}
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


def unpack(
    raw: BinaryIO, name: str, meter: Meter, *, constants: Mapping[str, str] = _NOTHING
) -> Iterator[Member]:
    """The texts in a file: one, or all files of an archive. Each must be read before the next one is requested.

    Args:
        raw: The file. It is read from its end only if that is how it is packed, and copied if it can't seek.
        name: Its name.
        meter: Its limits and settings.
        constants: Columns that a table is given besides its own, with their value.

    Raises:
        CorruptError, OSError, pa.ArrowException, lzma.LZMAError: It is corrupt or truncated (`name_faults`).
        DataError: It is over a limit of the settings, or not readable text.
    """
    member = begin(name, cast(Stream, raw))
    yield from _unpack(member, meter, constants, depth=0, whole=raw if raw.seekable() else None)


def _unpack(
    member: Member, meter: Meter, constants: Mapping[str, str], *, depth: int, whole: BinaryIO | None = None
) -> Iterator[Member]:
    """As `unpack`; `whole` is the file that the member is, if it can seek."""
    head = member.head
    if packed := _decompressed(member):
        meter.enter(depth)
        inner = begin(member.name, MeteredStream(packed, meter), in_archive=member.in_archive)
        yield from _unpack(inner, meter, constants, depth=depth + 1)
    elif head[tar.MAGIC_AT :].startswith(tar.MAGIC):
        meter.enter(depth)
        for entry in tar.read_tar(member, meter):
            yield from _enter(entry.name, entry, meter, depth)
    elif head.startswith(zip_archive.MAGIC):
        meter.enter(depth)
        with _seekable(member, whole) as file:
            for each in zip_archive.read_zip(file, meter):
                yield from _enter(each.name, MeteredStream(each, meter), meter, depth)
    elif text_of := next((make for magic, make in _TABLES.items() if head.startswith(magic)), None):
        with _seekable(member, whole) as file:
            text = MeteredStream(text_of(file, meter, constants), meter)
            yield begin(member.name, text, in_archive=member.in_archive)
    else:
        label = _label(member, meter)
        yield without_types(json_as_csv(as_utf8(member, meter.settings.encoding, label), meter, label))


def _decompressed(member: Member) -> Stream | None:
    """The unpacked stream of a compressed member; None if it is not compressed."""
    for magic, codec in _CODECS.items():
        if member.head.startswith(magic):
            stream: Stream = pa.CompressedInputStream(pa.PythonFile(AsFile(member), "r"), codec)
            return stream
    for magic, start in _STARTS.items():
        if member.head.startswith(magic):
            return Unpacked(member, start)
    return None


def _enter(path: str, stream: Stream, meter: Meter, depth: int) -> Iterator[Member]:
    """The texts in an entry of an archive; none for hidden files, such as those that macOS adds."""
    name = path.rpartition("/")[2]
    if name and not name.startswith("."):
        yield from _unpack(begin(name, stream, in_archive=True), meter, _NOTHING, depth=depth + 1)


@contextlib.contextmanager
def _seekable(member: Member, whole: BinaryIO | None) -> Iterator[BinaryIO]:
    """The file that a member is, or a copy of it that can seek."""
    if whole is not None:
        whole.seek(0)
        yield whole
    else:
        with spooled(member) as file:
            yield file


def _label(member: Member, meter: Meter) -> str:
    return f"{meter.label}:{shown(member.name)}" if member.in_archive else meter.label
