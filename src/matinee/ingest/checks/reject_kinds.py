"""Recognizes what rejected rows are, all of them alike: rows of another file, of another delimiter, ratings as words.

An error about too many rejects has the sentence, so that it says what to do.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from matinee.ingest.reading.odd_ratings import are_times, explain_ratings
from matinee.ingest.reading.row_format import name_of
from matinee.ingest.reading.rows import (
    BLANKS,
    LineForm,
    is_wrapped,
    looks_like_ratings,
    split_row,
)
from matinee.schemas.delimiters import DELIMITERS, pattern

_JOINED: Final = "files have probably been joined"
_EMPTY: Final = re.compile(pattern(r'\s"') + "*")
_DRAWN: Final = re.compile(r"[-+=|─┼ ]+|\(\d+ rows?( affected)?\)")
_DIGITS: Final = re.compile(r"\d{1,2}")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_FEWEST_WORDS: Final = 3  # in a line of prose
# What rows with too few fields are.
_SHORT: Final[Mapping[Callable[[str], bool], str]] = {
    lambda row: row.lstrip().startswith("{") and row.rstrip().endswith("}"): (
        f"These lines are JSON objects among rows of a table: {_JOINED}. Separate them, for example by "
        "grep '^{' FILE."
    ),
    is_wrapped: (
        "These rows are in quotes as a whole, unlike the others of the file. Remove these quotes, for example by "
        """sed -E '/^".*"$/{s/^"//;s/"$//;s/""/"/g}' FILE."""
    ),
    lambda row: _DRAWN.fullmatch(row.strip()) is not None: (
        "These lines are drawn by a program for a terminal. Export the table as CSV, for example by psql --csv or "
        "mysql --batch."
    ),
    lambda row: len(_WORD.findall(row)) >= _FEWEST_WORDS: (
        "These lines are probably parts of a text with line ends. Put such texts in double quotes, as CSV writers do, "
        "or leave them out."
    ),
}


def explain_rejects(code: str, rows: Sequence[str], *, is_json: bool) -> str | None:
    """What rejected rows are, and what to do.

    Args:
        code: Why they were rejected.
        rows: Their texts.
        is_json: Whether the file is JSON lines.

    Returns:
        A sentence or two; None if they are nothing known.
    """
    if _are_most(rows, lambda row: _EMPTY.fullmatch(row) is not None):
        return "These rows are empty, as spreadsheets write them. Delete them, for example by grep -v '^[,;]*$' FILE."
    if code == "too_few_columns":
        return _explain_short_rows(rows, is_json=is_json)
    if code == "too_many_columns":
        return _explain_long_rows(rows)
    if code == "rating_out_of_bounds" and are_times(rows):
        return "These ratings are probably times. If the rows are plays, set ingest.feedback=implicit."
    return explain_ratings(rows) if code in ("rating_not_a_number", "rating_missing") else None


def _explain_short_rows(rows: Sequence[str], *, is_json: bool) -> str | None:
    if is_json:
        return (
            f"These lines are not JSON objects, unlike the others of the file: {_JOINED}. Separate them, for "
            "example by grep -v '^{' FILE."
        )
    found = next((said for holds, said in _SHORT.items() if _are_most(rows, holds)), None)
    if found is not None:
        return found
    for form in (*map(LineForm, DELIMITERS.values()), *BLANKS):
        if _are_most(rows, lambda row: looks_like_ratings(split_row(row, *form))):  # noqa: B023
            return (
                f"These rows are delimited by {name_of(form)}, unlike the others of the file: {_JOINED}. Use one "
                "delimiter for all rows, or separate the files."
            )
    return None


def _explain_long_rows(rows: Sequence[str]) -> str:
    last = [row.replace(";", ",").split(",")[-1].strip() for row in rows]
    if _are_most(last, lambda field: _DIGITS.fullmatch(field) is not None):
        return (
            "If ratings have decimal commas, as 3,5, put them in double quotes or use another delimiter. If each row "
            "begins with its number, give this column a name in the header."
        )
    return (
        "Texts with the delimiter in them must be in double quotes, and each column must have a name in the header, "
        "one of row numbers too."
    )


def _are_most(rows: Sequence[str], holds: Callable[[str], bool]) -> bool:
    return 2 * sum(map(holds, rows)) > len(rows)
