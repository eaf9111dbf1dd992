"""Reads a title file: each title kept to the character, each line that is none a reject with its reason.

The Netflix Prize file is `id,year,title` without quoting: a line is split at its first two commas only, for
336 of its titles hold commas of their own. MovieLens files are recognised by their delimiter or header.
"""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
from pandera.errors import SchemaErrors

from matinee.errors import ConfigError, DataError
from schemas.titles import Titles

_NO_YEAR: Final = {"", "NULL", "null", "\\N"}
_INTEGER = re.compile(r"[+-]?[0-9]+")
_YEAR_IN_TITLE = re.compile(r"\(([0-9]{4})\)\s*$")
_REJECT_SCHEMA: Final = {"line": pl.Int64, "raw": pl.String, "column": pl.String, "code": pl.String}
_COLUMNS_OF_CODES: Final = {
    "movie_id_not_integer": "movie_id",
    "movie_id_missing": "movie_id",
    "year_not_integer": "year",
    "title_missing": "title",
}
_INT64: Final = range(-(2**63), 2**63)
_INT16: Final = range(-(2**15), 2**15)


@dataclass(frozen=True)
class TitleTables:
    """The titles of a file by ascending id, and its rejects."""

    titles: pl.DataFrame  # schema Titles
    rejects: pl.DataFrame  # schema Rejects


Fields = tuple[str, str, str]  # movie id, year, title: as they stand in the file


def read_titles(path: Path) -> TitleTables:
    """Read a title file in ISO-8859-1 or UTF-8: Netflix, quoted or not, or MovieLens (CSV, `|` or `::`).

    Raises ConfigError when it can't be read, DataError when it is no title file.
    """
    lines = _read_lines(path)
    split, has_header = _recognise(lines, path)
    rows: list[tuple[int, int, int | None, str]] = []
    rejects: list[tuple[int, str, str | None, str]] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or (has_header and number == 1):
            continue
        fields = split(line)
        fault = "too_few_columns" if fields is None else _fault(fields)
        if fault:
            rejects.append((number, line, _COLUMNS_OF_CODES.get(fault), fault))
        elif fields is not None:
            year = fields[1].strip()
            rows.append((number, int(fields[0]), None if year in _NO_YEAR else int(year), fields[2]))
    return _check(rows, rejects, lines, path)


def _read_lines(path: Path) -> list[str]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"The title file {path} could not be read: {error.strerror or error}.") from None
    if not raw.strip():
        raise DataError(f"The title file {path} is empty. Expected lines of id,year,title.")
    if b"\0" in raw[: 1 << 16]:
        raise DataError(f"The title file {path} holds binary bytes. Expected lines of id,year,title as text.")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("iso-8859-1")
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _recognise(lines: Sequence[str], path: Path) -> tuple[Callable[[str], Fields | None], bool]:
    """How to split the lines of the file, and whether the first one is a header."""
    first = lines[0]
    header = re.sub("[^a-z,;]", "", first.lower())
    if first.count("::") >= 2:
        return _split_movielens("::"), False
    if first.count("|") >= 4 and _INTEGER.fullmatch(first.partition("|")[0].strip()):
        return _split_movielens("|"), False
    if header.startswith(("movieid,title", "itemid,title")):
        return _split_movielens_csv, True
    has_header = header in (
        "movieid,year,title",
        "movieid,yearofrelease,title",
        "id,year,title",
        "movieid,year,name",
    )
    body = lines[1:] if has_header else lines
    if not any(_looks_like_title(line) for line in body[:50]):
        raise DataError(
            f"{path}, line 1: found {first[:80]!r}, which is no title line. Expected id,year,title as in the Netflix "
            "Prize's movie_titles.csv, or a movies file of MovieLens."
        )
    return (_split_quoted if _is_quoted(body) else _split_bare), has_header


def _looks_like_title(line: str) -> bool:
    fields = line.split(",", 2)
    year = fields[1].strip(' "') if len(fields) == 3 else "?"
    number = fields[0].strip(' "')
    return len(fields) == 3 and bool(_INTEGER.fullmatch(number)) and (year in _NO_YEAR or len(year) == 4)


def _is_quoted(lines: Sequence[str]) -> bool:
    """Whether the file quotes: every title that could need it is quoted, and there is one that does."""
    titles = [line.split(",", 2)[2] for line in lines if line.count(",") >= 2]
    delicate = [title for title in titles if "," in title or '"' in title]
    return bool(delicate) and all(title[0] == title[-1] == '"' and len(title) > 1 for title in delicate)


def _split_bare(line: str) -> Fields | None:
    fields = line.split(",", 2)
    return (fields[0], fields[1], fields[2]) if len(fields) == 3 else None


def _split_quoted(line: str) -> Fields | None:
    fields = next(csv.reader([line], strict=False), [])
    return (fields[0], fields[1], ",".join(fields[2:])) if len(fields) >= 3 else None


def _split_movielens(delimiter: str) -> Callable[[str], Fields | None]:
    def split(line: str) -> Fields | None:
        fields = line.split(delimiter)
        return (fields[0], _year_in(fields[1]), fields[1]) if len(fields) >= 2 else None

    return split


def _split_movielens_csv(line: str) -> Fields | None:
    fields = next(csv.reader([line], strict=False), [])
    return (fields[0], _year_in(fields[1]), fields[1]) if len(fields) >= 2 else None


def _year_in(title: str) -> str:
    found = _YEAR_IN_TITLE.search(title)
    return found.group(1) if found else ""


def _fault(fields: Fields) -> str | None:
    number, year, title = fields[0].strip(), fields[1].strip(), fields[2]
    if not number:
        return "movie_id_missing"
    if not _INTEGER.fullmatch(number) or int(number) not in _INT64:
        return "movie_id_not_integer"
    if year not in _NO_YEAR and (not _INTEGER.fullmatch(year) or int(year) not in _INT16):
        return "year_not_integer"
    return None if title.strip() else "title_missing"


def _check(
    rows: Sequence[tuple[int, int, int | None, str]],
    rejects: list[tuple[int, str, str | None, str]],
    lines: Sequence[str],
    path: Path,
) -> TitleTables:
    """Hold the typed rows against the schema: bounds, and one title an id; the earlier line keeps it."""
    schema = {"line": pl.Int64, "movie_id": pl.Int64, "year": pl.Int16, "title": pl.String}
    typed = pl.DataFrame(rows, schema=schema, orient="row")
    faults = _schema_faults(typed)
    for row, code in sorted(faults.items()):
        number = int(typed["line"][row])
        rejects.append(
            (number, lines[number - 1], code.partition("_out_")[0].removeprefix("duplicate_"), code)
        )
    kept = typed.with_row_index("row").filter(~pl.col("row").is_in(list(faults)))
    table = pl.DataFrame(rejects, schema=_REJECT_SCHEMA, orient="row").sort("line")
    return TitleTables(
        titles=kept.select("movie_id", "year", "title").sort("movie_id"),
        rejects=table.select(pl.lit(path.name).alias("file"), "line", "raw", "column", "code"),
    )


def _schema_faults(typed: pl.DataFrame) -> dict[int, str]:
    """Codes by row number: a repeated id, or what the schema says of the first rows of each id."""
    numbered = typed.with_row_index("row")
    first = pl.col("movie_id").is_first_distinct()
    faults = dict.fromkeys(numbered.filter(~first)["row"].to_list(), "duplicate_movie_id")
    distinct = numbered.filter(first)
    try:
        Titles.validate(distinct.select("movie_id", "year", "title"), lazy=True)
    except SchemaErrors as failed:
        cases: Any = failed.failure_cases
        for place, column in cases.select("index", "column").iter_rows():
            faults.setdefault(int(distinct["row"][int(place)]), f"{column}_out_of_bounds")
    return faults
