"""Reads the first lines of a rating file: byte order mark, blank lines, `sep=;`, comments, header and some rows."""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from typing import Final, NamedTuple

from matinee.containers import HEAD_BYTES
from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.ingest.reading import parser_kernel as kernel
from matinee.schemas.delimiters import QUOTABLE

_SEPARATOR: Final = re.compile(r'"?sep=(.|\\t)"?[;,\t]*', re.I)
_COMMENTS: Final = "#%"
_OPENING: Final = re.compile(r' *"')
_CLOSING: Final = re.compile(r'(?:[^"\\]|\\.|"")*+"', re.DOTALL)
_DELIMITER: Final = re.compile("|".join(map(re.escape, QUOTABLE)))
_MOST_JOINED: Final = 20  # lines of one quoted field
_MOST_COMMENTS: Final = 50  # lines above the rows


class Prelude(NamedTuple):
    """The first lines of a file, and where its first line of text starts and ends."""

    texts: list[str]  # the first lines that are not blank and no comments
    line_end: int
    begin: int  # bytes before the first of these lines
    lines: int
    header_stop: int  # the bytes up to the end of that line
    comment: int = kernel.NO_BYTE  # with which comments begin
    delimiter: str = ""  # from `sep=;`
    comments: tuple[str, ...] = ()
    rest: bytes = b""  # of the head, behind these lines

    def more(self) -> list[str]:
        """The other whole lines of the head."""
        return whole_texts(self.rest.split(bytes([self.line_end]))[:-1], self.comment)


def read_prelude(head: bytes, *, sampled: int, label: str, expected: str) -> Prelude:
    """Read the first lines.

    Raises DataError if there is no line, or if it is longer than the head.
    """
    mark = len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0
    line_end = b"\r" if b"\n" not in head and b"\r" in head else b"\n"
    text_at = len(head) - len(head[mark:].lstrip(b" \t\r\n"))
    if text_at == len(head):
        is_long = len(head) == HEAD_BYTES
        content = "begins with 64 KB of blank lines" if is_long else "contains only blank lines"
        raise DataError(f"{label} {content}. Expected {expected}.")
    begin = max(head.rfind(line_end, 0, text_at) + 1, mark)
    before = head.count(line_end, 0, begin)
    *lines, last = head[begin:].split(line_end, sampled + _MOST_COMMENTS)  # the last may be cut off
    if not lines and len(head) == HEAD_BYTES:
        raise DataError(
            f"{label}, line {before + 1}: the line is longer than {HEAD_BYTES - begin:,} bytes. Expected {expected}; "
            "check that it is the right file."
        )
    lines = lines or [last]
    rest = last if len(lines) == sampled + _MOST_COMMENTS else b""
    passed, delimiter, comment, comments = _above_the_rows(lines)
    begin += sum(len(line) + 1 for line in lines[:passed])
    before += passed
    lines = lines[passed:]
    texts = whole_texts(lines[:sampled], comment)
    if b"\r" in lines[0].rstrip(b"\r"):
        raise DataError(
            f"{label}, line {before + 1}: carriage returns (CR) end some lines, and line feeds (LF) others. Expected "
            "one of them: write all lines with LF."
        )
    stop = min(begin + len(lines[0]) + 1, len(head))
    return Prelude(texts or [""], line_end[0], begin, before, stop, comment, delimiter, comments, rest)


def _above_the_rows(lines: Sequence[bytes]) -> tuple[int, str, int, tuple[str, ...]]:
    """The number of lines above the header, with the delimiter, the byte of comments and the comments they give."""
    passed, delimiter, comment = 0, "", kernel.NO_BYTE
    comments = []
    for line in lines[:-1]:
        text = decode_line(line).strip()
        separator = _SEPARATOR.fullmatch(decode_line(line).strip(" \r"))  # a tab may be the delimiter
        if separator and not delimiter:
            delimiter = "\t" if separator[1] == "\\t" else separator[1]
        elif text and text[0] in _COMMENTS and comment in (kernel.NO_BYTE, ord(text[0])):
            comment = ord(text[0])
            comments.append(text.lstrip(_COMMENTS).strip())
        elif text:
            break
        passed += 1
    return passed, delimiter, comment, tuple(comments)


def whole_texts(lines: Sequence[bytes], comment: int) -> list[str]:
    """The lines as texts; those of one quoted field, such as a review, are one text."""
    texts = [decode_line(line).rstrip("\r") for line in lines if _is_row(line, comment)]
    joined, at = [], 0
    while at < len(texts):
        stop = at + 1
        if _is_open(texts[at]):
            stops = range(stop + 1, min(at + _MOST_JOINED, len(texts)) + 1)
            stop = next((k for k in stops if not _is_open("\n".join(texts[at:k]))), stop)
        joined.append("\n".join(texts[at:stop]))
        at = stop
    return joined


def _is_open(text: str) -> bool:
    """Whether a field begins with a quote that is not closed. A quote within a field is text."""
    at = 0
    while True:
        if quote := _OPENING.match(text, at):
            closing = _CLOSING.match(text, quote.end())
            if closing is None:
                return True
            at = closing.end()
        delimiter = _DELIMITER.search(text, at)
        if delimiter is None:
            return False
        at = delimiter.end()


def _is_row(line: bytes, comment: int) -> bool:
    text = line.strip()
    return bool(text) and text[0] != comment
