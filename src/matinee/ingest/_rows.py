"""From a block of text to accepted ratings and rejects: the compiled parser, then the pandera schema.

The parser finds what is no typed row; nullability and bounds are the schema's, and so are those codes.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors
from pandera.polars import DataFrameSchema

from matinee.ingest import _kernel as kernel
from matinee.ingest._blocks import Block, Piece

COLUMNS: Final = ("user_id", "movie_id", "rating", "date")
_ONE_AT_A_TIME = threading.Lock()  # pandera's settings of a validation are the process's in some versions


@dataclass(frozen=True)
class PieceTally:
    """What the parser made of one piece: its rows and bad lines as slices of the block's, and its lines."""

    piece: Piece
    rows: slice
    bads: slice
    lines: int
    first_movie_row: int  # of the first `8:` line, -1 where there is none
    last_movie: int


@dataclass(frozen=True)
class Typed:
    """A parsed block: typed columns of the good lines, and the bad lines with their faults."""

    block: Block
    ids: NDArray[np.int64]
    rating: NDArray[np.float32]
    date: NDArray[np.int32]
    line: NDArray[np.int32]  # within the piece, from 0
    nulls: NDArray[np.uint8]
    bad_line: NDArray[np.int32]
    bad_fault: NDArray[np.uint8]
    tallies: Sequence[PieceTally]

    def table(self) -> pa.Table:
        """The typed rows; what was empty is null."""
        null_kinds = int(np.bitwise_or.reduce(self.nulls)) if len(self.nulls) else 0
        values = (self.ids[0], self.ids[1], self.rating, self.date)
        arrays = []
        for kind, (name, column) in enumerate(zip(COLUMNS, values, strict=True)):
            mask = (self.nulls >> kind & 1).astype(bool) if null_kinds >> kind & 1 else None
            array = pa.array(column, mask=mask)
            arrays.append(array.view(pa.date32()) if name == "date" else array)
        return pa.table(arrays, names=list(COLUMNS))

    def continue_movie(self, movie: int) -> int:
        """Give the rows before the first `8:` line of a piece that goes on the movie they belong to.

        Returns the movie that holds at the block's end.
        """
        for tally in self.tallies:
            if not tally.piece.dialect.netflix:
                continue
            movie = movie if tally.piece.goes_on else kernel.NO_MOVIE
            first = tally.first_movie_row
            rows = slice(tally.rows.start, tally.rows.stop if first < 0 else first)
            if movie != kernel.NO_MOVIE:
                self.ids[kernel.MOVIE, rows] = movie
                self.nulls[rows] &= ~np.uint8(1 << kernel.MOVIE)
            movie = movie if first < 0 else tally.last_movie
        return movie


def parse_block(block: Block) -> Typed:
    """Parse a block; releases the interpreter's lock while it does."""
    text = block.text
    most = sum(kernel.count_lines(text, p.start, p.stop, p.dialect.line_end) for p in block.pieces)
    ids = np.empty((2, most), np.int64)
    rest = [np.empty(most, dtype) for dtype in (np.float32, np.int32, np.int32, np.uint8)]
    bad = (np.empty(most, np.int32), np.empty(most, np.uint8))
    row, bads = 0, 0
    tallies = []
    for piece in block.pieces:
        numbers, kinds = piece.dialect.to_kernel()
        out = (ids, *rest)
        next_row, next_bad, lines, first, movie = kernel.parse(
            text, piece.start, piece.stop, numbers, kinds, row, out, bad, bads
        )
        rows, faulty = slice(row, next_row), slice(bads, next_bad)
        tallies.append(PieceTally(piece, rows, faulty, lines, first, movie))
        row, bads = next_row, next_bad
    rating, date, line, nulls = (column[:row] for column in rest)
    return Typed(block, ids[:, :row], rating, date, line, nulls, bad[0][:bads], bad[1][:bads], tallies)


def check_rows(table: pa.Table, schema: DataFrameSchema) -> pl.DataFrame:
    """`check_frame` of a table in Arrow's form."""
    return check_frame(pl.DataFrame(pl.from_arrow(table)), schema)


def check_frame(frame: pl.DataFrame, schema: DataFrameSchema) -> pl.DataFrame:
    """The rows of a typed frame that fail its schema: `row`, `column`, `code`, one line a row, ascending.

    Of several faults of a row the first column's counts, and that it is missing before that it is out of bounds.
    """
    try:
        with _ONE_AT_A_TIME, _full_depth():
            schema.validate(frame, lazy=True)
    except SchemaErrors as failed:
        return _name_failures(failed.failure_cases, frame.columns)
    return pl.DataFrame(schema={"row": pl.Int64, "column": pl.String, "code": pl.String})


def _full_depth() -> Any:
    return config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_AND_DATA)


def _name_failures(cases: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    order = {name: place for place, name in enumerate(columns)}
    missing = pl.col("check") == "not_nullable"
    return (
        cases.select(
            row=pl.col("index").cast(pl.Int64),
            column=pl.col("column"),
            code=pl.format(
                "{}_{}", "column", pl.when(missing).then(pl.lit("missing")).otherwise(pl.lit("out_of_bounds"))
            ),
            rank=pl.col("column").replace_strict(order, return_dtype=pl.Int8) * 2 + (~missing).cast(pl.Int8),
        )
        .sort("row", "rank")
        .unique("row", keep="first", maintain_order=True)
        .select("row", "column", "code")
    )
