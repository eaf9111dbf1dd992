"""Finds headers within a file: files that were joined bring theirs along, perhaps in another order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.containers.encoding import decode_line
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.blocks import Span
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.prelude import whole_texts
from matinee.ingest.reading.recognition import recognize_header

_MOST_TRIED: Final = 1000  # different lines of a block
_LONGEST: Final = 4096
_BELOW: Final = 1 << 12  # bytes of rows that show how dates are written
_BEFORE_NAMES: Final = b'" \t\xef'


@dataclass(frozen=True)
class Header:
    """A header within a span: its line, from 0, where it starts and stops, and the dialect of the rows below it."""

    line: int
    start: int
    stop: int
    dialect: Dialect


def find_headers(
    text: NDArray[np.uint8], span: Span, lines: NDArray[np.int32], faults: NDArray[np.uint8]
) -> list[Header]:
    """Find the headers among the bad lines of a span, in order, up to one that names other columns.

    Raises DataError if another kind of file begins within the file.
    """
    if not len(lines) or span.dialect.netflix:
        return []
    ends = (span.start, span.stop, span.dialect.line_end)
    starts = np.empty(len(lines), np.int64)
    kernel.find_lines(text, *ends, lines, starts)
    letters = _begins_with_letter(text[starts])
    found: list[Header] = []
    tried: dict[bytes, Dialect | None] = {}
    dialect = span.dialect
    for line, start in zip(lines[letters].tolist(), starts[letters].tolist(), strict=True):
        raw = _line_at(text, start, span)
        if raw not in tried:
            if len(tried) == _MOST_TRIED:
                break
            below = text[start + len(raw) + 1 : min(start + len(raw) + 1 + _BELOW, span.stop)].tobytes()
            tried[raw] = recognize_header(_decode(raw), _whole_lines(below, span), dialect, span.file)
        header = tried[raw]
        if header is not None:
            found.append(Header(line, start, start + len(raw) + 1, header))
            if header != dialect:
                break
    return found


def find_headers_of_texts(text: NDArray[np.uint8], span: Span) -> list[Header]:
    """The headers within plays with text ids, where a header would be a row: each line without a digit is tried.

    Raises DataError if another kind of file begins within the file.
    """
    dialect = span.dialect
    if not (dialect.plays and dialect.text_sides) or dialect.netflix:
        return []
    end = re.escape(bytes([dialect.line_end]))
    found: list[Header] = []
    tried: dict[bytes, Dialect | None] = {}
    part = text[span.start : span.stop].tobytes()
    for line in re.finditer(rb"(?:\A|(?<=%b))[^0-9%b]*[a-zA-Z][^0-9%b]*%b" % (end, end, end, end), part):
        raw = line[0][:-1]
        if len(raw) <= _LONGEST and raw not in tried and len(tried) < _MOST_TRIED:
            below = _whole_lines(part[line.end() : line.end() + _BELOW], span)
            tried[raw] = recognize_header(_decode(raw), below, dialect, span.file)
        if (header := tried.get(raw)) is not None:
            start = span.start + line.start()
            found.append(Header(0, start, span.start + line.end(), header))
            dialect = header
    return found


def _begins_with_letter(firsts: NDArray[np.uint8]) -> NDArray[np.bool_]:
    lower = firsts | 32
    return ((lower >= ord("a")) & (lower <= ord("z"))) | np.isin(firsts, list(_BEFORE_NAMES))


def _line_at(text: NDArray[np.uint8], start: int, span: Span) -> bytes:
    part = text[start : min(start + _LONGEST, span.stop)].tobytes()
    return part.partition(bytes([span.dialect.line_end]))[0]


def _whole_lines(part: bytes, span: Span) -> Sequence[str]:
    lines = part.split(bytes([span.dialect.line_end]))
    return whole_texts(lines[:-1], span.dialect.comment)


def _decode(raw: bytes) -> str:
    return decode_line(raw).rstrip("\r")
