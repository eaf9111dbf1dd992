"""Reads the titles table: one movie per line, its title unchanged, whatever the file's encoding.

Faulty lines become rejects, as in rating files.
"""

from collections.abc import Container, Sequence
from typing import Any, Final

import polars as pl

from matinee.errors import DataError
from matinee.ingest.checks.schema import check_frame
from matinee.ingest.reading.lines import look_through, read_lines
from matinee.ingest.reading.members import open_members, translate_parser_errors
from matinee.ingest.reading.sources import Source
from matinee.ingest.titles.layout import Layout, recognize_titles
from matinee.schemas.integers import parse_int64
from matinee.schemas.rejects import Rejects
from matinee.schemas.titles import Titles
from matinee.settings.ingest import IngestSettings

_INT16: Final = 2**15 - 1  # a larger year is out of bounds whatever it is
_LINE_BYTES: Final = 64  # of a line in memory, in addition to its text
_DEFAULTS: Final = IngestSettings()


def read_titles(source: Source, settings: IngestSettings = _DEFAULTS) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read a titles file.

    The file is read twice, in batches of lines: its encoding is known only at its end.

    Args:
        source: The titles file, or an archive of it.
        settings: Limits on its size.

    Returns:
        The titles and the rejects, as tables of the schemas Titles and Rejects.

    Raises:
        DataError: The file holds no titles, or more than the settings allow.

    """
    longest = settings.max_line_mb << 20
    texts = [look_through(member, source) for member in open_members(source, settings)]
    table = _Table(source, most_bytes=settings.max_titles_mb << 20)
    for text, member in zip(texts, open_members(source, settings), strict=True):
        for lines in read_lines(member, text, longest=longest, label=source.label(member.name)):
            with translate_parser_errors(source.label()):
                table.add(lines)
    source.check_unchanged()
    return table.finish()


class _Table:
    """Collects titles and rejects, and drops the rest of the text."""

    def __init__(self, source: Source, *, most_bytes: int) -> None:
        self._source = source
        self._most_bytes = most_bytes
        self._bytes = 0
        self._layout: Layout | None = None
        self._ids: set[int] = set()
        self._titles: list[pl.DataFrame] = [Titles.empty()]
        self._rejects = [pl.DataFrame(schema=_FAULTS)]

    def add(self, lines: Sequence[tuple[int, str]]) -> None:
        """Add some lines, none of them blank."""
        if self._layout is None:
            self._layout = recognize_titles([text for _, text in lines], label=self._source.label())
            lines = lines[self._layout.has_header :]
        rows, rejects = _read_rows(lines, self._layout)
        titles, failed = _check_titles(rows, self._ids)
        self._ids.update(titles["movie_id"])
        self._titles.append(titles)
        self._rejects.append(pl.concat([rejects, failed]).sort("line"))
        kept = (titles["title"], self._rejects[-1]["raw"])
        self._bytes += sum(int(text.str.len_bytes().sum()) for text in kept) + _LINE_BYTES * len(lines)
        if self._bytes > self._most_bytes:
            raise DataError(
                f"{self._source.label()}: up to line {lines[-1][0]:,} its titles take more than "
                f"{self._most_bytes >> 20:,} MB (ingest.max_titles_mb). Expected a few thousand movies: check that "
                "it is the right file, or allow more with that setting."
            )

    def finish(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The two tables.

        Raises DataError if there is no title.
        """
        label = self._source.label()
        if self._layout is None:
            raise DataError(f"{label} holds nothing but blank lines. Expected movie ids and titles.")
        titles = pl.concat(self._titles)
        rejected = pl.concat(self._rejects).select(pl.lit(self._source.name).alias("file"), pl.all())
        if titles.is_empty():
            example = rejected.row(0, named=True) if rejected.height else None
            reason = (
                f" (line {example['line']}: {example['code']}, {example['raw'][:80]!r})" if example else ""
            )
            raise DataError(
                f"{label} holds no readable title{reason}. Expected lines such as 1,2003,Dinosaur Planet."
            )
        return Titles.validate(titles), Rejects.validate(rejected)


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
        id_text, year_text = fields[layout.movie_id].strip(), layout.year_text(fields)
        movie_id = parse_int64(id_text)
        year = None if year_text.upper() in ("", "NULL") else parse_int64(year_text.removesuffix(".0"))
        if id_text and movie_id is None:
            rejects.append((number, line, "movie_id", "movie_id_not_integer"))
        elif year is None and year_text.upper() not in ("", "NULL"):
            rejects.append((number, line, "year", "year_not_integer"))
        else:
            if layout.year is None and year is not None and not 1870 <= year <= 2100:
                year = None
            year = None if year is None else max(-_INT16, min(year, _INT16))
            rows.append((number, line, movie_id, year, fields[layout.title] or None))
    return pl.DataFrame(rows, _ROWS, orient="row"), pl.DataFrame(rejects, _FAULTS, orient="row")


def _check_titles(rows: pl.DataFrame, known: Container[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that pass the schema, only the first one of each movie; and the other rows with their codes.

    Movies in `known` are in an earlier line.
    """
    schema = Titles.to_schema()
    schema = schema.update_column("movie_id", unique=False)
    failures = check_frame(rows.select("movie_id", "year", "title"), schema)
    numbered = rows.with_row_index("row").cast({"row": pl.Int64})
    failed = numbered.join(failures, on="row")
    kept = numbered.join(failures, on="row", how="anti", maintain_order="left")
    fresh = pl.Series([movie not in known for movie in kept["movie_id"]], dtype=pl.Boolean)
    first = kept["movie_id"].is_first_distinct() & fresh
    again = kept.filter(~first).with_columns(column=pl.lit("movie_id"), code=pl.lit("duplicate_movie_id"))
    return (
        kept.filter(first).select("movie_id", "year", "title"),
        pl.concat([failed, again]).select(*_FAULTS),
    )
