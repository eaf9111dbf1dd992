"""Reads text line by line in bounded memory, after a first pass that detects encoding and line ends."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from matinee.containers import Member
from matinee.errors import DataError
from matinee.ingest.reading.sources import Source
from matinee.store.file_kinds import refuse_other_kinds

_MARK: Final = b"\xef\xbb\xbf"
_LINES_AT_ONCE: Final = 50_000
_BYTES_AT_ONCE: Final = 1 << 24


@dataclass(frozen=True)
class Text:
    """Encoding and line end: UTF-8 if all bytes are valid, else ISO-8859-1; LF if there is one, else CR."""

    encoding: str
    line_end: bytes


def look_through(member: Member, source: Source) -> Text:
    """Read a member of a source to its end, to detect its encoding and line ends.

    Raises DataError if it is not text.
    """
    refuse_other_kinds(member.head, source.label(), expected="movie ids and titles")
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding, line_end = "utf-8", b"\r"
    for chunk in member.chunks():
        line_end = b"\n" if b"\n" in chunk else line_end
        if encoding == "utf-8":
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                encoding = "iso-8859-1"
    if encoding == "utf-8" and decoder.getstate()[0]:
        encoding = "iso-8859-1"
    return Text(encoding, line_end)


def read_lines(member: Member, text: Text, *, longest: int, label: str) -> Iterator[list[tuple[int, str]]]:
    """Iterate over the lines that are not blank, in batches, each with its line number from 1.

    Raises DataError if a line is longer than `longest` bytes.
    """
    lines: list[tuple[int, str]] = []
    size = 0
    for number, raw in enumerate(_raw_lines(member, text.line_end, longest, label), start=1):
        if raw.strip():
            line = raw.removesuffix(b"\r").decode(text.encoding, "replace")
            if line.strip():
                lines.append((number, line))
                size += len(raw)
        if len(lines) >= _LINES_AT_ONCE or size > _BYTES_AT_ONCE:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _raw_lines(member: Member, line_end: bytes, longest: int, label: str) -> Iterator[bytes]:
    """The lines without their line ends, and without a byte order mark."""
    held: list[bytes] = []
    size = 0
    mark = True
    for chunk in member.chunks():
        first, *lines = (chunk.removeprefix(_MARK) if mark else chunk).split(line_end)
        mark = False
        held.append(first)
        size += len(first)
        if size > longest:
            raise DataError(
                f"{label} has a line of more than {longest >> 20} MB (ingest.max_line_mb). Expected one movie per "
                "line; check that it is the right file."
            )
        if lines:
            yield b"".join(held)
            yield from lines[:-1]
            held, size = [lines[-1]], len(lines[-1])
    yield b"".join(held)
