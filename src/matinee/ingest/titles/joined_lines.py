"""Joins lines of a titles file that are within one pair of quotes, and splits them into fields."""

from collections.abc import Iterator, Sequence
from typing import Final

from matinee.ingest.titles.fields import read_movie_id, read_year
from matinee.ingest.titles.layout import Layout

_MOST_JOINED: Final = 100  # lines of one quoted field
_MOST_ROWS: Final = 2  # lines within a quoted field that look like rows


def split_lines(
    lines: Sequence[tuple[int, str]], layout: Layout
) -> Iterator[tuple[int, str, list[str] | str]]:
    """The lines with their fields, or their reject codes. Lines within one pair of quotes are one row."""
    at = 0
    while at < len(lines):
        number, line = lines[at]
        fields = layout.split(line)
        at += 1
        if fields == "quote_unclosed" and (joined := _join(lines, at, layout)):
            line, fields, at = joined
        yield number, line, fields


def _join(lines: Sequence[tuple[int, str]], at: int, layout: Layout) -> tuple[str, list[str], int] | None:
    """The row that begins on the line before `at`, its fields, and the line behind it; None if no quote closes it.

    Lines that are rows of their own do not continue another: the quote before them was not meant to open a field. One
    may be text, but not in a title at the end of lines.
    """
    joined = lines[at - 1][1]
    rows = 0
    for end in range(at, min(at + _MOST_JOINED, len(lines))):
        text = lines[end][1]
        rows += _is_row(layout.split(text), layout)
        if rows > (0 if layout.fields is None else _MOST_ROWS):
            return None
        joined += "\n" + text
        whole = layout.split(joined, joined=True)
        if not isinstance(whole, str):
            return joined, whole, end + 1
    return None


def first_open(lines: Sequence[tuple[int, str]], layout: Layout, *, start: int) -> int:
    """The line from which on a row may go on after the last line; the number of lines if there is none."""
    tail = lines[max(start, len(lines) - _MOST_JOINED) :]
    if len(lines) < _MOST_JOINED or all(layout.split(text) != "quote_unclosed" for _, text in tail):
        return len(lines)
    at = start
    while at < len(lines):
        fields = layout.split(lines[at][1])
        at += 1
        if fields == "quote_unclosed":
            joined = _join(lines, at, layout)
            if joined is None and len(lines) - at < _MOST_JOINED:
                return at - 1
            at = joined[2] if joined else at
    return len(lines)


def _is_row(fields: list[str] | str, layout: Layout) -> bool:
    """Whether a line has an integer id, or a year where a year is expected."""
    if isinstance(fields, str):
        return False
    has_year = layout.year is not None and read_year(fields[layout.year])[0] is not None
    return has_year or read_movie_id(fields[layout.movie_id].strip()) is not None
