"""Parses a block of text into typed columns, and lists the lines that are not rows.

Nullability and bounds are not checked here but by the schema (`matinee.ingest.checks.schema`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.blocks import Block, Span, read_only
from matinee.ingest.reading.inner_headers import find_headers, find_headers_of_texts
from matinee.ingest.reading.text_table import NumberedTexts, TextTable, code_rows
from matinee.schemas.columns import arrow_fields
from matinee.schemas.ratings import Ratings

_DATE, _LINE = 1, 2  # places in `_Parsing._rest`
_FIELDS: Final = tuple(arrow_fields(Ratings))
COLUMNS: Final = tuple(field.name for field in _FIELDS)


@dataclass(frozen=True)
class ParsedPiece:
    """The parsed rows of one span and its bad lines, as slices of the block's, and its number of lines."""

    span: Span
    rows: slice
    bads: slice
    lines: int
    first_movie_row: int  # the row of the first `8:` line, -1 if there is none
    last_movie: int
    seen: NDArray[np.int64]  # counts by `kernel.FIRST_IS_DAY`, ...


@dataclass(frozen=True)
class ParsedBlock:
    """A parsed block: typed columns of the good lines, and the bad lines with their faults."""

    block: Block
    ids: NDArray[np.int64]
    rating: NDArray[np.float32]
    date: NDArray[np.int32]
    line: NDArray[np.int32]  # within the span, from 0
    nulls: NDArray[np.uint8]
    clock: NDArray[np.int32]  # milliseconds of the day, 0 without a time
    bad_line: NDArray[np.int32]
    bad_fault: NDArray[np.uint8]
    pieces: Sequence[ParsedPiece]
    texts: Mapping[int, TextTable]  # by the side: of text ids, `ids` holds codes until `number_texts`
    open_at: int | None = None  # where a row starts that may go on in the next block

    def table(self) -> pa.Table:
        """The typed rows; empty fields are null."""
        null_kinds = int(np.bitwise_or.reduce(self.nulls)) if len(self.nulls) else 0
        values = (self.ids[0], self.ids[1], self.rating, self.date)
        arrays = []
        for kind, (field, column) in enumerate(zip(_FIELDS, values, strict=True)):
            mask = (self.nulls >> kind & 1).astype(bool) if null_kinds >> kind & 1 else None
            arrays.append(pa.array(column, mask=mask).view(field.type))
        return pa.table(arrays, names=list(COLUMNS))

    def continue_movie(self, movie: int) -> int:
        """Set the movie of rows before the first `8:` line of a span that continues from the previous block.

        Returns the movie that is current at the block's end.
        """
        for piece in self.pieces:
            if not piece.span.dialect.netflix:
                continue
            movie = movie if piece.span.continues else kernel.NO_MOVIE
            first = piece.first_movie_row
            rows = slice(piece.rows.start, piece.rows.stop if first < 0 else first)
            if movie != kernel.NO_MOVIE:
                self.ids[kernel.MOVIE, rows] = movie
                self.nulls[rows] &= ~np.uint8(1 << kernel.MOVIE)
            movie = movie if first < 0 else piece.last_movie
        return movie

    def number_texts(self, known: Mapping[int, NumberedTexts]) -> None:
        """Replace the codes of text ids by numbers, as the texts of a partition have them."""
        for side, table in self.texts.items():
            numbers = known[side].numbers(table)
            if side == kernel.USER or not any(piece.span.dialect.netflix for piece in self.pieces):
                self.ids[side] = numbers[self.ids[side]] if len(numbers) else 0
                continue
            for piece in self.pieces:
                ids = self.ids[side, piece.rows]
                if piece.span.dialect.netflix:  # its movies are numbers
                    distinct, places = np.unique(ids, return_inverse=True)
                    texts = [str(movie).encode() for movie in distinct.tolist()]
                    self.ids[side, piece.rows] = known[side].number_each(texts)[places]
                elif len(ids):
                    self.ids[side, piece.rows] = numbers[ids]


def parse_block(block: Block, *, ends: bool = False) -> ParsedBlock:
    """Parse a block; the interpreter lock is released meanwhile.

    Args:
        block: The block.
        ends: Whether its last file ends with it, so that a quoted field that is open stays open.
    """
    parsing = _Parsing(block)
    for span in block.spans:
        parsing.parse(span, ends=ends or span is not block.spans[-1])
    return parsing.result()


class _Parsing:
    """The columns of a block while its spans are parsed."""

    def __init__(self, block: Block) -> None:
        text = block.text
        most = sum(
            kernel.count_lines(text, span.start, span.stop, span.dialect.line_end) for span in block.spans
        )
        self._block = block
        self._ids = np.empty((2, most), np.int64)
        dtypes = (np.float32, np.int32, np.int32, np.uint8)
        self._rest: list[NDArray[Any]] = [np.empty(most, dtype) for dtype in dtypes]
        self._clock = np.empty(most, np.int32)
        self._bad = (np.empty(most, np.int32), np.empty(most, np.uint8))
        self._row, self._bads = 0, 0
        self._pieces: list[ParsedPiece] = []
        sides = {side for span in block.spans for side in span.dialect.text_sides}
        self._texts = {side: TextTable() for side in sorted(sides)}
        self._open_at: int | None = None

    def parse(self, span: Span, *, ends: bool) -> None:
        """Parse a span; below a header within it that names other columns, another piece begins."""
        for header in find_headers_of_texts(self._block.text, span):
            above = replace(span, stop=header.start)
            piece, _ = self._run(above, ends=True)
            self._keep(replace(piece, lines=piece.lines + 1), [])
            span = replace(span, dialect=header.dialect, start=header.stop, continues=True)
        while True:
            piece, open_at = self._run(span, ends=ends)
            bad_lines = self._bad[0][piece.bads]
            headers = find_headers(self._block.text, span, bad_lines, self._bad[1][piece.bads])
            change = next((header for header in headers if header.dialect != span.dialect), None)
            if change is None:
                self._keep(piece, [header.line for header in headers])
                self._open_at = None if open_at < 0 else open_at
                return
            above = replace(span, stop=change.start)
            piece, _ = self._run(above, ends=True)
            same = [header.line for header in headers if header.line < change.line]
            self._keep(replace(piece, lines=piece.lines + 1), same)
            span = replace(span, dialect=change.dialect, start=change.stop, continues=True)

    def _run(self, span: Span, *, ends: bool) -> tuple[ParsedPiece, int]:
        numbers, kinds = span.dialect.to_kernel()
        text, start, stop = self._block.text, span.start, span.stop
        way = span.dialect.rewritten
        if way != kernel.AS_THEY_ARE:
            rewritten = np.empty(stop - start, np.uint8)
            start, stop = 0, kernel.rewrite(text, start, stop, numbers, way, rewritten)
            text, ends = read_only(rewritten), True
        seen = np.zeros(kernel.COUNTED, np.int64)
        out = (self._ids, *self._rest, self._clock)
        row, bads, lines, first, movie, open_at = kernel.parse(
            text, start, stop, numbers, kinds, self._row, out, self._bad, self._bads, seen, ends
        )
        faulty = self._read_dates(text, slice(self._row, row), span.dialect.dates, seen)
        if faulty is not None:
            first = first if first < 0 else first - int(faulty[: first - self._row].sum())
            row, bads = self._move_to_bad(faulty, row, bads)
        rows, faulty_lines = slice(self._row, row), slice(self._bads, bads)
        for side in span.dialect.text_sides:
            if kernel.TEXT + side in kinds:
                self._ids[side, rows] = code_rows(self._texts[side], text, self._ids[side, rows])
        if span.dialect.plays:
            self._rest[0][rows] = 1
        return ParsedPiece(span, rows, faulty_lines, lines, first, movie, seen), open_at

    def _read_dates(
        self, text: NDArray[np.uint8], rows: slice, form: int, seen: NDArray[np.int64]
    ) -> NDArray[np.bool_] | None:
        """Read the dates that the parser left; which rows have a damaged one, None if there are none."""
        if not (self._clock[rows] < 0).any():
            return None
        faulty = np.zeros(rows.stop - rows.start, np.bool_)
        dates = self._rest[_DATE]
        found = kernel.read_dates(text, form, rows.start, rows.stop, dates, self._clock, faulty, seen)
        return faulty if found else None

    def _move_to_bad(self, faulty: NDArray[np.bool_], row: int, bads: int) -> tuple[int, int]:
        """Move rows with damaged dates to the bad lines, in order; where the rows and the bad lines end then."""
        bad_line, bad_fault = self._bad
        moved = int(faulty.sum())
        added, every = slice(bads, bads + moved), slice(self._bads, bads + moved)
        bad_line[added] = self._rest[_LINE][self._row : row][faulty]
        bad_fault[added] = kernel.FIELD + kernel.DATE
        order = np.argsort(bad_line[every], kind="stable")
        bad_line[every], bad_fault[every] = bad_line[every][order], bad_fault[every][order]
        for column in (*self._ids, *self._rest, self._clock):
            column[self._row : row - moved] = column[self._row : row][~faulty]
        return row - moved, bads + moved

    def _keep(self, piece: ParsedPiece, headers: Sequence[int]) -> None:
        """Add a piece, without the bad lines that are headers."""
        lines, faults = (column[piece.bads] for column in self._bad)
        if headers:
            kept = ~np.isin(lines, headers)
            count = int(kept.sum())
            lines[:count], faults[:count] = lines[kept], faults[kept]
            piece = replace(piece, bads=slice(piece.bads.start, piece.bads.start + count))
        self._pieces.append(piece)
        self._row, self._bads = piece.rows.stop, piece.bads.stop

    def result(self) -> ParsedBlock:
        """The parsed block."""
        rating, date, line, nulls = (column[: self._row] for column in self._rest)
        bad_line, bad_fault = (column[: self._bads] for column in self._bad)
        return ParsedBlock(
            self._block,
            self._ids[:, : self._row],
            rating,
            date,
            line,
            nulls,
            self._clock[: self._row],
            bad_line,
            bad_fault,
            self._pieces,
            self._texts,
            self._open_at,
        )
