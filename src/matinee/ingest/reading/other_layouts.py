"""Recognizes ratings in a layout that is not read: another delimiter, lines above the header, ratings as words."""

import re
from collections.abc import Sequence
from typing import Final

from matinee.errors.text import shown
from matinee.ingest.reading.odd_ratings import explain_ratings
from matinee.ingest.reading.plays import NEEDED, look_like_text_plays, looks_like_plays
from matinee.ingest.reading.rows import (
    MORE_THAN_HALF,
    LineForm,
    are_most,
    bare,
    is_number,
    split_row,
)
from matinee.schemas.delimiters import DELIMITERS
from matinee.schemas.headers import ALIASES, plain_name
from matinee.settings.ingest import IngestSettings

_SIGN: Final = re.compile(r"[^\w\s.,;\"'|+-]")
_FEWEST_COLUMNS: Final = 3
_MOST_LINES_ABOVE: Final = 20
_NETFLIX_RATINGS: Final = ("1", "2", "3", "4", "5")
_KEY: Final = re.compile(r"[-\s]*[^\W\d][\w/ .-]*[:=]\s.*")
_FEATURES: Final = re.compile(r"[-+]?[\d.]+(\s+\d+:[\d.]+){2,}\s*", re.ASCII)
_BOX: Final = re.compile(r"\+(-+\+)+")


def explain_layout(
    rows: Sequence[Sequence[str]], texts: Sequence[str], settings: IngestSettings
) -> str | None:
    """In which layout a file may hold ratings, and what to do.

    Args:
        rows: The fields of its first lines.
        texts: These lines.
        settings: How to read it.

    Returns:
        What follows the name of the file; None if no layout is recognized.
    """
    return (
        _netflix_piece(rows)
        or _drawn(texts)
        or _lines_above(texts, settings)
        or _records(texts)
        or _sign(texts, settings)
        or _pairs(rows, settings)
        or _ratings(rows)
    )


def _netflix_piece(rows: Sequence[Sequence[str]]) -> str | None:
    first = rows[0]
    if len(first) != _FEWEST_COLUMNS or not first[0].strip().isdecimal() or not is_day(first[-1]):
        return None
    if all(row[1].strip() in _NETFLIX_RATINGS for row in rows if len(row) == _FEWEST_COLUMNS):
        return (
            "begins with rows of a user, a rating and a date, and no line such as 8: names their movie. It is probably "
            "a piece of a Netflix Prize file that was cut by lines. Put the pieces together in order (cat), or cut the "
            "file at lines such as 8:."
        )
    return None


def is_day(field: str) -> bool:
    """Whether a field is a date such as 2003-02-16."""
    day = field.strip().split("-")
    return len(day) == 3 and len(day[0]) == 4 and all(part.isdecimal() for part in day)


def _lines_above(texts: Sequence[str], settings: IngestSettings) -> str | None:
    """A header that other lines are above."""
    for text in texts[1:_MOST_LINES_ABOVE]:
        for delimiter in DELIMITERS.values():
            names = {plain_name(name) for name in split_row(text, *LineForm(delimiter))}
            if all(names.intersection(ALIASES[column]) for column in NEEDED[settings.feedback]):
                return (
                    f"has its header, '{shown(text, 60)}', not on its first line but below others. Remove the lines "
                    "above it."
                )
    return None


def _drawn(texts: Sequence[str]) -> str | None:
    """A table that a program writes in a form of its own."""
    if texts[0].lower().startswith("@relation"):
        return "is an ARFF file of Weka, which is not read. Save it as CSV."
    if are_most(_FEATURES.fullmatch(text) is not None for text in texts):
        return (
            f"has numbered features ('{shown(texts[0], 40)}'), as libsvm and libFM write them, which are not read. "
            "Save the user, the movie and the rating as CSV."
        )
    if are_most(text.startswith("[") and text.rstrip(" \r,").endswith("]") for text in texts):
        return (
            f"has a JSON array on each line ('{shown(texts[0], 40)}'). Write objects, for example by "
            "jq -c '{userId: .[0], movieId: .[1], rating: .[2]}' FILE."
        )
    if _BOX.fullmatch(texts[0].strip()):
        return (
            "is a table that a program has drawn for a terminal. Export it as CSV, for example by psql --csv or "
            "mysql --batch."
        )
    return None


def _records(texts: Sequence[str]) -> str | None:
    """Records with one field per line."""
    if are_most(_KEY.fullmatch(text) is not None for text in texts) and len(texts) > 1:
        return (
            f"has one field per line ('{shown(texts[0], 40)}') and rows of several lines. Expected one rating per "
            "line: convert it to CSV or JSON lines."
        )
    return None


def _sign(texts: Sequence[str], settings: IngestSettings) -> str | None:
    """Another sign between the fields: it occurs equally often in all lines."""
    if settings.delimiter != "auto":
        return None
    usual = [
        {len(split_row(text, *LineForm(delimiter))) for text in texts} for delimiter in DELIMITERS.values()
    ]
    if any(len(widths) == 1 and min(widths) >= _FEWEST_COLUMNS for widths in usual):
        return None  # the sign is within fields, such as times
    for sign in dict.fromkeys(_SIGN.findall(texts[0])):
        widths = {len(text.split(sign)) for text in texts}
        if len(widths) == 1 and widths.pop() >= len(NEEDED[settings.feedback]):
            return (
                f"has fields that are delimited by '{sign}', which is not read. Replace it, for example by "
                f"tr '{sign}' '\\t' < FILE."
            )
    return None


def _pairs(rows: Sequence[Sequence[str]], settings: IngestSettings) -> str | None:
    """Two columns of ids, perhaps with a date, without ratings."""
    fits = len(rows[0]) in (2, 3) and (
        looks_like_plays(rows[0]) or look_like_text_plays(rows, MORE_THAN_HALF)
    )
    if settings.feedback == "implicit" or not fits:
        return None
    return (
        f"has two columns of ids and no rating (its first line is '{shown(', '.join(rows[0]), 60)}'). If the rows are "
        "plays, set ingest.feedback=implicit."
    )


def _ratings(rows: Sequence[Sequence[str]]) -> str | None:
    """Rows without a header, whose ratings are not numbers."""
    texts = [bare(row[2]) for row in rows if len(row) in (_FEWEST_COLUMNS, _FEWEST_COLUMNS + 1)]
    ids = [bare(field) for row in rows for field in row[:2]]
    if len(texts) < len(rows) or not any(char.isdigit() for text in ids[:2] for char in text):
        return None
    if any(map(is_number, texts)):
        return None
    found = explain_ratings(texts)
    return f"has rows without a header, and ratings that are not numbers. {found}" if found else None
