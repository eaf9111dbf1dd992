"""A slow reader of rating files, which shares no code with the compiled parser."""

import math
import re
from datetime import date, timedelta
from typing import NamedTuple

import numpy as np

INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})([ T][0-9]{2}:[0-9]{2}[0-9:.+\-Z ]*)?")
SECONDS = re.compile(r"([+-]?[0-9]+)(\.[0-9]*)?")
EPOCH = date(1970, 1, 1)


class Read(NamedTuple):
    """The rows and rejects that a reader finds in a file."""

    accepted: list[tuple[int, int, int, float, date | None]]  # line, user, movie, rating, date
    rejected: list[tuple[int, str, str]]  # line, code, raw


def slow_integer(text: str) -> int | None:
    value = int(text) if INTEGER.fullmatch(text) else None
    return value if value is not None and -(2**63) <= value < 2**63 else None


def slow_days(text: str) -> int | None:
    """Days since 1970, clamped to the range of the calendar."""
    if found := DAY.fullmatch(text):
        year, month, day = map(int, found.groups()[:3])
        if year == 0:  # a leap year before the calendar of Python
            return slow_days(f"0004-{text[5:7]}-{text[8:10]}") and date.min.toordinal() - EPOCH.toordinal()
        try:
            return date(year, month, day).toordinal() - EPOCH.toordinal()
        except ValueError:
            return None
    found = SECONDS.fullmatch(text)
    seconds = slow_integer(found[1]) if found else None
    if seconds is None:
        return None
    lowest, highest = (day.toordinal() - EPOCH.toordinal() for day in (date.min, date.max))
    return min(max(seconds // 86400, lowest), highest)


def slow_split(text: str, delimiter: str, *, quoted: bool, columns: int) -> tuple[list[str], int] | None:
    """Fields of a row without blanks and enclosing quotes, and its lines; None if a quote is not closed."""
    blanks = " \r" if delimiter == "\t" else " \r\t"
    fields: list[str] = []
    rest, lines = text, 1
    while True:
        rest = rest.lstrip(blanks)
        ends = re.compile(re.escape(delimiter) + "|\n")
        closed = re.match(r'"((?:[^"]|"")*)"(?!")', rest) if quoted else None
        if (
            quoted
            and rest.startswith('"')
            and (closed is None or is_no_field(closed, rest, fields, columns, ends))
        ):
            return None
        after = closed.end() if closed else 0
        stop = ends.search(rest, after)
        assert stop is not None
        whole = closed is not None and not rest[after : stop.start()].strip(blanks)
        field = closed[1] if closed is not None and whole else rest[: stop.start()]
        lines += field.count("\n")
        fields.append(field.strip(blanks))
        rest = rest[stop.end() :]
        if stop[0] == "\n":
            return fields, lines


def is_no_field(
    closed: re.Match[str], rest: str, fields: list[str], columns: int, ends: re.Pattern[str]
) -> bool:
    """Whether a quoted text with line ends is none: it is an id, text follows it, or rows of the file are in it."""
    if "\n" not in closed[1]:
        return False
    stop = ends.search(rest, closed.end())
    within = closed[1].split("\n")[1:-1]
    delimiter = ends.pattern.removesuffix("|\n").replace("\\", "")
    rows = sum(line.count(delimiter[0]) == columns - 1 for line in within)
    return (
        len(fields) < 4
        or (delimiter == "\t" and joins_rows(closed, rest, fields, columns))
        or stop is None
        or bool(rest[closed.end() : stop.start()].strip(" \r\t" if delimiter != "\t" else " \r"))
        or (rows >= 3 and 2 * rows > len(within))
    )


def joins_rows(closed: re.Match[str], rest: str, fields: list[str], columns: int) -> bool:
    """Whether the lines on which quotes open and close are both rows of a table with tabs."""
    before = "".join(f"{field}\t" for field in fields).rpartition("\n")[2].count("\t")
    within = closed[1].rpartition("\n")[2].count("\t")
    first = before + closed[1].partition("\n")[0].count("\t")
    last = within + rest[closed.end() :].partition("\n")[0].count("\t")
    return 0 < before == within or first == last == columns - 1


def slow_read(text: str, *, delimiter: str = ",", quoted: bool = True, columns: int = 4) -> Read:
    """Read user, movie, rating, date and other columns, without a header, on a scale of 1 to 5."""
    read = Read([], [])
    rest, number = text if text.endswith("\n") else text + "\n", 1
    while rest:
        line, _, after = rest.partition("\n")
        lines = 1
        if line.strip(" \r" if delimiter == "\t" else " \r\t"):
            split = slow_split(rest, delimiter, quoted=quoted, columns=columns)
            row = slow_row(split[0] if split else None, columns=columns)
            lines = split[1] if split else 1
            after = rest.split("\n", lines)[lines]
            if isinstance(row, str):
                read.rejected.append((number, row, line.removesuffix("\r")))
            else:
                read.accepted.append((number, *row))
        rest, number = after, number + lines
    return read


def slow_row(fields: list[str] | None, *, columns: int) -> str | tuple[int, int, float, date | None]:
    if fields is None or not 4 <= len(fields) <= columns:
        return "quote_unclosed" if fields is None else f"too_{'few' if len(fields) < 4 else 'many'}_columns"
    user, movie = (slow_integer(field) for field in fields[:2])
    text = fields[2].replace(",", ".", 1)
    rating = float(np.float32(float(text))) if NUMBER.fullmatch(text) else math.inf
    days = slow_days(fields[3]) if fields[3] else None
    for field, value, code in (
        (fields[0], user, "user_id_not_integer"),
        (fields[1], movie, "movie_id_not_integer"),
        (fields[2], None if math.isinf(rating) else rating, "rating_not_a_number"),
        (fields[3], days, "date_unparsable"),
    ):
        if field and value is None:
            return code
    day = None if days is None else EPOCH + timedelta(days=days)
    for name, field, within in (
        ("user_id", fields[0], user is None or user >= 0),
        ("movie_id", fields[1], movie is None or movie >= 0),
        ("rating", fields[2], 1 <= rating <= 5),
        ("date", "optional", day is None or date(1900, 1, 1) <= day <= date(2099, 12, 31)),
    ):
        if not field or not within:
            return f"{name}_out_of_bounds" if field else f"{name}_missing"
    return int(fields[0]), int(fields[1]), rating, day
