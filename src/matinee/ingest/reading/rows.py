"""Splits a line of a rating file into fields, to recognize its dialect. The parser has its own, faster code."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from matinee.ingest.reading import parser_kernel as kernel
from matinee.schemas.text_ids import LONGEST

_INTEGER: Final = re.compile(r"[+-]?\d+(\.0+)?", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_ID: Final = re.compile(r"\d+\.0+", re.ASCII)
_BLANK_FIELDS: Final = re.compile(r'"(?:[^"]|"")*"(?=\s|$)|\S+')
_TABS: Final = re.compile(r"\t+")
_WIDTHS: Final = (3, 4)  # of rows without a header
MOST: Final = 0.9
MORE_THAN_HALF: Final = 0.51  # of the first lines; the others are damaged, and become rejects
_AROUND: Final = " \t\r\ufeff\xa0"


class LineForm(NamedTuple):
    """A delimiter, and how lines are rewritten before they are parsed."""

    delimiter: str
    rewritten: int = kernel.AS_THEY_ARE


BLANKS: Final = (LineForm("\t", kernel.TABS), LineForm("\t", kernel.BLANKS))


def split_row(text: str, delimiter: str, rewritten: int) -> list[str]:
    """The fields of a line that is rewritten in a way (`kernel.BLANKS`, ...) before it is parsed."""
    if rewritten == kernel.BLANKS:
        return [_unquoted(field).replace('""', '"') for field in _BLANK_FIELDS.findall(text)]
    if rewritten == kernel.TABS:
        return _TABS.split(text.strip())
    if rewritten == kernel.QUOTED_LINES:
        return split_fields(unwrap(text), delimiter)
    return split_fields(text, delimiter)


def unwrap(text: str) -> str:
    """A line without the quotes around all of it."""
    bare = text.strip(" \t\r")
    return bare[1:-1].replace('""', '"') if is_wrapped(text) else text


def is_wrapped(text: str) -> bool:
    """Whether quotes are around a line and not around its fields.

    >>> is_wrapped('"113,19,1"'), is_wrapped('"113","19"')
    (True, False)
    """
    bare = text.strip(" \t\r")
    return len(bare) > 1 and bare[0] == bare[-1] == '"' and '"' not in bare[1:-1].replace('""', "")


def split_fields(text: str, delimiter: str) -> list[str]:
    r"""The fields of a line; a delimiter between quotes is part of its field.

    If a quote stays open, \" is a quote within quotes, as the parser has it.

    >>> split_fields('7,"\\",",1', ",")
    ['7', '\\",', '1']
    """
    if '"' not in text:
        return text.split(delimiter)
    fields, is_whole = _split(text, delimiter, escaped="")
    if not is_whole and '\\"' in text:
        others, is_whole = _split(text, delimiter, escaped='\\"')
        return others if is_whole else fields
    return fields


def _split(text: str, delimiter: str, *, escaped: str) -> tuple[list[str], bool]:
    """The fields of a line, and whether each quote in it is closed; `escaped` is no quote that opens or closes."""
    fields: list[str] = []
    held: list[str] = []  # pieces of a field whose quote is open
    quotes = 0
    for part in text.split(delimiter):
        held.append(part)
        quotes += part.count('"') - (part.count(escaped) if escaped else 0)
        if quotes % 2 and held[0].lstrip(" \t").startswith('"'):
            continue
        fields.append(_unquoted(delimiter.join(held)))
        held, quotes = [], 0
    return [*fields, delimiter.join(held)] if held else fields, not held


def _unquoted(field: str) -> str:
    bare = field.strip(" \t")
    return bare[1:-1] if len(bare) > 1 and bare.startswith('"') and bare.endswith('"') else field


def bare(field: str) -> str:
    """A field without what spreadsheets and web pages put around it.

    >>> bare('="113"'), bare(' 113\\xa0')
    ('113', '113')
    """
    text = field.strip(_AROUND)
    return text[1:].strip('"') if text.startswith("=") else text


def is_decimal_id(field: str) -> bool:
    """Whether an id is written as 113.0."""
    return _DECIMAL_ID.fullmatch(bare(field)) is not None


def look_like_text_ratings(rows: Sequence[Sequence[str]], least: float = MOST) -> bool:
    """Whether lines without a header have two ids of any kind and a number, perhaps followed by a date.

    The first line and a share of at least `least` of all lines must.

    >>> look_like_text_ratings([["A2CX7LUOHB2NDG", "tt0114508", "5.0", "1341100800"]])
    True
    >>> look_like_text_ratings([["user", "item", "rating"]]), look_like_text_ratings([["1", "2003", "Up"]])
    (False, False)
    """
    return have_text_ids(
        rows, least, widths=_WIDTHS, rest=lambda fields: _NUMBER.fullmatch(fields[0]) is not None
    )


def have_text_ids(
    rows: Sequence[Sequence[str]],
    least: float,
    *,
    widths: Sequence[int],
    rest: Callable[[Sequence[str]], bool],
) -> bool:
    """Whether the first line and a share of at least `least` of all begin with two ids of any kind.

    Args:
        rows: The fields of the lines.
        least: The share.
        widths: Numbers of fields that a line may have.
        rest: Whether the bare fields after the ids are what they should be.
    """
    width = len(rows[0])
    fits = [
        len(row) == width
        and all(0 < len(bare(field)) <= LONGEST for field in row[:2])
        and any(char.isdigit() for field in row[:2] for char in field)
        and rest([bare(field) for field in row[2:]])
        for row in rows
        if width in widths
    ]
    return are_most(fits, least) and fits[0]


def are_most(signs: Iterable[bool], least: float = MOST) -> bool:
    """Whether nearly all of the first rows show something, so that all are written so."""
    listed = list(signs)
    return bool(listed) and sum(listed) >= least * len(listed)


def is_number(field: str) -> bool:
    """Whether a field is a number, as a rating is."""
    return _NUMBER.fullmatch(bare(field)) is not None


def looks_like_ratings(row: Sequence[str]) -> bool:
    """Whether a line starts with two integers and a number, like a rating in a file without a header."""
    return (
        len(row) >= 3
        and all(_INTEGER.fullmatch(bare(field)) for field in row[:2])
        and _NUMBER.fullmatch(bare(row[2])) is not None
    )
