"""Converts JSON lines to CSV text: the columns of ratings and titles, without review texts and the like.

A line that is no JSON object becomes a row with too few columns, so that it is kept as a reject. Line numbers are those
of the file.
"""

import csv
import io
import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from matinee.containers.encoding import decode_line
from matinee.containers.json_table import plain_csv, plain_types
from matinee.containers.limits import Meter, MeteredStream
from matinee.containers.member import HEAD_BYTES, Member, TextPieces, begin
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.schemas.headers import ALIASES, TITLE_ALIASES, plain_name

_BLOCK_BYTES: Final = 1 << 20
_MOST_COLUMNS: Final = 2_000
_CELLS_AT_ONCE: Final = 1 << 18
_BLANKS: Final = BOM_UTF8 + b" \t\r\n"
_BAD: Final = (ValueError, RecursionError)  # also of numbers of 5,000 digits and of bytes that are not UTF-8
_LONE: Final = re.compile("[\ud800-\udfff]")
_IDS: Final = frozenset((*ALIASES["user_id"], *ALIASES["movie_id"], *ALIASES["rating"]))
Row = dict[str, Any] | bytes  # an object, or a line that is none


def json_as_csv(member: Member, meter: Meter, label: str) -> Member:
    """The text as CSV if it is JSON lines, else the member itself."""
    first, found, _ = member.head.lstrip(_BLANKS).partition(b"\n")
    whole = found or len(member.head) < HEAD_BYTES
    if not first.startswith(b"{") or (whole and not isinstance(_object(first), dict)):
        return member
    texts = MeteredStream(TextPieces(_Writer(member, meter, label).write()), meter)
    return begin(member.name, texts, in_archive=member.in_archive, line_shift=-1)


class _Writer:
    def __init__(self, member: Member, meter: Meter, label: str) -> None:
        self._member = member
        self._longest = meter.settings.max_line_mb << 20
        self._label = label
        self._meter_settings = meter.settings
        given = (*meter.settings.columns.values(), *meter.settings.title_columns.values())
        known = (name for names in (*ALIASES.values(), *TITLE_ALIASES.values()) for name in names)
        self._wanted = {*map(plain_name, given), *known}
        self._every_column = meter.every_column
        self._late: dict[str, Sequence[str]] = {}  # columns that may appear later, and their names

    def write(self) -> Iterator[bytes]:
        columns: list[str] | None = None
        known: set[str] = set()
        types: pa.Schema | None = None
        for lines in map(_strip, self._blocks()):
            if types is not None and (text := plain_csv(lines, types) if _are_whole(lines) else None):
                yield text
                continue
            rows = _parse(lines)
            if columns is None:
                names = list(dict.fromkeys(name for row in rows if isinstance(row, dict) for name in row))
                columns = self._choose(names)
                chosen = set(columns)
                header = [*columns, *(name for name in names if name not in chosen)]
                yield _csv([[_LONE.sub("\ufffd", name) for name in header]])
                known = {*names}
                self._check_ids(rows)
                types = self._types(rows, columns)
            at_once = max(1, _CELLS_AT_ONCE // max(1, len(columns)))
            for start in range(0, len(rows), at_once):
                some = rows[start : start + at_once]
                yield self._encode([_cells(self._renamed(row, known), columns) for row in some], columns)

    def _encode(self, rows: list[list[str]], columns: Sequence[str]) -> bytes:
        """The rows as CSV. A lone surrogate that JSON escapes is no text: a row with one in an id becomes a reject."""
        try:
            return _csv(rows)
        except UnicodeEncodeError:
            pass
        known = _IDS.union(map(plain_name, self._meter_settings.columns.values()))
        ids = [place for place, name in enumerate(columns) if self._every_column or plain_name(name) in known]
        whole = []
        for row in rows:
            is_lone = len(row) == len(columns) and any(_LONE.search(row[place]) for place in ids)
            if is_lone and self._every_column:
                raise DataError(
                    f"{self._label} has an object with a lone surrogate, such as \\ud83d, which stands for no "
                    f"character: {shown(json.dumps(row), 80)}. Correct the text where it was cut."
                )
            cells = [json.dumps(row)] if is_lone else row
            whole.append([_LONE.sub("\ufffd", cell) for cell in cells])
        return _csv(whole)

    def _choose(self, names: Sequence[str]) -> list[str]:
        """The columns that are written. Raises DataError if there are too many of them."""
        columns = [name for name in names if self._every_column or plain_name(name) in self._wanted]
        if len(columns) > _MOST_COLUMNS:
            raise DataError(
                f"{self._label} is JSON with {len(columns):,} columns. Expected user_id, movie_id, rating, timestamp."
            )
        self._late = {} if self._every_column else self._expect(names)
        return [*columns, *self._late]

    def _check_ids(self, rows: Sequence[Row]) -> None:
        """Raise DataError if the column of an id or a rating has objects or lists: their text would be the id."""
        if self._every_column:
            return
        self._check_nesting(rows)
        for name, value in (pair for row in rows if isinstance(row, dict) for pair in row.items()):
            if isinstance(value, dict | list) and plain_name(name) in _IDS and _scalar(value) is value:
                raise DataError(
                    f"{self._label} has objects or lists in the column '{shown(name)}'. Expected a number or a text: "
                    "write it as a column of its own, for example by "
                    "jq -c '{user_id: .user.id, movie_id, rating}' FILE."
                )

    def _types(self, rows: Sequence[Row], columns: Sequence[str]) -> pa.Schema | None:
        """The types of plain columns; None where later objects may bring a column."""
        if self._every_column or self._late:
            return None
        given = self._meter_settings.columns.get("rating")
        ratings = {*ALIASES["rating"], plain_name(given)} if given else {*ALIASES["rating"]}
        fractions = {name for name in columns if plain_name(name) in ratings}
        objects = [row for row in rows if isinstance(row, dict)]
        kinds = {name: {type(row[name]) for row in objects if row.get(name) is not None} for name in columns}
        return plain_types(kinds, fractions=fractions)

    def _check_nesting(self, rows: Sequence[Row]) -> None:
        """Raise DataError if the first object has its ids and ratings in an object within it."""
        first = next((row for row in rows if isinstance(row, dict)), {})
        if any(plain_name(name) in self._wanted for name in first):
            return
        for name, value in first.items():
            if isinstance(value, dict) and any(plain_name(inner) in _IDS for inner in value):
                raise DataError(
                    f"{self._label} has its columns in an object '{shown(name)}' within each object. Write that object "
                    f"alone on each line, for example by jq -c '.[\"{shown(name)}\"]' FILE."
                )

    def _expect(self, names: Sequence[str]) -> dict[str, Sequence[str]]:
        """The columns without which a table may begin: dates of ratings and years of titles."""
        plain = {plain_name(name) for name in names}
        settings = self._meter_settings
        late: dict[str, Sequence[str]] = {}
        for column, ours, given in (
            ("date", ALIASES, settings.columns),
            ("year", TITLE_ALIASES, settings.title_columns),
        ):
            name = given.get(column, column)
            aliases = (plain_name(name),) if column in given else ours[column]
            belongs = plain & (self._wanted if column == "date" else {*TITLE_ALIASES["title"]})
            if name and belongs and not plain & {*aliases}:
                late[name] = aliases
        return late

    def _renamed(self, row: Row, known: set[str]) -> Row:
        """An object with a column that the first objects do not have, under the name that the header has for it."""
        if isinstance(row, bytes) or row.keys() <= known:
            return row
        fresh = {plain_name(name): name for name in row if name not in known}
        if self._every_column:
            raise DataError(
                f"{self._label} has objects with the column '{shown(next(iter(fresh.values())))}', which is in no "
                "object of the first megabyte. Give every object the same columns, with null where there is no value."
            )
        for name, aliases in self._late.items():
            found = next((fresh[alias] for alias in aliases if alias in fresh), None)
            if found is not None:
                row = {**row, name: row[found]}
        return row

    def _blocks(self) -> Iterator[list[bytes]]:
        """Whole lines, about a megabyte at a time."""
        held = b""
        while chunk := self._member.read(_BLOCK_BYTES):
            *lines, last = (held + chunk).split(b"\n")
            held = last
            if len(held) > self._longest:
                raise DataError(
                    f"{self._label} has a line of more than {self._longest >> 20} MB (ingest.max_line_mb). Expected "
                    "one object per line; check that it is the right file."
                )
            if lines:
                yield lines
        if held:
            yield [held]


def _strip(lines: Sequence[bytes]) -> list[bytes]:
    return [line.strip(_BLANKS) for line in lines]


def _are_whole(lines: Sequence[bytes]) -> bool:
    """Whether each line may be an object. Parts of objects on several lines could fit together."""
    return all(line[:1] == b"{" and line[-1:] == b"}" for line in lines)


def _parse(lines: Sequence[bytes]) -> list[Row]:
    """The objects of some lines; all at once, which is several times faster, if all are objects."""
    if not _are_whole(lines):
        return [_object(line) for line in lines]
    try:
        rows = json.loads(b"[" + b",".join(lines) + b"]")
        if len(rows) == len(lines) and all(isinstance(row, dict) for row in rows):
            return list(rows)
    except _BAD:
        pass
    return [_object(line) for line in lines]


def _object(line: bytes) -> Row:
    try:
        row = json.loads(line)
    except _BAD:
        return line
    return row if isinstance(row, dict) else line


def _cells(row: Row, columns: Sequence[str]) -> list[str]:
    if isinstance(row, bytes):
        return [decode_line(row)] if row else []
    return [_text(row.get(name)) for name in columns]


def _scalar(value: Any) -> Any:
    """A value without the type that MongoDB writes around it: {"$numberLong": "1"}, {"$date": ...}."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, inner),) = value.items()
        return _scalar(inner) if name.startswith("$") else value
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("\r", " ").replace("\n", " ") if "\n" in value or "\r" in value else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(value)  # several times faster than JSON
    if (inner := _scalar(value)) is not value:
        return _text(inner)
    return "" if value is None else json.dumps(value)


def _csv(rows: list[list[str]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
