"""The origin of each accepted row, as runs of consecutive lines of a file; and the table of rejects.

A file without a fault has one run per block, so the origins of 100 million rows take a few kilobytes.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.parser import ParsedBlock, ParsedPiece
from matinee.schemas.columns import arrow_fields
from matinee.schemas.rejects import Rejects

_ROWS_WITHIN: Final = r'(?:\r"?\d[^\r\n]*){3}'  # of a line
_REJECTS_AT_ONCE: Final = 1 << 18  # Python strings take much memory
# The raw lines of a block may have more bytes than the offsets of `string` can count.
REJECTS_SCHEMA: Final = pa.schema(
    [field.with_type(pa.large_string()) if field.name == "raw" else field for field in arrow_fields(Rejects)]
)
ORIGIN_FIELDS: Final = (REJECTS_SCHEMA.field("file"), REJECTS_SCHEMA.field("line"))
ORIGINS_SCHEMA: Final = pa.schema([pa.field("row", pa.int64()), *ORIGIN_FIELDS])


class LineCounter:
    """Numbers the lines of files whose spans come block by block."""

    def __init__(self) -> None:
        self._lines = 0

    def first_lines(self, pieces: Sequence[ParsedPiece]) -> list[int]:
        """The line number, from 1, of the first line of each span."""
        firsts = []
        for piece in pieces:
            if not piece.span.continues:
                self._lines = piece.span.dialect.skip_lines
            firsts.append(self._lines + 1)
            self._lines += piece.lines
        return firsts


def origin_runs(
    parsed: ParsedBlock, good: NDArray[np.bool_] | None, firsts: Sequence[int], row: int
) -> pa.Table:
    """Runs of accepted rows of a block, the first of which is row `row` of the partition.

    `good` marks the accepted rows; None means all.
    """
    rows, files, lines = [], [], []
    for piece, first in zip(parsed.pieces, firsts, strict=True):
        there = parsed.line[piece.rows]
        if good is not None:
            there = there[good[piece.rows]]
        if len(there):
            starts = np.concatenate([[0], np.flatnonzero(np.diff(there) != 1) + 1])
            rows.append(row + starts)
            lines.append(first + there[starts].astype(np.int64))
            files += [piece.span.file] * len(starts)
            row += len(there)
    empty = [np.empty(0, np.int64)]
    return pa.table(
        [np.concatenate(rows or empty), pa.array(files, pa.string()), np.concatenate(lines or empty)],
        schema=ORIGINS_SCHEMA,
    )


def reject_rows(parsed: ParsedBlock, failures: pl.DataFrame, firsts: Sequence[int]) -> pa.Table:
    """The rejects of a block, in file order: lines that are not rows, and rows that failed the schema."""
    tables = [REJECTS_SCHEMA.empty_table()]
    failed = failures["row"].to_numpy()
    for piece, first in zip(parsed.pieces, firsts, strict=True):
        begin, end = np.searchsorted(failed, [piece.rows.start, piece.rows.stop])
        if begin < end or piece.bads.start < piece.bads.stop:
            tables += _piece_rejects(parsed, piece, failures[int(begin) : int(end)], first)
    rejects = pa.concat_tables(tables)
    _refuse_mixed_ends(rejects)
    return rejects


def _refuse_mixed_ends(rejects: pa.Table) -> None:
    """Raise DataError if a rejected line holds several rows that end with CR: they would be lost as one reject."""
    wide = rejects.filter(pc.equal(rejects["code"], "too_many_columns"))
    found = wide.filter(pc.match_substring_regex(wide["raw"], _ROWS_WITHIN))
    if found.num_rows:
        file, line = found["file"][0].as_py(), found["line"][0].as_py()
        raise DataError(
            f"{shown(file)}, line {line:,}: carriage returns (CR) end some lines, and line feeds (LF) others. "
            "Expected one of them: write all lines with LF."
        )


def _piece_rejects(
    parsed: ParsedBlock, piece: ParsedPiece, failures: pl.DataFrame, first: int
) -> Iterator[pa.Table]:
    faults = parsed.bad_fault[piece.bads]
    lines = np.concatenate([parsed.bad_line[piece.bads], parsed.line[failures["row"].to_numpy()]])
    order = np.argsort(lines)
    for begin in range(0, len(order), _REJECTS_AT_ONCE):
        some = order[begin : begin + _REJECTS_AT_ONCE]
        failed = failures[some[some >= len(faults)] - len(faults)].select("code", "column").iter_rows()
        reasons = [kernel.FAULTS[faults[k]] if k < len(faults) else next(failed) for k in some.tolist()]
        yield pa.table(
            [
                pa.array([piece.span.file] * len(some), pa.string()),
                first + lines[some].astype(np.int64),
                pa.array(_raw_lines(parsed, piece, lines[some]), pa.large_string()),
                pa.array([column for _, column in reasons], pa.string()),
                pa.array([code for code, _ in reasons], pa.string()),
            ],
            schema=REJECTS_SCHEMA,
        )


def _raw_lines(parsed: ParsedBlock, piece: ParsedPiece, lines: NDArray[np.int32]) -> list[str]:
    """The texts of some lines of a span, without their line ends."""
    span = piece.span
    ends = (span.start, span.stop, span.dialect.line_end)
    starts = np.empty(len(lines), np.int64)
    stops = np.empty(len(lines), np.int64)
    kernel.find_lines(parsed.block.text, *ends, lines, starts)
    kernel.find_lines(parsed.block.text, *ends, lines + 1, stops)
    text = parsed.block.text
    return [
        decode_line(text[start : stop - 1].tobytes().removesuffix(b"\r"))
        for start, stop in zip(starts, stops, strict=True)
    ]


class Origins:
    """The stored runs of one partition; finds the origin of a row."""

    def __init__(self, folder: Path) -> None:
        runs = pl.read_parquet(folder / "origins.parquet")
        self._rows = runs["row"].to_numpy()
        self._lines = runs["line"].to_numpy()
        self._files = runs["file"]

    def find(self, rows: NDArray[np.int64]) -> tuple[pl.Series, NDArray[np.int64]]:
        """The file and the line of each of some accepted rows."""
        runs = np.searchsorted(self._rows, rows, side="right") - 1
        return self._files.gather(runs), self._lines[runs] + rows - self._rows[runs]
