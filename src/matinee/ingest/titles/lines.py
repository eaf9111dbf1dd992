"""Reads a titles file line by line in bounded memory. Each line is decoded on its own: UTF-8, else Windows-1252.

If a line is not UTF-8, its fields are decoded on their own.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import Final

from matinee.containers import Member
from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.schemas.delimiters import pattern

_LINES_AT_ONCE: Final = 50_000
_BYTES_AT_ONCE: Final = 1 << 24
# What Western text read as Windows-1252 does not have: three foreign letters in a row, control characters, low quotes
# behind a letter, and signs that DOS or Shift-JIS have as letters.
_UNLIKELY: Final = re.compile(
    "[\x80-\x9f\u0192\u02c6\u02dc\u2020\u2021\u2030]|[^\x00-\x7f\u2010-\u203a\u20ac]{3,}|[a-z][\u201a\u201e]"
)
_PIECES: Final = re.compile(f"({pattern()})".encode())
_ROW_WITHIN: Final = re.compile(
    rf'\r"?\d+"?{pattern()}'.encode()
)  # a movie behind a line end of another kind
_FEWEST_UNLIKELY: Final = 0.2  # of the lines that are not UTF-8


class LineReader:
    """Reads the lines of one text, and notices when its encoding is probably another one.

    Args:
        member: The text; its head tells the line ends, LF if there is one, else CR.
        longest: Maximum bytes of a line.
        label: The name of the file in messages.
    """

    def __init__(self, member: Member, *, longest: int, label: str) -> None:
        self._member = member
        self._line_end = b"\r" if b"\n" not in member.head and b"\r" in member.head else b"\n"
        self._longest = longest
        self.label = label
        self._guessed = self._unlikely = 0
        self._example = ""

    def batches(self) -> Iterator[list[tuple[int, str]]]:
        """Iterate over the lines that are not blank, in batches, each with its line number from 1.

        Raises DataError if a line is too long.
        """
        lines: list[tuple[int, str]] = []
        size = 0
        for number, raw in enumerate(self._raw_lines(), start=1 + self._member.line_shift):
            if raw.strip():
                if self._line_end == b"\n" and b"\r" in raw and _ROW_WITHIN.search(raw):
                    raise DataError(
                        f"{self.label}, line {number:,}: carriage returns (CR) end some lines, and line feeds (LF) "
                        "others. Expected one of them: write all lines with LF."
                    )
                line = self._decode(raw.removesuffix(b"\r").removeprefix(BOM_UTF8))  # joined files have marks
                if line.strip():
                    lines.append((number, line))
                    size += len(raw)
            if len(lines) >= _LINES_AT_ONCE or size > _BYTES_AT_ONCE:
                yield lines
                lines, size = [], 0
        if lines:
            yield lines

    def warnings(self) -> Iterator[str]:
        """A sentence if the guess of the encoding looks wrong, once all lines are read."""
        if self._unlikely > _FEWEST_UNLIKELY * self._guessed:
            yield (
                f"{self._guessed:,} lines of the titles file are not UTF-8 and were read as Windows-1252. They look "
                f"like text in another encoding, for example '{self._example}'. Set ingest.encoding, for example to "
                "gbk, shift_jis or cp1251."
            )

    def _decode(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            # Tables of two sources may have been joined, so that an id is UTF-8 and its title is not.
            line = "".join(map(decode_line, _PIECES.split(raw)))
        self._guessed += 1
        if _UNLIKELY.search(line):
            self._unlikely += 1
            self._example = self._example or line[:80]
        return line

    def _raw_lines(self) -> Iterator[bytes]:
        """The lines without their line ends, and without a byte order mark."""
        held: list[bytes] = []
        size = 0
        mark = True
        for chunk in self._member.chunks():
            first, *lines = (chunk.removeprefix(BOM_UTF8) if mark else chunk).split(self._line_end)
            mark = False
            held.append(first)
            size += len(first)
            if size > self._longest:
                raise DataError(
                    f"{self.label} has a line of more than {self._longest >> 20} MB (ingest.max_line_mb). Expected "
                    "one movie per line; check that it is the right file."
                )
            if lines:
                yield b"".join(held)
                yield from lines[:-1]
                held, size = [lines[-1]], len(lines[-1])
        yield b"".join(held)
