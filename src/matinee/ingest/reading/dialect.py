"""Recognizes the dialect of a rating file from its first lines: delimiter, quoting, header, columns.

A file that is not recognized is refused with what was found and what was expected. `ingest.columns` and
`ingest.delimiter` override the detection.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.containers import HEAD_BYTES
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.plays import (
    EXPECTED,
    NEEDED,
    looks_like_plays,
    name_netflix_plays,
    place_plays,
    read_as_plays,
)
from matinee.schemas.headers import ALIASES, plain_name
from matinee.schemas.integers import parse_int64
from matinee.settings.ingest import Feedback, IngestSettings
from matinee.store.file_kinds import refuse_other_kinds

KINDS: Final = {
    "user_id": kernel.USER,
    "movie_id": kernel.MOVIE,
    "rating": kernel.RATING,
    "date": kernel.DATE,
}
DELIMITERS: Final = {",": ",", ";": ";", "tab": "\t", "::": "::", "|": "|"}
_WAY_OUT = "Name them with ingest.columns, as --set ingest.columns=user_id=Who,movie_id=What,rating=Stars."
_PLAYS = " If the rows are plays and have no rating, set ingest.feedback=implicit."
_SAMPLED_LINES = 50
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
_MOVIE_LINE = re.compile(rb"[+-]?\d+[ \t]*:[ \t]*")
_LISTED_COLUMNS = 50


@dataclass(frozen=True)
class Dialect:
    """The dialect of one file: the arguments of the parser, and the column names for messages."""

    delimiter: str
    names: tuple[str, ...]  # of the file's columns, in order
    columns: Mapping[str, int]  # our column names and their positions in the file
    line_end: int = 10
    skip_bytes: int = 0  # byte order mark, blank lines and header
    skip_lines: int = 0
    netflix: bool = False
    plays: bool = False  # each row is a play, whatever rating stands beside it

    @property
    def left_out(self) -> list[str]:
        """Names of the columns that are not read; `(unnamed)` for one without a name."""
        read = set(self.columns.values())
        names = [shown(name) or "(unnamed)" for place, name in enumerate(self.names) if place not in read]
        more = len(names) - _LISTED_COLUMNS
        return [*names[:_LISTED_COLUMNS], f"{more:,} more"] if more > 0 else names

    def to_kernel(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The parser's arguments: the dialect's numbers by position, and the kind of each column."""
        numbers = np.zeros(8, np.int64)
        numbers[kernel.DELIMITER] = ord(self.delimiter[0])
        numbers[kernel.SECOND] = ord(self.delimiter[1]) if len(self.delimiter) > 1 else kernel.NO_BYTE
        numbers[kernel.QUOTED] = self.delimiter in ",;\t"
        numbers[kernel.LINE_END] = self.line_end
        numbers[kernel.COLUMNS] = len(self.names)
        numbers[kernel.NEEDED] = max(self.columns.values()) + 1
        numbers[kernel.COMMA] = self.delimiter != ","
        numbers[kernel.NETFLIX] = self.netflix
        kinds = np.full(len(self.names), kernel.OTHER, np.int64)
        for column, place in self.columns.items():
            kinds[place] = KINDS[column]
        return numbers, kinds


def recognize(head: bytes, settings: IngestSettings, *, label: str) -> Dialect:
    """Recognize the dialect of a rating file.

    Args:
        head: The first HEAD_BYTES of the file, or all of it.
        settings: May fix the delimiter and the columns.
        label: The name of the file in messages.

    Raises:
        DataError: It is not a rating file.

    """
    plays, wanted = settings.feedback == "implicit", _expected(settings)
    refuse_other_kinds(head, label, expected=wanted)
    mark = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    line_end = b"\r" if b"\n" not in head and b"\r" in head else b"\n"
    text_at = len(head) - len(head[mark:].lstrip(b" \t\r\n"))
    if text_at == len(head):
        content = (
            "begins with 64 KB of blank lines" if len(head) == HEAD_BYTES else "holds nothing but blank lines"
        )
        raise DataError(f"{label} {content}. Expected {wanted}.")
    begin = max(head.rfind(line_end, 0, text_at) + 1, mark)
    before = head.count(line_end, 0, begin)
    *lines, rest = head[begin:].split(line_end, _SAMPLED_LINES)  # the rest may be cut off
    if not lines and len(head) == HEAD_BYTES:
        raise DataError(
            f"{label}, line {before + 1}: the line is longer than {HEAD_BYTES - begin:,} bytes. Expected {wanted}; "
            "check that it is the right file."
        )
    lines = lines or [rest]
    texts = [_decode(line).rstrip("\r") for line in lines if line.strip()]
    if _MOVIE_LINE.fullmatch(lines[0].rstrip(b"\r")):
        if not plays:
            _refuse_pairs(texts, label)
        names = name_netflix_plays(texts) if plays else ("user_id", "rating", "date")
        columns = {name: place for place, name in enumerate(names) if not (plays and name == "rating")}
        return Dialect(",", names, columns, line_end[0], begin, before, netflix=True, plays=plays)
    delimiter, columns, has_header = _recognize_columns(texts, settings, label)
    names = tuple(split_fields(texts[0], delimiter))
    if not has_header:
        names = tuple(f"column {number}" for number in range(1, len(names) + 1))
    if plays:
        columns = read_as_plays(columns, names, label)
    if not has_header:
        return Dialect(delimiter, names, columns, line_end[0], begin, before, plays=plays)
    skip = min(begin + len(lines[0]) + 1, len(head))
    return Dialect(delimiter, names, columns, line_end[0], skip, before + 1, plays=plays)


def _expected(settings: IngestSettings) -> str:
    what = "play" if settings.feedback == "implicit" else "rating"
    return f"{EXPECTED[settings.feedback]}, then one {what} per line"


def _refuse_pairs(texts: Sequence[str], label: str) -> None:
    rows = [text.split(",") for text in texts if not text.strip().endswith(":")]
    if rows and all(len(row) < 3 for row in rows):
        raise DataError(
            f"{label} holds pairs of user and movie without a rating, like the Netflix Prize's probe.txt and "
            "qualifying.txt. Give it to `matinee predict --pairs`; ratings are in combined_data_*.txt or mv_*.txt."
        )


def _recognize_columns(
    texts: Sequence[str], settings: IngestSettings, label: str
) -> tuple[str, dict[str, int], bool]:
    """The delimiter, the position of each of our columns, and whether the first line is a header."""
    asked = settings.delimiter
    given: dict[str, str] = {str(column): name for column, name in settings.columns.items()}
    candidates = list(DELIMITERS.values()) if asked == "auto" else [DELIMITERS[asked]]
    headers = {delimiter: split_fields(texts[0], delimiter) for delimiter in candidates}
    found = {delimiter: _find_columns(header, given, label) for delimiter, header in headers.items()}
    best = max(candidates, key=lambda delimiter: (len(found[delimiter]), len(headers[delimiter])))
    needed = NEEDED[settings.feedback]
    if set(needed) <= found[best].keys():
        return best, found[best], True
    fits = looks_like_plays if settings.feedback == "implicit" else looks_like_ratings
    for delimiter in candidates:
        rows = [split_fields(text, delimiter) for text in texts]
        if fits(rows[0]):
            return delimiter, _place_columns(rows, given, settings.feedback, label), False
    raise DataError(_explain(headers[best], found[best], texts, settings, label))


def _find_columns(header: Sequence[str], given: Mapping[str, str], label: str) -> dict[str, int]:
    """The positions of our columns in a header, by the given names or else by alias."""
    plain = [plain_name(name) for name in header]
    found: dict[str, int] = {}
    for column, aliases in ALIASES.items():
        wanted = (plain_name(given[column]),) if column in given else aliases
        name = next((name for name in wanted if name in plain), None)
        if name is None:
            continue
        places = [place for place, there in enumerate(plain) if there == name]
        if len(places) > 1 and column in given:
            exact = [place for place in places if header[place].strip() == given[column]]
            places = exact if len(exact) == 1 else places
        if len(places) > 1:
            twice = " and ".join(f"column {place + 1}" for place in places)
            raise DataError(
                f"{label} has the column '{shown(header[places[0]].strip())}' twice ({twice}), and either could be "
                f"the {column}. Rename or remove one of them."
            )
        found[column] = places[0]
    return found if len(set(found.values())) == len(found) else {}


def looks_like_ratings(row: Sequence[str]) -> bool:
    """Whether a line starts with two integers and a number, like a rating in a file without a header."""
    return (
        len(row) >= 3
        and all(_INTEGER.fullmatch(field.strip()) for field in row[:2])
        and _NUMBER.fullmatch(row[2].strip()) is not None
    )


def _place_columns(
    rows: Sequence[Sequence[str]], given: Mapping[str, str], feedback: Feedback, label: str
) -> dict[str, int]:
    """Columns of a file without a header: user, movie, rating, date, as in u.data, or the given numbers."""
    width = len(rows[0])
    if given:
        numbers = {column: parse_int64(place) or 0 for column, place in given.items()}
        if all(1 <= number <= width for number in numbers.values()):
            places = {column: number - 1 for column, number in numbers.items()}
            if set(NEEDED[feedback]) <= places.keys():
                return places
        raise DataError(
            f"{label} has no header, so ingest.columns must give the number of each column (1 to {width}), as "
            "user_id=1,movie_id=2,rating=3; it gives "
            f"{', '.join(f'{name}={value}' for name, value in given.items())}."
        )
    if width > 4:
        raise DataError(
            f"{label} has no header and {width} columns, so its columns are ambiguous. Expected "
            "user, movie, rating and an optional date; or give their numbers, as --set "
            "ingest.columns=user_id=1,movie_id=2,rating=3,date=5."
        )
    return place_plays(rows) if feedback == "implicit" else dict(zip(KINDS, range(width), strict=False))


def _explain(
    header: Sequence[str],
    found: Mapping[str, int],
    texts: Sequence[str],
    settings: IngestSettings,
    label: str,
) -> str:
    given = {str(column): name for column, name in settings.columns.items()}
    names = ", ".join(repr(name.strip()[:40]) for name in header[:12]) + (", ..." if len(header) > 12 else "")
    missing = [column for column in NEEDED[settings.feedback] if column not in found]
    plain = {plain_name(name) for name in header}
    fields = texts[0].split(",")
    headless = fields[0].strip().isdecimal() and NEEDED[settings.feedback][-1] in missing
    if plain & {"title", "genres"} or (len(fields) >= 3 and headless):
        return (
            f"{label} looks like a titles file, not ratings: its first line is {texts[0][:80]!r}. "
            f"Expected {EXPECTED[settings.feedback]}; give this one as --titles."
        )
    wanted = "".join(f" (ingest.columns asks for {given[column]!r})" for column in missing if column in given)
    return (
        f"{label}, line 1: no column for {', '.join(missing) or 'each required field'}{wanted}; found {names}. "
        f"Expected {EXPECTED[settings.feedback]}. {_WAY_OUT}{_PLAYS if missing == ['rating'] else ''}"
    )


def split_fields(text: str, delimiter: str) -> list[str]:
    """The fields of a line; a delimiter between quotes is part of its field."""
    fields: list[str] = []
    held: list[str] = []  # pieces of a field whose quote is open
    quotes = 0
    for part in text.split(delimiter):
        held.append(part)
        quotes += part.count('"')
        if quotes % 2 and held[0].lstrip(" \t").startswith('"'):
            continue
        fields.append(_unquoted(delimiter.join(held)))
        held, quotes = [], 0
    return [*fields, delimiter.join(held)] if held else fields


def _unquoted(field: str) -> str:
    bare = field.strip(" \t")
    return bare[1:-1] if len(bare) > 1 and bare.startswith('"') and bare.endswith('"') else field


def _decode(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("iso-8859-1")
