"""Recognizes the layout of a titles file: Netflix's, MovieLens' movies.csv, movies.dat and u.item, and similar ones.

The Netflix file is not quoted although titles contain commas and quotes: only its first two commas split a line. Quoted
copies of it are recognized by their titles with commas. `ingest.title_columns` overrides the detection of columns.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading.rows import are_most, bare, is_number, looks_like_ratings, split_fields
from matinee.ingest.reading.unnamed_columns import lacks_a_name
from matinee.ingest.titles.fields import Writing, find_writing, is_enclosed, is_quoted, split_quoted, unquote
from matinee.schemas.delimiters import QUOTABLE, RARE_FIRST
from matinee.schemas.headers import ALIASES, TITLE_ALIASES, plain_name
from matinee.schemas.integers import parse_int64

# Columns of tables that have movie ids as well, and no titles.
_OTHERS: Final = {
    "tags": {"tag", "tagid"},
    "links": {"imdbid", "tmdbid"},
    "users": {"age", "gender", "occupation"},
}
_SAMPLED_LINES = 500
_WITH_YEAR = 3  # columns of id, title and year
_TEXT_ID = re.compile(r"(?=.*\d)\S{1,255}")  # without a header, an id has a digit and no blank
_YEAR = re.compile(r"(\d+(\.0)?|NULL|)", re.ASCII | re.IGNORECASE)
_YEAR_ALONE = re.compile(r"(1[89]|20)\d\d(\.0)?", re.ASCII)
_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:[-–]\s*(?:\d{4})?\s*)?\)$", re.ASCII)
_NEARLY_ALL = 0.9
_HIGHEST_RATING = 100  # of the usual scales
_YEAR_LENGTH = 40  # the year is searched in this many characters at the title's end
_YEAR_IN_DATE = re.compile(r"\d{1,2}-[A-Za-z]{3}-(\d{4})", re.ASCII)
_EXPECTED = "lines such as 1,2003,Dinosaur Planet, or a header such as movieId,title,genres"


@dataclass(frozen=True)
class Layout:
    """The positions of id, year and title in a line."""

    delimiter: str
    quoted: bool
    movie_id: int
    title: int
    year: int | None
    fields: int | None  # None: the title is the rest of the line
    has_header: bool
    writing: Writing = field(default_factory=Writing)
    skip: int = 0  # lines that are not blank before the first movie

    def split(self, line: str, *, joined: bool = False) -> list[str] | str:
        """The fields of a line, or its reject code. In lines that are `joined`, quotes must enclose a whole field."""
        line = self.writing.plain(line)
        if self.fields is None:
            fields = line.split(self.delimiter, self.title)
            if len(fields) <= self.title:
                return "too_few_columns"
            if self.quoted:
                title = unquote(fields[-1])
                if title is None or (joined and not is_enclosed(fields[-1])):
                    return "quote_unclosed"
                fields[-1] = title
                fields[:-1] = [field.strip().strip('"') for field in fields[:-1]]
            return fields
        parts = (
            split_quoted(line, self.delimiter, strict=joined) if self.quoted else line.split(self.delimiter)
        )
        if parts is None:
            return "quote_unclosed"
        if len(parts) <= max(self.movie_id, self.title, self.year or 0):
            return "too_few_columns"
        return "too_many_columns" if len(parts) > self.fields else parts

    def is_header_again(self, fields: Sequence[str], label: str, *, line: int) -> bool:
        """Whether a line is the header of a file that was joined to another.

        Raises DataError if its columns are in another order.
        """
        if not fields[self.movie_id].strip()[:1].isalpha():
            return False
        names = [plain_name(fields[place]) for place in (self.movie_id, self.title)]
        ids, titles = TITLE_ALIASES["movie_id"], TITLE_ALIASES["title"]
        if names[0] in titles and names[1] in ids:
            raise DataError(
                f"{label}, line {line:,}: the line is a header, '{shown(', '.join(fields), 80)}', with its columns in "
                "another order. Expected one order: several files may have been joined. Separate them."
            )
        return names[0] in ids and names[1] in titles

    def year_text(self, fields: Sequence[str]) -> str:
        """The year's text: from its own field, or from the title or the release date."""
        if self.year is not None:
            return fields[self.year].strip()
        found = _YEAR_IN_TITLE.search(fields[self.title].rstrip()[-_YEAR_LENGTH:])
        if found is None and self.delimiter == "|" and len(fields) > 2:
            found = _YEAR_IN_DATE.match(fields[2])
        return found[1] if found else ""


def recognize_titles(lines: Sequence[str], *, label: str, columns: Mapping[str, str] | None = None) -> Layout:
    """Recognize the layout of a titles file.

    Args:
        lines: Its first lines, none of them blank.
        label: The name of the file in messages.
        columns: Names or numbers of its columns, by `movie_id`, `title` and `year` (`ingest.title_columns`).

    Raises:
        DataError: It is something else, such as ratings, or it has not the columns.
    """
    skip = next((at for at, line in enumerate(lines) if not _is_note(line, at)), 0)
    writing = find_writing(lines[skip : skip + _SAMPLED_LINES])
    sample = [writing.plain(line) for line in lines[skip : skip + _SAMPLED_LINES]]
    layout = _choose(sample, columns, label) if columns else None
    layout = layout or _recognize_header(sample, label) or _recognize_rows(sample, label)
    return replace(layout, writing=writing, skip=skip + layout.has_header)


def _is_note(line: str, at: int) -> bool:
    """Whether a line before the header is a comment, or the `sep=;` of Excel."""
    return line.startswith("#") or (at == 0 and re.fullmatch(r'"?sep=.{1,3}', line.strip(" \r")) is not None)


def _choose(sample: Sequence[str], columns: Mapping[str, str], label: str) -> Layout:
    """The layout by the names or the numbers that the user gave."""
    best: list[str] = []
    for delimiter in RARE_FIRST:
        header = split_fields(sample[0], delimiter)
        best = max(best, header, key=len)
        plain = [plain_name(name) for name in header]
        numbers = {column: parse_int64(text) for column, text in columns.items()}
        named = {column: plain_name(text) for column, text in columns.items()}
        if all(name in plain for name in named.values()):
            places = {column: plain.index(name) for column, name in named.items()}
            return _layout_of(places, header, sample, delimiter, has_header=True)
        if len(header) > 1 and all(number and 0 < number <= len(header) for number in numbers.values()):
            places = {column: number - 1 for column, number in numbers.items() if number}
            is_header = _is_header([split_fields(line, delimiter) for line in sample], places)
            return _layout_of(places, header, sample, delimiter, has_header=is_header)
    given = ", ".join(f"{column}={text}" for column, text in columns.items())
    raise DataError(
        f"{label}, line 1: not all columns of ingest.title_columns ({shown(given)}) are among "
        f"{shown(', '.join(best))}. Give the names of its header, or numbers from 1 to {len(best)}."
    )


def _is_header(rows: Sequence[Sequence[str]], places: Mapping[str, int]) -> bool:
    """Whether the first line names columns that were given by number: it has no id, or a known name."""
    ids = [row[places["movie_id"]].strip() for row in rows if len(row) > places["movie_id"]]
    if ids[0].isdecimal() or 2 * sum(map(str.isdecimal, ids)) >= len(ids):
        return not ids[0].isdecimal()
    first = {column: plain_name(rows[0][place]) for column, place in places.items()}
    return any(name in TITLE_ALIASES[column] for column, name in first.items())


def _layout_of(
    places: Mapping[str, int],
    header: Sequence[str],
    sample: Sequence[str],
    delimiter: str,
    *,
    has_header: bool,
) -> Layout:
    movie_id, title, year = places["movie_id"], places["title"], places.get("year")
    if title == len(header) - 1 > 0 and not _has_quotes_before(sample, delimiter, title):
        quoted = is_quoted(sample[has_header:], delimiter, title)
        return Layout(delimiter, quoted, movie_id, title, year, None, has_header)
    return Layout(delimiter, delimiter in QUOTABLE, movie_id, title, year, len(header), has_header)


def _has_quotes_before(sample: Sequence[str], delimiter: str, title: int) -> bool:
    """Whether fields before the title hold a delimiter between quotes, in more lines than may be damaged."""
    rows = [split_fields(line, delimiter) for line in sample]
    found = sum(any(delimiter in part for part in row[:title]) for row in rows)
    return found > 0.05 * len(rows) or (found > 0 and len(set(map(len, rows))) == 1)


def _recognize_rows(sample: Sequence[str], label: str) -> Layout:
    for delimiter in RARE_FIRST:
        rows = [split_fields(line, delimiter) for line in sample]
        if not _most(rows, lambda row: len(row) > 1 and row[0].strip().isdecimal()):
            continue
        if 2 * sum(map(looks_like_ratings, rows)) > len(rows) and not _are_titles_of_digits(rows):
            raise DataError(_not_titles(label, "ratings", sample[0]))
        width = max(set(map(len, rows)), key=list(map(len, rows)).count)
        years = [sum(_is_recent_year(row[place]) for row in rows if len(row) > place) for place in (1, 2)]
        behind = width == _WITH_YEAR and 2 * years[1] >= len(rows) and years[0] < years[1]
        before = not behind and _most(rows, lambda row: len(row) > 2 and _is_year(row[1]))
        if delimiter not in ("::", "|") and before:
            return Layout(delimiter, is_quoted(sample, delimiter, 2), 0, 2, 1, None, has_header=False)
        if delimiter in ("::", "|") or width > 1:
            year = _WITH_YEAR - 1 if behind else None
            return Layout(delimiter, delimiter in ",;", 0, 1, year, width, has_header=False)
    for delimiter in RARE_FIRST:  # text ids
        rows = [split_fields(line, delimiter) for line in sample]
        if not _most(rows, lambda row: len(row) > 1 and _TEXT_ID.fullmatch(row[0].strip()) is not None):
            continue
        if _most(rows, lambda row: len(row) > 2 and _is_year(row[1])):
            return Layout(delimiter, is_quoted(sample, delimiter, 2), 0, 2, 1, None, has_header=False)
        if delimiter == "::":
            return Layout(delimiter, False, 0, 1, None, max(map(len, rows)), has_header=False)
    raise DataError(_not_titles(label, "something else", sample[0]))


def _are_titles_of_digits(rows: Sequence[Sequence[str]]) -> bool:
    """Whether lines of numbers are movies such as 1,2006,300 or 1,300,2006: no id and hardly a title comes twice.

    In ratings, users and ratings do, and no rating is as high as a year.
    """
    fields = [[bare(field) for field in row] for row in rows if len(row) >= _WITH_YEAR]
    ids, seconds, thirds = ([row[place] for row in fields] for place in range(_WITH_YEAR))
    if len({*ids}) < _NEARLY_ALL * len(rows):
        return False
    if are_most(map(_is_recent_year, thirds), _NEARLY_ALL):
        return True
    is_high = any(is_number(text) and float(text.replace(",", ".")) > _HIGHEST_RATING for text in thirds)
    are_years = are_most((_is_recent_year(text) or not text.isdecimal() for text in seconds), _NEARLY_ALL)
    return is_high and are_years and len({*thirds}) >= _NEARLY_ALL * len(thirds)


def _recognize_header(sample: Sequence[str], label: str) -> Layout | None:
    for delimiter in RARE_FIRST:
        header = split_fields(sample[0], delimiter)
        names = [plain_name(name) for name in header]
        if header[0].strip().isdecimal() or any(_YEAR_ALONE.fullmatch(name.strip()) for name in header):
            continue  # the line of a movie, perhaps of one with the title Film
        found = {
            column: next((names.index(alias) for alias in aliases if alias in names), None)
            for column, aliases in TITLE_ALIASES.items()
        }
        if set(names) & set(ALIASES["user_id"]) and set(names) & set(ALIASES["rating"]):
            raise DataError(_not_titles(label, "ratings", sample[0]))
        if found["title"] is None and (
            what := next((k for k, there in _OTHERS.items() if there & {*names}), None)
        ):
            raise DataError(_not_titles(label, what, sample[0]))
        if found["movie_id"] is not None and found["title"] is not None:
            places = {column: place for column, place in found.items() if place is not None}
            _refuse_doubles(names, places, label)
            if _begin_with_numbers(sample, header, delimiter, places["movie_id"] + 1):
                places = {column: place + 1 for column, place in places.items()}
                header = ["", *header]
            return _layout_of(places, header, sample, delimiter, has_header=True)
        if found["movie_id"] is not None and len(header) > 1:
            raise DataError(
                f"{label}, line 1: no column for the title; found {shown(', '.join(header))}. Expected {_EXPECTED}. "
                "Name the columns, as --set ingest.title_columns=movie_id=book_id,title=original_title."
            )
    return None


def _begin_with_numbers(sample: Sequence[str], header: Sequence[str], delimiter: str, movie_id: int) -> bool:
    """Whether rows begin with a number that the header does not name, as R writes them."""
    rows = [split_fields(line, delimiter) for line in sample[1:]]
    return lacks_a_name(rows, len(header)) and _most(
        rows, lambda row: len(row) > movie_id and _TEXT_ID.fullmatch(row[movie_id].strip()) is not None
    )


def _refuse_doubles(names: Sequence[str], places: Mapping[str, int], label: str) -> None:
    for column, place in places.items():
        if names.count(names[place]) > 1:
            raise DataError(
                f"{label} has the column '{shown(names[place])}' twice, and either could be the {column}. Rename or "
                "remove one of them, or give the numbers of the columns, as ingest.title_columns=movie_id=1,title=2."
            )


def _is_year(text: str) -> bool:
    return _YEAR.fullmatch(text.strip()) is not None


def _is_recent_year(text: str) -> bool:
    """Whether a field is a year of a film, alone."""
    return _YEAR_ALONE.fullmatch(text.strip()) is not None


def _most(rows: Sequence[list[str]], holds: Callable[[list[str]], bool]) -> bool:
    return 2 * sum(map(holds, rows)) >= len(rows)


def _not_titles(label: str, what: str, line: str) -> str:
    return f"{label} contains {what}, not titles: its first line is {line[:80]!r}. Expected {_EXPECTED}."
