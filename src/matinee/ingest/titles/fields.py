"""The fields of a line of a titles file: quotes, padding and years as people and spreadsheets write them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from matinee.ingest.reading.rows import split_fields
from matinee.schemas.delimiters import QUOTABLE, pattern
from matinee.schemas.integers import parse_int64

_NO_YEAR: Final = frozenset(
    {"", "0", "0.0", "NULL", "NAN", "NAT", "NA", "N/A", "NONE", "\\N", "?", "-", "UNKNOWN"}
)
_YEAR_WITHIN: Final = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)", re.ASCII)
_LONGEST_YEAR: Final = 80  # a date, or two with words between them
_MOST: Final = 0.9  # of the sampled lines
_MOVIE_ID: Final = re.compile(r'=?"?([+-]?\d+)(?:\.0+)?"?', re.ASCII)


@dataclass(frozen=True)
class Writing:
    """How lines were written, apart from delimiter and quotes."""

    escaped: bool = False  # a quote inside quotes is \"
    padded: str = ""  # the delimiter that a spreadsheet appended until all lines had as many

    def plain(self, line: str) -> str:
        """The line as it would be otherwise."""
        if line.startswith('"') and is_enclosed(line.strip()) and _is_wrapped(line):
            line = unquote(line.strip()) or line  # the whole line is quoted
        if self.escaped:
            line = line.replace('\\"', '""')
        return line.rstrip(self.padded) if self.padded else line


_CANONICAL: Final = re.compile(r'=?"?(0|[1-9]\d{0,18})(?:\.0+)?"?', re.ASCII)


def find_writing(lines: Sequence[str]) -> Writing:
    """How lines are written, from a sample of a file."""
    lines = [Writing().plain(line) for line in lines]
    # A backslash before a quote that ends its field is the last character of the field.
    escaped = any(re.search(rf'\\"(?!\s*(?:{pattern()}|$))', line) for line in lines)
    lines = [Writing(escaped=escaped).plain(line) for line in lines]
    return Writing(escaped, _find_padding(lines))


def _is_wrapped(line: str) -> bool:
    """Whether all fields of an enclosed line are within its quotes."""
    inner = unquote(line.strip()) or ""
    return any(
        len(split_fields(line, delimiter)) == 1 < len(split_fields(inner, delimiter))
        for delimiter in QUOTABLE
    )


def _find_padding(lines: Sequence[str]) -> str:
    """The delimiter of a table that was padded to a rectangle wider than most of its lines; empty if there is none."""
    for delimiter in QUOTABLE:
        rows = [split_fields(line, delimiter) for line in lines]
        widths = list(map(len, rows))
        width = max(set(widths), key=widths.count)
        if not _share(lines, [there == width for there in widths]) or width <= 3:
            continue
        is_row = rows[0][0].strip().isdecimal()
        if (is_row or not rows[0][-1].strip()) and 2 * sum(not row[-1].strip() for row in rows) > len(rows):
            return delimiter
    return ""


def _share(lines: Sequence[str], found: Sequence[bool]) -> bool:
    return bool(lines) and sum(found) >= _MOST * len(lines)


def is_enclosed(text: str) -> bool:
    """Whether a field is quoted as a whole, with quotes inside doubled."""
    return len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1].replace('""', "")


def unquote(text: str) -> str | None:
    """A field without its enclosing quotes; unchanged if not enclosed; None if a quote is open."""
    if is_enclosed(text):
        return text[1:-1].replace('""', '"')
    return None if text.startswith('"') and text.count('"') % 2 else text


def is_quoted(lines: Sequence[str], delimiter: str, title: int) -> bool:
    """Whether titles at the line's end are quoted: all titles, or those that contain the delimiter or a line end."""
    if any(_continues(line, below, delimiter, title) for line, below in pairwise(lines)):
        return True
    titles = [fields[title] for line in lines if len(fields := line.split(delimiter, title)) > title]
    enclosed = [is_enclosed(text) for text in titles]
    telling = [closed for text, closed in zip(titles, enclosed, strict=True) if delimiter in text]
    if telling:
        return 2 * sum(telling) > len(telling)
    needless = sum(closed and '""' not in text for text, closed in zip(titles, enclosed, strict=True))
    # Without a delimiter in any title, quotes around some of them are part of those titles.
    return all(enclosed) if needless else any(enclosed)


def _continues(line: str, below: str, delimiter: str, title: int) -> bool:
    """Whether a quoted title goes on in the line below, which ends with the other quote and is no line of a movie."""
    fields = line.split(delimiter, title)
    opens = len(fields) > title and fields[title].startswith('"') and unquote(fields[title].strip()) is None
    if not opens or not below.rstrip(" \r").endswith('"'):
        return False
    first, *others = below.split(delimiter, title)
    return len(others) < title or not first.strip('" ').isdecimal()


def split_quoted(line: str, delimiter: str, *, strict: bool = False) -> list[str] | None:
    """The fields of a line; a delimiter between quotes is text. None if a quote stays open.

    With `strict`, also if text follows the quote that closes a field.
    """
    fields, i = [], 0
    while True:
        stop = line.find(delimiter, i)
        if line.startswith('"', i):
            close = line.find('"', i + 1)
            while close >= 0 and line.startswith('"', close + 1):
                close = line.find('"', close + 2)
            if close < 0:
                return None
            stop = line.find(delimiter, close)
        field = line[i:] if stop < 0 else line[i:stop]
        if strict and field.startswith('"') and not is_enclosed(field):
            return None
        fields.append(field[1:-1].replace('""', '"') if is_enclosed(field) else field)
        if stop < 0:
            return fields
        i = stop + len(delimiter)


def read_movie_id(text: str) -> int | None:
    """An id as integer; `113.0` and `="113"` are what spreadsheets and data frames make of 113. None if it is none."""
    found = _MOVIE_ID.fullmatch(text)
    return parse_int64(found[1]) if found else None


def is_canonical_id(text: str) -> bool:
    """Whether an id is an integer without a sign and leading zeros.

    >>> is_canonical_id("113.0"), is_canonical_id("0101"), is_canonical_id("tt1")
    (True, False, False)
    """
    return _CANONICAL.fullmatch(text) is not None


def read_year(text: str) -> tuple[int | None, bool]:
    """The year of a year, a date or a text with one, and whether the text could be read. Unknown years are None."""
    bare = text.strip()
    if bare.upper() in _NO_YEAR:
        return None, True
    year = parse_int64(bare.removesuffix(".0"))
    if year is not None:
        return year, True
    within = _YEAR_WITHIN.search(bare) if len(bare) <= _LONGEST_YEAR else None
    return (int(within[1]), True) if within else (None, False)
