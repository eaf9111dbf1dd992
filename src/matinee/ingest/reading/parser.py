"""Parses a block of text into typed columns, and lists the lines that are not rows.

Nullability and bounds are not checked here but by the schema (`matinee.ingest.checks.schema`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.blocks import Block, Span

COLUMNS: Final = ("user_id", "movie_id", "rating", "date")


@dataclass(frozen=True)
class ParsedPiece:
    """The parsed rows of one span and its bad lines, as slices of the block's, and its number of lines."""

    span: Span
    rows: slice
    bads: slice
    lines: int
    first_movie_row: int  # the row of the first `8:` line, -1 if there is none
    last_movie: int


@dataclass(frozen=True)
class ParsedBlock:
    """A parsed block: typed columns of the good lines, and the bad lines with their faults."""

    block: Block
    ids: NDArray[np.int64]
    rating: NDArray[np.float32]
    date: NDArray[np.int32]
    line: NDArray[np.int32]  # within the span, from 0
    nulls: NDArray[np.uint8]
    bad_line: NDArray[np.int32]
    bad_fault: NDArray[np.uint8]
    pieces: Sequence[ParsedPiece]

    def table(self) -> pa.Table:
        """The typed rows; empty fields are null."""
        null_kinds = int(np.bitwise_or.reduce(self.nulls)) if len(self.nulls) else 0
        values = (self.ids[0], self.ids[1], self.rating, self.date)
        arrays = []
        for kind, (name, column) in enumerate(zip(COLUMNS, values, strict=True)):
            mask = (self.nulls >> kind & 1).astype(bool) if null_kinds >> kind & 1 else None
            array = pa.array(column, mask=mask)
            arrays.append(array.view(pa.date32()) if name == "date" else array)
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


def parse_block(block: Block) -> ParsedBlock:
    """Parse a block; the interpreter lock is released meanwhile."""
    text = block.text
    most = sum(kernel.count_lines(text, span.start, span.stop, span.dialect.line_end) for span in block.spans)
    ids = np.empty((2, most), np.int64)
    rest = [np.empty(most, dtype) for dtype in (np.float32, np.int32, np.int32, np.uint8)]
    bad = (np.empty(most, np.int32), np.empty(most, np.uint8))
    row, bads = 0, 0
    pieces = []
    for span in block.spans:
        numbers, kinds = span.dialect.to_kernel()
        out = (ids, *rest)
        next_row, next_bad, lines, first, movie = kernel.parse(
            text, span.start, span.stop, numbers, kinds, row, out, bad, bads
        )
        rows, faulty = slice(row, next_row), slice(bads, next_bad)
        if span.dialect.plays:
            rest[0][rows] = 1
        pieces.append(ParsedPiece(span, rows, faulty, lines, first, movie))
        row, bads = next_row, next_bad
    rating, date, line, nulls = (column[:row] for column in rest)
    return ParsedBlock(block, ids[:, :row], rating, date, line, nulls, bad[0][:bads], bad[1][:bads], pieces)
