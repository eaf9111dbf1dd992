"""Recognizes the layout of a titles file: Netflix's, MovieLens' movies.csv, movies.dat and u.item, and similar ones.

The Netflix file is not quoted although titles contain commas and quotes: only its first two commas split a line. Quoted
copies of it are recognized by their titles with commas.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from matinee.errors import DataError
from matinee.ingest.reading.dialect import looks_like_ratings, split_fields
from matinee.schemas.headers import ALIASES, plain_name

_NAMES: Final = {
    "movie_id": (*ALIASES["movie_id"], "id"),
    "title": ("title", "movietitle", "filmtitle", "name", "moviename"),
    "year": ("year", "yearofrelease", "releaseyear"),
}
_SAMPLED_LINES = 500
_YEAR = re.compile(r"(\d+(\.0)?|NULL|)", re.ASCII | re.IGNORECASE)
_YEAR_IN_TITLE = re.compile(r"\((\d{4})(?:[-–]\s*(?:\d{4})?\s*)?\)$", re.ASCII)
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

    def split(self, line: str) -> list[str] | str:
        """The fields of a line, or its reject code."""
        if self.fields is None:
            fields = line.split(self.delimiter, self.title)
            if len(fields) <= self.title:
                return "too_few_columns"
            if self.quoted:
                title = unquote(fields[-1])
                if title is None:
                    return "quote_unclosed"
                fields[-1] = title
                fields[:-1] = [field.strip().strip('"') for field in fields[:-1]]
            return fields
        parts = split_quoted(line, self.delimiter) if self.quoted else line.split(self.delimiter)
        if parts is None:
            return "quote_unclosed"
        if len(parts) <= max(self.movie_id, self.title, self.year or 0):
            return "too_few_columns"
        return "too_many_columns" if len(parts) > self.fields else parts

    def year_text(self, fields: Sequence[str]) -> str:
        """The year's text: from its own field, or from the title or the release date."""
        if self.year is not None:
            return fields[self.year].strip()
        found = _YEAR_IN_TITLE.search(fields[self.title].rstrip()[-_YEAR_LENGTH:])
        if found is None and self.delimiter == "|" and len(fields) > 2:
            found = _YEAR_IN_DATE.match(fields[2])
        return found[1] if found else ""


def recognize_titles(lines: Sequence[str], *, label: str) -> Layout:
    """Recognize the layout of a titles file from its first lines, none of them blank.

    Raises DataError if it is something else, such as ratings.
    """
    sample = lines[:_SAMPLED_LINES]
    header = _recognize_header(sample, label)
    if header is not None:
        return header
    for delimiter in ("::", "|", "\t", ";", ","):
        rows = [split_fields(line, delimiter) for line in sample]
        if not _most(rows, lambda row: len(row) > 1 and row[0].strip().isdecimal()):
            continue
        if 2 * sum(map(looks_like_ratings, rows)) > len(rows):
            raise DataError(_not_titles(label, "ratings", sample[0]))
        width = max(set(map(len, rows)), key=list(map(len, rows)).count)
        if delimiter not in ("::", "|") and _most(rows, lambda row: len(row) > 2 and _is_year(row[1])):
            return Layout(delimiter, _is_quoted(sample, delimiter, 2), 0, 2, 1, None, has_header=False)
        if delimiter in ("::", "|") or width > 1:
            return Layout(delimiter, delimiter in ",;", 0, 1, None, width, has_header=False)
    raise DataError(_not_titles(label, "something else", sample[0]))


def _recognize_header(sample: Sequence[str], label: str) -> Layout | None:
    for delimiter in ("::", "|", "\t", ";", ","):
        names = [plain_name(name) for name in split_fields(sample[0], delimiter)]
        found = {
            column: next((names.index(alias) for alias in aliases if alias in names), None)
            for column, aliases in _NAMES.items()
        }
        if set(names) & set(ALIASES["user_id"]) and set(names) & set(ALIASES["rating"]):
            raise DataError(_not_titles(label, "ratings", sample[0]))
        movie_id, title, year = found["movie_id"], found["title"], found["year"]
        if movie_id is None or title is None:
            continue
        if title == len(names) - 1:
            quoted = _is_quoted(sample[1:], delimiter, title)
            return Layout(delimiter, quoted, movie_id, title, year, None, has_header=True)
        return Layout(delimiter, delimiter in ",;\t", movie_id, title, year, len(names), has_header=True)
    return None


def _is_quoted(lines: Sequence[str], delimiter: str, title: int) -> bool:
    """Whether titles at the line's end are quoted: all titles, or those that contain the delimiter."""
    titles = [fields[title] for line in lines if len(fields := line.split(delimiter, title)) > title]
    enclosed = [_is_enclosed(text) for text in titles]
    telling = [closed for text, closed in zip(titles, enclosed, strict=True) if delimiter in text]
    if telling:
        return 2 * sum(telling) > len(telling)
    needless = sum(closed and '""' not in text for text, closed in zip(titles, enclosed, strict=True))
    # Without a delimiter in any title, quotes around some of them are part of those titles.
    return all(enclosed) if needless else any(enclosed)


def _is_enclosed(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1].replace('""', "")


def unquote(text: str) -> str | None:
    """A field without its enclosing quotes; unchanged if not enclosed; None if a quote is open."""
    if _is_enclosed(text):
        return text[1:-1].replace('""', '"')
    return None if text.startswith('"') and text.count('"') % 2 else text


def split_quoted(line: str, delimiter: str) -> list[str] | None:
    """The fields of a line; a delimiter between quotes is text. None if a quote stays open."""
    fields, i = [], 0
    while True:
        stop = line.find(delimiter, i)
        if line.startswith('"', i):
            close = line.find('"', i + 1)
            while close >= 0 and line.startswith('"', close + 1):
                close = line.find('"', close + 2)
            if close < 0:
                return None
            stop = line.find(delimiter, close)
        field = line[i:] if stop < 0 else line[i:stop]
        fields.append(field[1:-1].replace('""', '"') if _is_enclosed(field) else field)
        if stop < 0:
            return fields
        i = stop + len(delimiter)


def _is_year(text: str) -> bool:
    return _YEAR.fullmatch(text.strip()) is not None


def _most(rows: Sequence[list[str]], holds: Callable[[list[str]], bool]) -> bool:
    return 2 * sum(map(holds, rows)) >= len(rows)


def _not_titles(label: str, what: str, line: str) -> str:
    return f"{label} does not hold titles but {what}: its first line is {line[:80]!r}. Expected {_EXPECTED}."
