"""The lines of a file of pairs as lines of CSV: Netflix text, fields between `::` or blanks, and rows without a header.

Each line becomes one line, so that line numbers are kept.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, Literal, NamedTuple

from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.release.idmap import IdMap
from matinee.schemas.delimiters import ONE_BYTE, pattern
from matinee.schemas.headers import ALIASES, plain_name
from matinee.schemas.integers import parse_int64
from matinee.schemas.text_ids import bare_id

PairColumn = Literal["user", "movie"]
Maps = Mapping[PairColumn, IdMap]

BLANKS: Final = " \t\r\n\ufeff\xa0"  # around an id, as the parser of ratings has it
# By the number of commas in a line: probe.txt, qualifying.txt, and the ratings themselves.
_NETFLIX_HEADERS: Final = ("movieID,userID\n", "movieID,userID,date\n", "movieID,userID,rating,date\n")
_MOVIE_LINE: Final = re.compile(r"\s*([0-9]+)\s*:\s*")
_CSV: Final = ONE_BYTE
_DOUBLE_COLON, _TABS, _ANY_BLANKS = "::", "tabs", "blanks"  # ways that CSV does not know
_CONVERTED: Final = (_DOUBLE_COLON, _TABS, _ANY_BLANKS)
# Comments, and `sep=;` of spreadsheets.
_ABOVE: Final = re.compile(r'\s*#.*\s*|"?sep=.{1,2}"?\s*', re.IGNORECASE)
_FIELDS: Final = re.compile(r'"(?:[^"]|"")*"(?=\s|$)|\S+')
_NBSP_BYTE: Final = "\udca0"  # a no-break space in Windows-1252, as `surrogateescape` keeps it
_SAMPLED: Final = 50
_WIDTHS: Final = (2, 3, 4)  # of rows without a header
_DATE: Final = re.compile(r".*[-/].*|\d{4,}(\.\d*)?")
_DECIMAL: Final = re.compile(r"(\d{1,15})\.0+", re.ASCII)


class PairLines(NamedTuple):
    """Lines of CSV, the first of them the header, and how many more lines are above it in the file."""

    delimiter: str
    lines: Iterator[str]
    above: int


def read_lines(source: Iterable[str], ids: Maps, label: str) -> PairLines:
    """Convert the lines of a file of pairs to CSV, if they are not.

    Args:
        source: The lines of the file.
        ids: Of the release: they show whether rows without a header have the user first.
        label: The name of the file in messages.

    Raises:
        DataError: There is no header, and the movie comes before the user.
    """
    lines, above = _netflix_as_csv(source), 0
    first = next(lines, "")
    while _is_above(first) or (first and not first.strip()):
        first = next(lines, "")
        above += 1
    lines = chain([first], lines)
    if (inner := _unwrapped(first)) != first and _names_both(inner, max(_CSV, key=inner.count)):
        first, lines = inner, map(_unwrapped, lines)
    delimiter = max(_CSV, key=first.count)
    repeats = delimiter == "\t" and "\t\t" in first.strip()
    if not first or (_names_both(first, delimiter) and not repeats):
        return PairLines(delimiter, lines, above)
    if way := next((way for way in _CONVERTED if _names_both(first, way)), None):
        return PairLines(",", (_to_csv(line, way) for line in lines), above)
    sample = [*islice(lines, _SAMPLED)]
    found = _find_way([line for line in sample if line.strip()], ids, label)
    if found is None:
        return PairLines(delimiter, chain(sample, lines), above)
    way, names, is_numbering = found
    lines = chain(sample[is_numbering:], lines)
    delimiter = "," if way in _CONVERTED else way
    rows = (_to_csv(line, way) for line in lines) if way in _CONVERTED else lines
    return PairLines(delimiter, chain([f"{delimiter.join(names)}\n"], rows), above - (not is_numbering))


def parse_integer_id(field: str) -> int | None:
    """An integer id as rating files have it, or None.

    >>> parse_integer_id(' ="113" '), parse_integer_id("113.0"), parse_integer_id("11.3")
    (113, 113, None)
    """
    text = bare_id(field)
    number = parse_int64(text)
    if number is None and (decimal := _DECIMAL.fullmatch(text)):
        number = int(decimal[1])
    return number


def parse_text_id(field: str) -> str:
    """A text id as rating files have it: other bytes than UTF-8 are Windows-1252."""
    text = bare_id(field)
    return text if text.isascii() else decode_line(text.encode("utf-8", "surrogateescape"))


def _netflix_as_csv(source: Iterable[str]) -> Iterator[str]:
    """The lines; in Netflix text, `8:` names the movie of the lines below it, which have a user and maybe a date."""
    lines = iter(source)
    first = next(lines, "")
    movie = _MOVIE_LINE.fullmatch(first)
    if movie is None:
        yield from chain([first], lines) if first else ()
        return
    second = next(lines, "")
    yield _NETFLIX_HEADERS[min(second.count(","), 2)]
    for line in chain([second], lines):
        if found := _MOVIE_LINE.fullmatch(line):
            movie = found
        blank = found or not line.strip()
        yield "\n" if blank else f"{movie[1]},{line}"


def _is_above(line: str) -> bool:
    """Whether a line is a comment or `sep=;`, and not a header that begins with a sign."""
    names = {plain_name(name) for name in re.split(pattern(), line)}
    return _ABOVE.fullmatch(line) is not None and not names.intersection(ALIASES["user_id"])


def _unwrapped(line: str) -> str:
    """A line without the quotes around all of it, if there are some."""
    text = line.strip(BLANKS)
    within = text[1:-1].replace('""', "")
    is_wrapped = len(text) > 1 and text[0] == text[-1] == '"' and '"' not in within
    return text[1:-1].replace('""', '"') + "\n" if is_wrapped else line


def _names_both(line: str, way: str) -> bool:
    """Whether a line is a header with names of the user and of the movie, in any place."""
    names = {plain_name(name) for name in _split(line, way)}
    return all(names.intersection(ALIASES[f"{axis}_id"]) for axis in ("user", "movie"))


def _split(line: str, way: str) -> list[str]:
    """The fields of a line."""
    if way == _ANY_BLANKS:
        found = _FIELDS.findall(line.replace(_NBSP_BYTE, " "))
        return [
            field[1:-1].replace('""', '"') if len(field) > 1 and field[0] == field[-1] == '"' else field
            for field in found
        ]
    if way == _TABS:
        return re.split(r"\t+", line.strip())
    fields = line.strip("\r\n").split(way)
    return fields if way == _DOUBLE_COLON else [field.strip(BLANKS + '"') for field in fields]


def _to_csv(line: str, way: str) -> str:
    fields = _split(line, way) if line.strip() else []
    return ",".join(map(_as_field, fields)) + "\n"


def _as_field(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'"{quoted}"' if "," in text or '"' in text else text


def _find_way(sample: Sequence[str], ids: Maps, label: str) -> tuple[str, list[str], bool] | None:
    """How rows without a header are split, names for their columns, and whether the first line numbers the columns.

    None if the first line is neither that nor a row. 0,1 is how pandas writes the header of a table without names.
    """
    for way in (*_CSV, *_CONVERTED):
        rows = [_split(line, way) for line in sample]
        width = len(rows[0]) if rows else 0
        if width not in _WIDTHS or sum(len(row) == width for row in rows) < 0.9 * len(rows):
            continue
        numbers = [str(number) for number in range(width)]
        is_numbering = rows[0] == numbers and not any(row[0] == "0" for row in rows[1:])
        rows = [row for row in rows[is_numbering:] if len(row) == width]
        users_first = _count_known(rows, ("user", "movie"), ids)
        movies_first = _count_known(rows, ("movie", "user"), ids)
        if movies_first > max(users_first, 0):
            raise DataError(
                f"{label} has no header, and its first column has the movies of the release, not its users. Add a "
                "first line with the names of the columns, such as movieID,userID; no output was written."
            )
        if users_first >= 0:
            dated = width == 3 and _DATE.fullmatch(rows[0][2].strip()) is not None
            names = ["userID", "movieID", *(["date"] if dated else ["rating", "date"])][:width]
            return way, names, is_numbering
    return None


def _count_known(rows: Sequence[Sequence[str]], axes: Sequence[PairColumn], ids: Maps) -> int:
    """How many ids of the release are in the first two columns; -1 if they are no ids, or the first line is no row."""
    if not rows:
        return -1
    count, is_row = 0, False
    for place, axis in enumerate(axes):
        fields = [row[place] for row in rows]
        if ids[axis].texts is None:
            numbers = [number for field in fields if (number := parse_integer_id(field)) is not None]
            if parse_integer_id(fields[0]) is None or len(numbers) < 0.9 * len(fields):
                return -1
            is_row, known = True, ids[axis].find(numbers, axis) >= 0
        else:
            known = ids[axis].find([*map(parse_text_id, fields)], axis) >= 0
            is_row = is_row or bool(known[0])
        count += int(known.sum())
    return count if is_row else -1
