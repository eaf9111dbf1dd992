"""Reads the titles table: one movie per line, its title unchanged, whatever the file's encoding.

Faulty lines become rejects, as in rating files.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import polars as pl

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.checks.schema import check_frame, validated
from matinee.ingest.partitions.id_texts import NO_TEXTS, merge_texts
from matinee.ingest.reading.members import open_members, translate_parser_errors
from matinee.ingest.reading.sources import Source
from matinee.ingest.reading.unnamed_columns import refuse_float_ids
from matinee.ingest.titles.fields import is_canonical_id, read_movie_id, read_year
from matinee.ingest.titles.joined_lines import first_open, split_lines
from matinee.ingest.titles.layout import Layout, recognize_titles
from matinee.ingest.titles.lines import LineReader
from matinee.schemas.columns import polars_columns
from matinee.schemas.names import Kind
from matinee.schemas.rejects import Rejects
from matinee.schemas.text_ids import LONGEST, bare_id, number_of
from matinee.schemas.titles import FIRST_YEAR, LAST_YEAR, Titles
from matinee.settings.ingest import IngestSettings
from matinee.store.file_kinds import refuse_other_kinds

_INT16: Final = 2**15 - 1  # a larger year is out of bounds whatever it is
_SAMPLED: Final = 500  # lines that show how ids are written
_NO_TITLES: Final = ("nan", "null", "none", "\\n", "<na>", "n/a", "#n/a", "undefined")
# Letters of UTF-8 that were read as Windows-1252: the first byte, and one of the second ones.
_TWICE_ENCODED: Final = "[\u00c2\u00c3][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0192\u2018-\u2022\u20ac\u2122]"
_LINE_BYTES: Final = 64  # of a line in memory, in addition to its text
_DEFAULTS: Final = IngestSettings()


class ReadTitles(NamedTuple):
    """The tables of a titles file, of the schemas Titles and Rejects."""

    titles: pl.DataFrame
    rejects: pl.DataFrame
    warnings: list[str]
    kind: Kind = "integer"
    texts: pl.DataFrame = NO_TEXTS  # of text ids, of which `titles` has the numbers


def no_titles() -> ReadTitles:
    """The tables of a dataset without titles. Not a constant: an import must not start the threads of polars."""
    return ReadTitles(Titles.empty(), Rejects.empty(), [])


def read_titles(source: Source, settings: IngestSettings = _DEFAULTS, kind: Kind | None = None) -> ReadTitles:
    """Read a titles file, in batches of lines.

    Args:
        source: The titles file, or an archive with it.
        settings: Limits on its size, its encoding and the names of its columns.
        kind: The kind of its ids; None for what the first lines have.

    Returns:
        The titles, the rejects, and sentences about what may be wrong.

    Raises:
        DataError: The file holds no titles, or more than the settings allow.

    """
    longest = settings.max_line_mb << 20
    table = _Table(source, settings, kind)
    for member in open_members(source, settings):
        label = source.label(member.name)
        reader = LineReader(member, longest=longest, label=label)
        try:
            _check_text(member.head, label)
            with translate_parser_errors(label):
                table.add_text(reader)
        except _NotTitlesError as error:
            if not member.in_archive:
                raise DataError(str(error)) from None
            table.left_out.append(str(error))
    source.check_unchanged()
    return table.finish()


def _check_text(head: bytes, label: str) -> None:
    try:
        refuse_other_kinds(head, label, expected="movie ids and titles")
    except DataError as error:
        raise _NotTitlesError(str(error)) from None


class _NotTitlesError(DataError):
    """A text is something else."""


class _Table:
    """Collects titles and rejects, and drops the rest of the text."""

    def __init__(self, source: Source, settings: IngestSettings, kind: Kind | None) -> None:
        self._kind = kind
        self._texts_of_ids = [NO_TEXTS]
        self._source = source
        self._settings = settings
        self._most_bytes = settings.max_titles_mb << 20
        self._bytes = 0
        self._ids: set[int] = set()
        self._titles: list[pl.DataFrame] = [Titles.empty()]
        self._rejects = [pl.DataFrame(schema=_FAULTS)]
        self._odd_years = 0
        self._warnings: list[str] = []
        self._texts = 0
        self.left_out: list[str] = []

    def add_text(self, reader: LineReader) -> None:
        """Add the lines of a text. Raises _NotTitlesError if it is something else."""
        layout, skip = None, 0
        held: list[tuple[int, str]] = []  # the begin of a title that goes on in the next batch
        for batch in reader.batches():
            lines = held + batch
            if layout is None:
                columns = {str(column): name for column, name in self._settings.title_columns.items()}
                try:
                    layout = recognize_titles(
                        [text for _, text in lines], label=reader.label, columns=columns
                    )
                except DataError as error:
                    raise _NotTitlesError(str(error)) from None
                skip = layout.skip
                refuse_float_ids(_ids_of(lines[skip : skip + _SAMPLED], layout), reader.label)
            stop = first_open(lines, layout, start=skip)
            held = lines[stop:]
            self._add(lines[skip:stop], layout)
            skip = 0
        if layout is not None and held:
            self._add(held, layout)
        self._texts += layout is not None
        self._warnings += reader.warnings()

    def _add(self, lines: Sequence[tuple[int, str]], layout: Layout) -> None:
        if self._kind is None:
            self._kind = _kind_of_ids(lines, layout, self._settings)
        read = _read_rows(lines, layout, self._kind, self._source.label())
        self._texts_of_ids.append(read.texts)
        titles, failed = _check_titles(read.rows, self._ids)
        self._ids.update(titles["movie_id"])
        self._titles.append(titles)
        self._odd_years += read.odd_years
        self._rejects.append(pl.concat([read.rejects, failed]).sort("line"))
        kept = (titles["title"], self._rejects[-1]["raw"])
        self._bytes += sum(int(text.str.len_bytes().sum()) for text in kept) + _LINE_BYTES * len(lines)
        if self._bytes > self._most_bytes:
            raise DataError(
                f"{self._source.label()}: up to line {lines[-1][0]:,} its titles take more than "
                f"{self._most_bytes >> 20:,} MB (ingest.max_titles_mb). Expected a few thousand movies: check that "
                "it is the right file, or allow more with that setting."
            )

    def finish(self) -> ReadTitles:
        """The two tables.

        Raises DataError if there is no title.
        """
        label = self._source.label()
        if not self._texts:
            if self.left_out:
                raise DataError(f"{label} contains no titles file. {' '.join(self.left_out[:3])}")
            raise DataError(f"{label} contains only blank lines. Expected movie ids and titles.")
        titles = pl.concat(self._titles)
        rejected = pl.concat(self._rejects).select(pl.lit(self._source.name).alias("file"), pl.all())
        if titles.is_empty():
            example = rejected.row(0, named=True) if rejected.height else None
            reason = (
                f" (line {example['line']}: {example['code']}, {example['raw'][:80]!r})" if example else ""
            )
            expected = "Expected lines such as 1,2003,Dinosaur Planet."
            if example and example["code"] == "movie_id_not_integer":
                expected = (
                    "The movie ids of the ratings or of the store are integers. Give titles with the same ids, or "
                    "another --store for ratings and titles with text ids."
                )
            raise DataError(f"{label} contains no readable title{reason}. {expected}")
        return ReadTitles(
            validated(titles, Titles),
            validated(rejected, Rejects),
            list(self._find_warnings(titles["title"])),
            self._kind or "integer",
            merge_texts(self._texts_of_ids),
        )

    def _find_warnings(self, titles: pl.Series) -> Iterator[str]:
        yield from self._warnings
        empty = int(titles.str.to_lowercase().is_in(_NO_TITLES).sum())
        if empty > 1:
            yield f"{empty:,} titles are words for an empty field, such as nan or NULL. If so, empty them."
        twice = titles.filter(titles.str.contains(_TWICE_ENCODED))
        if len(twice) > 1:
            yield (
                f"{len(twice):,} titles, such as '{shown(twice[0], 40)}', have UTF-8 that was read in another encoding "
                "before the file was written. Write the file again from its source."
            )
        if self._odd_years:
            yield (
                f"{self._odd_years:,} titles have a year before {FIRST_YEAR} or after {LAST_YEAR}. Their year was left "
                "out."
            )


_TITLES: Final = polars_columns(Titles)
_FAULTS: Final = {name: kind for name, kind in polars_columns(Rejects).items() if name != "file"}
_ROWS: Final = {name: _FAULTS[name] for name in ("line", "raw")} | _TITLES


@dataclass(frozen=True)
class _Read:
    rows: pl.DataFrame
    rejects: pl.DataFrame
    texts: pl.DataFrame
    odd_years: int


def _kind_of_ids(lines: Sequence[tuple[int, str]], layout: Layout, settings: IngestSettings) -> Kind:
    ids = _ids_of(lines, layout)
    odd = sum(not is_canonical_id(text) for text in ids if text)
    return "integer" if odd <= settings.max_reject_fraction * len(ids) else "text"


def _ids_of(lines: Sequence[tuple[int, str]], layout: Layout) -> list[str]:
    return [
        fields[layout.movie_id].strip()
        for _, _, fields in split_lines(lines, layout)
        if not isinstance(fields, str)
    ]


def _read_rows(lines: Sequence[tuple[int, str]], layout: Layout, kind: Kind, label: str) -> _Read:
    texts: dict[str, int] = {}
    rows: list[tuple[Any, ...]] = []
    rejects: list[tuple[Any, ...]] = []
    odd_years = 0
    for number, line, fields in split_lines(lines, layout):
        if isinstance(fields, str):
            rejects.append((number, line, None, fields))
            continue
        if layout.is_header_again(fields, label, line=number):
            continue
        id_text = fields[layout.movie_id].strip()
        movie_id = read_movie_id(id_text)
        if kind == "text":
            id_text = bare_id(id_text)
            movie_id = texts.setdefault(id_text, number_of(id_text)) if id_text else None
        year, is_read = read_year(layout.year_text(fields))
        if kind == "text" and len(id_text.encode()) > LONGEST:
            rejects.append((number, line, "movie_id", "movie_id_too_long"))
        elif id_text and movie_id is None:
            rejects.append((number, line, "movie_id", "movie_id_not_integer"))
        elif not is_read:
            rejects.append((number, line, "year", "year_not_integer"))
        else:
            if year is not None and not FIRST_YEAR <= year <= LAST_YEAR:
                # In the format of Netflix such a line is damaged; books may be older than the first movie.
                is_told = layout.has_header and layout.year is not None
                odd_years += is_told
                year = None if is_told or layout.year is None else max(-_INT16, min(year, _INT16))
            rows.append((number, line, movie_id, year, fields[layout.title] or None))
    return _Read(
        pl.DataFrame(rows, _ROWS, orient="row"),
        pl.DataFrame(rejects, _FAULTS, orient="row"),
        pl.DataFrame({"id": list(texts.values()), "text": list(texts)}, NO_TEXTS.schema),
        odd_years,
    )


def _check_titles(rows: pl.DataFrame, known: Container[int]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows that pass the schema, only the first one of each movie; and the other rows with their codes.

    Movies in `known` are in an earlier line.
    """
    schema = Titles.to_schema()
    schema = schema.update_column("movie_id", unique=False)
    failures = check_frame(rows.select(*_TITLES), schema)
    numbered = rows.with_row_index("row").cast({"row": pl.Int64})
    failed = numbered.join(failures, on="row")
    kept = numbered.join(failures, on="row", how="anti", maintain_order="left")
    fresh = pl.Series([movie not in known for movie in kept["movie_id"]], dtype=pl.Boolean)
    first = kept["movie_id"].is_first_distinct() & fresh
    again = kept.filter(~first).with_columns(column=pl.lit("movie_id"), code=pl.lit("duplicate_movie_id"))
    return (
        kept.filter(first).select(*_TITLES),
        pl.concat([failed, again]).select(*_FAULTS),
    )
