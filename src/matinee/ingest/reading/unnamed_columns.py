"""Columns without names, as data frames write them: numbers as names, running numbers of rows, and ids as floats."""

import re
from collections.abc import Sequence
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading.rows import are_most, bare, is_decimal_id, is_number
from matinee.schemas.integers import parse_int64
from matinee.schemas.ratings import FIRST_DATE

_FEWEST_ROWS: Final = 3
_RATING: Final = 3  # columns without a date
_GROUP: Final = 3  # digits between separators of thousands
_THOUSANDS: Final = re.compile(r"\d{1,3}([,.'\u2019 \u00a0\u202f]\d{3})+", re.ASCII)
_EXACT: Final = 2.0**53
_OTHER_QUOTES: Final = re.compile(r"'[^']+'?|‘[^’]+’|“[^”]+”|«[^»]+»|`[^`]+`")
_GROUPED_RATING: Final = re.compile(r"[1-9]\d{0,2},\d{3}", re.ASCII)
_FLOAT_ID: Final = re.compile(r"\d(\.\d+)?[eE]\+?\d{1,2}", re.ASCII)


def is_numbering(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first line has the numbers of the columns, 0, 1, 2, as pandas writes a table without names.

    A row of user 0 is not such a line: the rows below it would have that user too.

    >>> is_numbering([["0", "1", "2"], ["7", "3", "5"]]), is_numbering([["0", "1", "2"], ["0", "3", "5"]])
    (True, False)
    """
    first = [bare(field) for field in rows[0]]
    numbers = first[1:] if not first[0] else first
    if len(numbers) < _RATING or numbers != [str(number) for number in range(len(numbers))]:
        return False
    return len(rows) > 1 and (len(first) > _RATING or not any(bare(row[0]) == "0" for row in rows[1:] if row))


def has_row_numbers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first of four columns or more numbers the rows, and the last one is no date of three columns before.

    >>> has_row_numbers([["0", "7", "3", "5"], ["1", "7", "4", "4"], ["2", "8", "3", "1"]])
    True
    """
    width = len(rows[0])
    if width <= _RATING or not _is_running([row[0] for row in rows if row]):
        return False
    # A last column of numbers below the first year of a rating has no dates.
    ratings = [bare(row[_RATING]) for row in rows if len(row) == width]
    return all(is_number(text) and abs(float(text.replace(",", "."))) < FIRST_DATE.year for text in ratings)


def lacks_a_name(rows: Sequence[Sequence[str]], width: int) -> bool:
    """Whether rows have one field more than the header has names, and begin with a running number."""
    wider = are_most(len(row) == width + 1 and bool(row[-1].strip()) for row in rows)
    return wider and _is_running([row[0].strip('"') for row in rows if len(row) > width])


def _is_running(fields: Sequence[str]) -> bool:
    numbers = [parse_int64(bare(field)) for field in fields]
    first = numbers[0] if numbers else None
    return (
        first is not None
        and len(numbers) >= _FEWEST_ROWS
        and numbers == [*range(first, first + len(numbers))]
    )


def grouped_rating(fields: Sequence[str]) -> str | None:
    """A rating such as 1,500, if all are written so: it is read as 1.5, and may have a separator of thousands."""
    ratings = [text for field in fields if (text := bare(field))]
    grouped = [text for text in ratings if _GROUPED_RATING.fullmatch(text)]
    return grouped[0] if grouped and len(grouped) == len(ratings) else None


def refuse_float_ids(fields: Sequence[str], label: str) -> None:
    """Raise DataError if ids are written as 1.6777217e7, 1,234 or '113', which is not how ids are written."""
    ids = [bare(field) for field in fields if field.strip()]
    floats = [text for text in ids if _FLOAT_ID.fullmatch(text)]
    is_float = len({*floats}) > 1 or any("+" in text for text in floats)  # 1e05 may be a text
    if is_float and 2 * len(floats) > len(ids):
        raise DataError(
            f"{label} has ids such as {shown(ids[0], 40)}, which are written as floats with an exponent: different "
            "ids may have become one. Write them as integers, from the source of the data."
        )
    quoted = [text for text in ids if _OTHER_QUOTES.fullmatch(text)]
    if 2 * len(quoted) > len(ids):
        raise DataError(
            f"{label} has ids such as {shown(quoted[0], 40)}, in quotes that are not double quotes and would be a part "
            "of the ids. Replace them by double quotes, or leave them out."
        )
    large = [text for text in ids if is_decimal_id(text) and float(text) >= _EXACT]
    if large:
        raise DataError(
            f"{label} has ids such as {shown(large[0], 40)}, which are written as floats and beyond "
            "9,007,199,254,740,992, where floats are not exact: different ids may have become one. Write them as "
            "integers, from the source of the data."
        )
    grouped = [text for text in ids if _THOUSANDS.fullmatch(text)]
    if any(not text.endswith("000") for text in grouped) and all(
        _THOUSANDS.fullmatch(text) or (text.isdecimal() and len(text) <= _GROUP) for text in ids
    ):
        raise DataError(
            f"{label} has ids such as {shown(grouped[0], 40)}, with separators of thousands. Write them without "
            "separators."
        )
