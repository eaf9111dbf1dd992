"""Finds the columns of a rating file: by names in a header, or by position in a file without one."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.plays import EXPECTED, NEEDED, place_plays
from matinee.ingest.reading.rows import is_number, looks_like_ratings
from matinee.schemas.columns import polars_columns
from matinee.schemas.headers import ALIASES, plain_name
from matinee.schemas.integers import parse_int64
from matinee.schemas.names import SIDES
from matinee.schemas.ratings import Ratings
from matinee.settings.ingest import Feedback, IngestSettings

KINDS: Final = dict(
    zip(polars_columns(Ratings), (kernel.USER, kernel.MOVIE, kernel.RATING, kernel.DATE), strict=True)
)
_SEVERAL_DIGITS: Final = re.compile(r"\d{3}", re.ASCII)
_LETTERS: Final = re.compile(r"\D+(?=\d)", re.ASCII)
_FIRST_DATE: Final = 3  # place of the dates without a header
_ONE_DIGIT: Final = re.compile(r"\s*\d\s*", re.ASCII)
_EXAMPLES: Final = {"user_id": "Who", "movie_id": "What", "rating": "Stars"}
_PLAYS = " If the rows are plays and have no rating, set ingest.feedback=implicit."


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
            f"{label} has no header, and its fourth column has digits such as {digit}, which are no dates. If they "
            "belong to ratings with decimal commas, put these in quotes or use another delimiter. If not, set "
            "ingest.columns=user_id=1,movie_id=2,rating=3."
        )
    placed = place_plays(rows) if feedback == "implicit" else dict(zip(KINDS, range(width), strict=False))
    return {column: place for column, place in placed.items() if given.get(column) != ""}


def explain_header(
    header: Sequence[str],
    found: Mapping[str, int],
    first: str,
    settings: IngestSettings,
    label: str,
    *,
    line: int,
) -> str:
    """Why the first line of a file is not one of ratings: what was found and what was expected."""
    given = given_columns(settings)
    names = ", ".join(repr(name.strip()[:40]) for name in header[:12]) + (", ..." if len(header) > 12 else "")
    missing = [column for column in NEEDED[settings.feedback] if column not in found]
    plain = {plain_name(name) for name in header}
    fields = first.split(",")
    headless = fields[0].strip().isdecimal() and NEEDED[settings.feedback][-1] in missing
    expected = EXPECTED[settings.feedback]
    if plain & {"title", "genres"} or (len(fields) >= 3 and headless and not _is_day(fields[2])):
        return (
            f"{label} looks like a titles file, not ratings: its first line is {first[:80]!r}. "
            f"Expected {expected}; give this one as --titles."
        )
    if len(fields) == 3 and headless:
        return (
            f"{label} begins with rows of a user, a rating and a date, and no line such as 8: names their movie. It "
            "is probably a piece of a Netflix Prize file that was cut by lines. Put the pieces together in order "
            "(cat), or cut the file at lines such as 8:."
        )
    wanted = "".join(f" (ingest.columns asks for {given[column]!r})" for column in missing if column in given)
    return (
        f"{label}, line {line}: no column for {', '.join(missing) or 'each required field'}{wanted}; found {names}. "
        f"Expected {expected}. {_way_out(header, found, missing)}{_PLAYS if missing == ['rating'] else ''}"
    )


def _way_out(header: Sequence[str], found: Mapping[str, int], missing: Sequence[str]) -> str:
    """The setting that names the missing columns; of an id and one name that is left, the setting to copy."""
    left = [name.strip() for place, name in enumerate(header) if place not in found.values()]
    if missing != ["rating"] and len(missing) == len(left) == 1 and re.fullmatch(r"\w{1,40}", left[0]):
        return f"If '{left[0]}' is the {missing[0]}, set it: --set ingest.columns={missing[0]}={left[0]}."
    asked = ",".join(f"{column}={_EXAMPLES[column]}" for column in missing or _EXAMPLES)
    return (
        f"Name {'it' if len(missing) == 1 else 'them'} with ingest.columns, as --set ingest.columns={asked}."
    )


def _is_day(field: str) -> bool:
    day = field.strip().split("-")
    return len(day) == 3 and len(day[0]) == 4 and all(part.isdecimal() for part in day)


def refuse_pairs(texts: Sequence[str], label: str) -> None:
    """Raise DataError for Netflix text whose rows have no rating."""
    rows = [text.split(",") for text in texts if not text.strip().endswith(":")]
    if rows and all(len(row) < 3 for row in rows):
        raise DataError(
            f"{label} holds pairs of user and movie without a rating, like the Netflix Prize's probe.txt and "
            "qualifying.txt. Give it to `matinee predict --pairs`; ratings are in combined_data_*.txt or mv_*.txt."
        )


def without_left_out(columns: dict[str, int], settings: IngestSettings) -> dict[str, int]:
    """The columns without those that `ingest.columns` leaves out."""
    return {name: place for name, place in columns.items() if settings.columns.get(name) != ""}  # type: ignore[call-overload]
