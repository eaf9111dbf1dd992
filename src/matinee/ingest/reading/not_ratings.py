"""Explains why the first line of a file is not one of ratings: what the file is instead, and what to do."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading.columns import given_columns
from matinee.ingest.reading.other_files import PAIRS, are_titles, is_export_of_one_person, kind_by_header
from matinee.ingest.reading.other_layouts import explain_layout, is_day
from matinee.ingest.reading.plays import EXPECTED, NEEDED
from matinee.ingest.reading.rows import bare, is_number
from matinee.schemas.headers import plain_name
from matinee.schemas.names import SIDES
from matinee.settings.ingest import IngestSettings

_EXAMPLES: Final = {"user_id": "Who", "movie_id": "What", "rating": "Stars"}
_PLAYS: Final = " If the rows are plays and have no rating, set ingest.feedback=implicit."
_WIDE: Final = 10  # columns; a file of ratings without a header has fewer
_EXAMPLE: Final = 80  # characters of a line


def explain_header(
    rows: Sequence[Sequence[str]],
    found: Mapping[str, int],
    texts: Sequence[str],
    settings: IngestSettings,
    label: str,
    *,
    line: int,
) -> str:
    """Why a file is not read, by its first lines.

    Args:
        rows: Their fields.
        found: The columns that its first line names.
        texts: The lines.
        settings: How to read the file.
        label: Its name in messages.
        line: The number of the first of the lines.

    Returns:
        What was found, what was expected, and what to do.
    """
    expected = EXPECTED[settings.feedback]
    if other := _other_content(rows, texts, label, expected=expected):
        return other
    given = given_columns(settings)
    if (
        len(found) < len(SIDES)
        and not any(given.values())
        and (said := explain_layout(rows, texts, settings))
    ):
        return f"{label} {said}"
    header = rows[0]
    names = ", ".join(repr(name.strip()[:40]) for name in header[:12]) + (", ..." if len(header) > 12 else "")
    missing = [column for column in NEEDED[settings.feedback] if column not in found]
    wanted = "".join(f" (ingest.columns asks for {given[column]!r})" for column in missing if column in given)
    return (
        f"{label}, line {line}: no column for {', '.join(missing) or 'each required field'}{wanted}; found {names}. "
        f"Expected {expected}. {_way_out(header, found, missing)}{_PLAYS if missing == ['rating'] else ''}"
    )


def _other_content(
    rows: Sequence[Sequence[str]], texts: Sequence[str], label: str, *, expected: str
) -> str | None:
    """A sentence about a file of something else than ratings of many users; None if it is not recognised."""
    header, first = rows[0], texts[0]
    plain = {plain_name(name) for name in header}
    if is_export_of_one_person(plain):
        return (
            f"{label} has ratings and no column of users ({shown(first, _EXAMPLE)}): it is probably the export of one "
            f"person. Expected ratings of many users, with {expected}. Add a column with the user to each person's "
            "file."
        )
    if _is_matrix(rows):
        return (
            f"{label} is a matrix of {len(header):,} columns, probably with a row per user and a column per movie. "
            "Expected one rating per line: convert it, for example by melt in pandas or unpivot in polars."
        )
    if plain & {"title", "genres"} or are_titles(texts):
        return (
            f"{label} looks like a titles file, not ratings: its first line is {first[:_EXAMPLE]!r}. "
            f"Expected {expected}; give this one as --titles."
        )
    if (kind := kind_by_header(texts)) and kind != PAIRS:
        return f"{label} holds {kind}, not ratings: its first line is '{shown(first, _EXAMPLE)}'. Expected {expected}."
    return None


def _is_matrix(rows: Sequence[Sequence[str]]) -> bool:
    """Whether nearly all fields below the first line are numbers or empty, in many columns."""
    width = len(rows[0])
    fields = [bare(field) for row in rows[1:] for field in row[1:] if len(row) == width]
    numbers = sum(not field or is_number(field) for field in fields)
    return width > _WIDE and len(fields) >= _WIDE and numbers >= 0.99 * len(fields)


def _way_out(header: Sequence[str], found: Mapping[str, int], missing: Sequence[str]) -> str:
    """The setting that names the missing columns; of an id and one name that is left, the setting to copy."""
    left = [name.strip() for place, name in enumerate(header) if place not in found.values()]
    if not found and len(header) > 1 and any(is_number(name) or is_day(name) for name in header):
        examples = ",".join(f"{column}={place}" for place, column in enumerate(missing, start=1))
        return f"If this line is a row and no header, give the numbers of its columns, as ingest.columns={examples}."
    if missing != ["rating"] and len(missing) == len(left) == 1 and re.fullmatch(r"\w{1,40}", left[0]):
        return f"If '{left[0]}' is the {missing[0]}, set it: --set ingest.columns={missing[0]}={left[0]}."
    asked = ",".join(f"{column}={_EXAMPLES[column]}" for column in missing or _EXAMPLES)
    return (
        f"Name {'it' if len(missing) == 1 else 'them'} with ingest.columns, as --set ingest.columns={asked}."
    )


def refuse_pairs(texts: Sequence[str], label: str) -> None:
    """Raise DataError for Netflix text whose rows have no rating."""
    rows = [text.split(",") for text in texts if not text.strip().endswith(":")]
    if rows and all(len(row) < 3 for row in rows):
        raise DataError(
            f"{label} holds pairs of user and movie without a rating, like the Netflix Prize's probe.txt and "
            "qualifying.txt. Give it to `matinee predict --pairs`; ratings are in combined_data_*.txt or mv_*.txt."
        )
