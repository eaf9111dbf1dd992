"""Finds the columns of a rating file: by names in a header, or by position in a file without one."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.formats.manifests import Feedback
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.plays import NEEDED, place_plays
from matinee.ingest.reading.rows import is_number, looks_like_ratings
from matinee.schemas.columns import polars_columns
from matinee.schemas.headers import ALIASES, plain_name
from matinee.schemas.integers import parse_int64
from matinee.schemas.names import SIDES
from matinee.schemas.ratings import Ratings
from matinee.settings.ingest import IngestSettings

KINDS: Final = dict(
    zip(polars_columns(Ratings), (kernel.USER, kernel.MOVIE, kernel.RATING, kernel.DATE), strict=True)
)
_SEVERAL_DIGITS: Final = re.compile(r"\d{3}", re.ASCII)
_LETTERS: Final = re.compile(r"\D+(?=\d)", re.ASCII)
_FIRST_DATE: Final = 3  # place of the dates without a header
_ONE_DIGIT: Final = re.compile(r"\s*\d\s*", re.ASCII)


def given_columns(settings: IngestSettings) -> dict[str, str]:
    """The columns that `ingest.columns` names; an empty name leaves the column out."""
    return {str(column): name.strip() for column, name in settings.columns.items()}


def find_columns(header: Sequence[str], given: Mapping[str, str], label: str) -> dict[str, int]:
    """The positions of our columns in a header: by the given names or numbers, or else by alias.

    Raises DataError if two columns have a name that is read.
    """
    plain = [plain_name(name) for name in header]
    found: dict[str, int] = {}
    for column, aliases in ALIASES.items():
        number = _number(given.get(column, ""), len(header))
        if number is not None:
            found[column] = number
            continue
        if given.get(column) == "":
            continue
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


def date_columns(header: Sequence[str]) -> list[int]:
    """The positions of all columns whose name is one of dates, the preferred name first."""
    plain = [plain_name(name) for name in header]
    return [place for name in ALIASES["date"] for place, there in enumerate(plain) if there == name]


def is_data(rows: Sequence[Sequence[str]], columns: Mapping[str, int]) -> bool:
    """Whether the first line is a row, not a header, in columns that are given by number: its rating is a number.

    Without ratings, one of its ids has several digits, or begins with the same letters as that of the second line.
    """
    first, *others = rows
    if "rating" in columns:
        return is_number(first[columns["rating"]])
    places = [columns[name] for name in SIDES]
    ids = [first[place].strip() for place in places]
    if looks_like_ratings([*ids, "0"]) or any(_SEVERAL_DIGITS.search(text) for text in ids):
        return True
    below = [row[place].strip() for row in others[:1] for place in places if place < len(row)]
    begins = [(_LETTERS.match(one), _LETTERS.match(other)) for one, other in zip(ids, below, strict=False)]
    return any(one and other and one[0] == other[0] for one, other in begins)


def _number(text: str, width: int) -> int | None:
    number = parse_int64(text)
    return number - 1 if number is not None and 1 <= number <= width else None


def place_columns(
    rows: Sequence[Sequence[str]], given: Mapping[str, str], feedback: Feedback, label: str
) -> dict[str, int]:
    """Columns of a file without a header: user, movie, rating, date, as in u.data, or the given numbers.

    Raises DataError if the numbers do not fit, or if there are too many columns to know which is which.
    """
    width = len(rows[0])
    named = {column: name for column, name in given.items() if name}
    if named:
        numbers = {column: parse_int64(place) or 0 for column, place in named.items()}
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
    if width > _FIRST_DATE and all(
        _ONE_DIGIT.fullmatch(row[_FIRST_DATE]) for row in rows if len(row) == width
    ):
        digit = rows[0][_FIRST_DATE].strip()
        raise DataError(
            f"{label} has no header, and its fourth column has digits such as {digit}, which are not dates. If they "
            "belong to ratings with decimal commas, put these in quotes or use another delimiter. If not, set "
            "ingest.columns=user_id=1,movie_id=2,rating=3."
        )
    placed = place_plays(rows) if feedback == "implicit" else dict(zip(KINDS, range(width), strict=False))
    return {column: place for column, place in placed.items() if given.get(column) != ""}


def without_left_out(columns: dict[str, int], settings: IngestSettings) -> dict[str, int]:
    """The columns without those that `ingest.columns` leaves out."""
    return {name: place for name, place in columns.items() if settings.columns.get(name) != ""}  # type: ignore[call-overload]
