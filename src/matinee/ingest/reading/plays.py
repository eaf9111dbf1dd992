"""What a row of plays needs: a user and a movie, perhaps a date. A rating or a count beside them is not read.

`matinee.ingest.reading.recognition` calls it with `ingest.feedback=implicit`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.formats.manifests import Feedback
from matinee.ingest.reading.rows import MOST, have_text_ids
from matinee.schemas.headers import ALIASES, plain_name
from matinee.schemas.names import SIDES, Column
from matinee.settings.ingest import IngestSettings

NEEDED: Final[Mapping[Feedback, tuple[Column, ...]]] = {
    "explicit": (*SIDES, "rating"),
    "implicit": SIDES,
}
EXPECTED: Final[Mapping[Feedback, str]] = {
    "explicit": "a header such as userID,movieID,rating,date",
    "implicit": "a header such as userID,movieID,date",
}
_COUNTS: Final = frozenset(
    {
        "count",
        "weight",
        "hours",
        "listens",
        "playcount",
        "plays",
        "timesplayed",
        "viewcount",
        "views",
        "watchcount",
        "watches",
    }
)
_TAGS: Final = frozenset({"tag", "tags"})
_INTEGER: Final = re.compile(r"[+-]?\d+", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?\d*[.,]?\d*([eE][+-]?\d+)?", re.ASCII)
_WIDTHS: Final = (2, 3, 4)  # perhaps with a number of plays and a date
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}([ T].*)?|\d{9,}(\.\d*)?", re.ASCII)  # a day, or unix seconds


def looks_like_plays(row: Sequence[str]) -> bool:
    """Whether a line without a header has two ids, followed only by numbers and dates.

    >>> looks_like_plays(["7", "12", "2005-01-31"]), looks_like_plays(["8", "2004", "What the Bleep"])
    (True, False)
    """
    fields = [field.strip() for field in row]
    ids, rest = fields[:2], fields[2:]
    return (
        len(ids) == 2
        and all(_INTEGER.fullmatch(field) for field in ids)
        and all(_NUMBER.fullmatch(field) or _DATE.fullmatch(field) for field in rest)
    )


def look_like_text_plays(rows: Sequence[Sequence[str]], least: float = MOST) -> bool:
    """Whether lines without a header have two ids of any kind, perhaps followed by a number or a date.

    The first line and a share of at least `least` of all lines must.

    >>> look_like_text_plays([["u1", "tt0114508"], ["u2", "tt0114508"]])
    True
    >>> look_like_text_plays([["user", "item"], ["u1", "i1"]]), look_like_text_plays([["1", "2003", "Up"]])
    (False, False)
    """
    return have_text_ids(
        rows,
        least,
        widths=_WIDTHS,
        rest=lambda fields: all(_NUMBER.fullmatch(each) or _DATE.fullmatch(each) for each in fields),
    )


def place_plays(rows: Sequence[Sequence[str]]) -> dict[str, int]:
    """The columns of plays without a header: user, movie, and the date where the last column looks like one."""
    width = len(rows[0])
    placed = {"user_id": 0, "movie_id": 1}
    if width > 2 and all(_DATE.fullmatch(row[-1].strip()) for row in rows if len(row) == width):
        placed["date"] = width - 1
    return placed


def name_netflix_plays(texts: Sequence[str]) -> tuple[str, ...]:
    """The columns of rows below a line such as `8:`: those of ratings, or a user, maybe with a date."""
    rows = [text.split(",") for text in texts if not text.strip().endswith(":")]
    width = max(map(len, rows), default=3)
    if width == 2:
        return "user_id", "date" if _DATE.fullmatch(rows[0][-1].strip()) else "rating"
    return ("user_id",) if width == 1 else ("user_id", "rating", "date")


def read_as_plays(columns: Mapping[str, int], names: Sequence[str], label: str) -> dict[str, int]:
    """The columns to read of a file of plays: all that were found but the rating.

    Raises DataError for a file of tags, whose rows are no plays.
    """
    if tags := [name for name in names if plain_name(name) in _TAGS]:
        raise DataError(
            f"{label} has a column '{shown(tags[0].strip())}', so its rows are tags and not plays. Expected one play "
            "per line; leave the file out."
        )
    return {column: place for column, place in columns.items() if column != "rating"}


def rating_columns(names: Sequence[str]) -> list[str]:
    """Those of the names that stand for a rating."""
    return [name for name in names if plain_name(name) in ALIASES["rating"]]


def count_columns(names: Sequence[str]) -> list[str]:
    """Those of the names that stand for a number of plays."""
    return [name for name in names if plain_name(name) in _COUNTS]


def expected_rows(settings: IngestSettings) -> str:
    """What a file should hold, for errors."""
    what = "play" if settings.feedback == "implicit" else "rating"
    return f"{EXPECTED[settings.feedback]}, then one {what} per line"
