"""The titles table: a movie a line, its title kept to the character, whatever the file's encoding.

Lines that can't be taken are rejects, as those of ratings are; a wrong title costs no more than a name.
"""

from collections.abc import Sequence
from typing import Any, Final

import polars as pl

from matinee.errors import DataError
from matinee.ingest._dialect import refuse_other_kinds
from matinee.ingest._members import open_members
from matinee.ingest._rows import check_frame
from matinee.ingest._sources import Source
from matinee.ingest._title_layout import Layout, recognise_titles
from schemas.rejects import Rejects
from schemas.titles import Titles

_INT16: Final = 2**15 - 1  # a larger year is out of bounds whatever it is
_INT64: Final = range(-(2**63), 2**63)


def read_titles(source: Source) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The titles and the rejects of a titles file; tables of the schemas Titles and Rejects.

    Raises DataError when it holds no titles.
    """
    lines: list[tuple[int, str]] = []
    for member in open_members(source):
        refuse_other_kinds(member.head, source.label(), expected="movie ids and titles")
        lines += _lines(member.read_all())
    source.check_unchanged()
    if not lines:
        raise DataError(f"{source.label()} holds nothing but blank lines. Expected movie ids and titles.")
    layout = recognise_titles([text for _, text in lines], label=source.label())
    rows, rejects = _read_rows(lines[layout.has_header :], layout)
    titles, failed = _check_titles(rows)
    rejected = pl.concat([rejects, failed]).sort("line").select(pl.lit(source.name).alias("file"), pl.all())
    if titles.is_empty():
        example = rejected.row(0, named=True) if rejected.height else None
        told = f" (line {example['line']}: {example['code']}, {example['raw'][:80]!r})" if example else ""
        raise DataError(
            f"{source.label()} holds no title that can be read{told}. Expected lines such as 1,2003,Dinosaur Planet."
        )
    return Titles.validate(titles), Rejects.validate(rejected)


def _lines(text: bytes) -> list[tuple[int, str]]:
    """The lines that are not blank, numbered from 1; UTF-8 where all bytes are, else ISO-8859-1."""
    text = text.removeprefix(b"\xef\xbb\xbf")
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError:
        decoded = text.decode("iso-8859-1")
    if "\n" not in decoded:
        decoded = decoded.replace("\r", "\n")
    numbered = enumerate((line.removesuffix("\r") for line in decoded.split("\n")), start=1)
    return [(number, line) for number, line in numbered if line.strip()]


_ROWS: Final = {
    "line": pl.Int64,
    "raw": pl.String,
    "movie_id": pl.Int64,
    "year": pl.Int16,
    "title": pl.String,
}
_FAULTS: Final = {"line": pl.Int64, "raw": pl.String, "column": pl.String, "code": pl.String}


def _read_rows(lines: Sequence[tuple[int, str]], layout: Layout) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows: list[tuple[Any, ...]] = []
    rejects: list[tuple[Any, ...]] = []
    for number, line in lines:
        fields = layout.split(line)
        if isinstance(fields, str):
            rejects.append((number, line, None, fields))
            continue
        movie_id, year = fields[layout.movie_id].strip(), layout.year_text(fields)
        if movie_id and not _is_integer(movie_id):
            rejects.append((number, line, "movie_id", "movie_id_not_integer"))
        elif year.upper() not in ("", "NULL") and not _is_integer(year.removesuffix(".0")):
            rejects.append((number, line, "year", "year_not_integer"))
        else:
            number_of_year = None if year.upper() in ("", "NULL") else int(year.removesuffix(".0"))
            if layout.year is None and number_of_year is not None and not 1870 <= number_of_year <= 2100:
                number_of_year = None
            rows.append(
                (
                    number,
                    line,
                    int(movie_id) if movie_id else None,
                    None if number_of_year is None else max(-_INT16, min(number_of_year, _INT16)),
                    fields[layout.title] or None,
                )
            )
    return pl.DataFrame(rows, _ROWS, orient="row"), pl.DataFrame(rejects, _FAULTS, orient="row")


def _is_integer(text: str) -> bool:
    digits = text.removeprefix("-") if text.startswith("-") else text.removeprefix("+")
    return digits.isascii() and digits.isdecimal() and int(text) in _INT64


def _check_titles(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that hold to the schema, of the same movie the first; and the others with their codes."""
    schema = Titles.to_schema()
    schema = schema.update_column("movie_id", unique=False)
    failures = check_frame(rows.select("movie_id", "year", "title"), schema)
    numbered = rows.with_row_index("row").cast({"row": pl.Int64})
    failed = numbered.join(failures, on="row")
    kept = numbered.join(failures, on="row", how="anti", maintain_order="left")
    first = kept["movie_id"].is_first_distinct()
    again = kept.filter(~first).with_columns(column=pl.lit("movie_id"), code=pl.lit("duplicate_movie_id"))
    return (
        kept.filter(first).select("movie_id", "year", "title"),
        pl.concat([failed, again]).select(*_FAULTS),
    )
