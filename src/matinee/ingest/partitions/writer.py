"""Writes a partition: the validated rows of one source file, or of many small ones.

Blocks are parsed two at a time and written in order. A file that was parsed before is not parsed again.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pandera.polars import DataFrameSchema

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.formats.base import Number
from matinee.formats.manifests import PartitionManifest
from matinee.ingest.checks.schema import check_rows
from matinee.ingest.partitions.erasure import blank_text, forget_rows
from matinee.ingest.partitions.file_tally import FileTally, open_order
from matinee.ingest.partitions.id_counts import IdCounts, to_ids
from matinee.ingest.partitions.id_texts import TEXTS, write_texts
from matinee.ingest.partitions.origins import (
    ORIGINS_SCHEMA,
    REJECTS_SCHEMA,
    LineCounter,
    origin_runs,
    reject_rows,
)
from matinee.ingest.partitions.times_of_day import TimeWriter
from matinee.ingest.rating_counts import (
    RatingCounts,
    add_counts,
    count_ratings,
    count_values,
    sum_ratings,
    to_json,
)
from matinee.ingest.rating_scale import bounds_of, step_of
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.blocks import read_blocks
from matinee.ingest.reading.columns import KINDS
from matinee.ingest.reading.members import translate_parser_errors
from matinee.ingest.reading.parallel_parsing import parse_in_order
from matinee.ingest.reading.parser import ParsedBlock
from matinee.ingest.reading.sources import Source
from matinee.ingest.reading.text_table import NumberedTexts
from matinee.schemas.columns import arrow_fields
from matinee.schemas.names import SIDES, Column, Kind, Side
from matinee.schemas.ratings import Ratings, ratings_schema
from matinee.settings.ingest import DateOrder, IngestSettings
from matinee.store import Plan
from matinee.store.digests import code_digest, digest_of
from matinee.store.erased_users import NOBODY, Forgotten

_INTEGERS: Final[Mapping[Side, Kind]] = dict.fromkeys(SIDES, "integer")
_REJECT_BYTES: Final = 64  # of a rejected row, in addition to its text
_LONGEST_EXAMPLE: Final = 80
# Columns with a table of row counts by value, so that a profile need not read the rows.
COUNTED: Final[tuple[Column, ...]] = (*SIDES, "date")
_RATINGS: Final = pa.schema(
    [field.with_nullable(Ratings.to_schema().columns[field.name].nullable) for field in arrow_fields(Ratings)]
)
# Ids and dates as differences in few bits: half the size of a dictionary, and faster to write.
_ENCODING: Final = dict.fromkeys(COUNTED, "DELTA_BINARY_PACKED")
_DICTIONARY_BYTES: Final = 1 << 23  # numbers of text ids have no pattern but that they repeat


def plan_partition(
    sources: Sequence[Source],
    *,
    settings: IngestSettings,
    scale: str,
    forgotten: Forgotten = NOBODY,
) -> Plan:
    """Plan the partition of some files on one scale: ratings, rejects, origins, and row counts by user, movie and day.

    Rows of erased users become rejects without their text. Making the plan raises DataError if a file is not a rating
    file, is corrupt, or changes meanwhile.
    """
    digest = digest_of(
        code=code_digest(__name__),
        files=[source.identity for source in sources],
        columns=settings.columns,
        dates=settings.dates,
        delimiter=settings.delimiter,
        encoding=settings.encoding,
        unreadable=settings.unreadable,
        scale=scale,
        forgotten=forgotten.digest,
        **({"ids": settings.ids} if "text" in settings.ids else {}),
    )
    return Plan("partitions", digest, lambda folder: _make(folder, sources, settings, scale, forgotten))


def _make(
    folder: Path,
    sources: Sequence[Source],
    settings: IngestSettings,
    scale: str,
    forgotten: Forgotten,
) -> PartitionManifest:
    low, high = bounds_of(scale)
    left_out: list[str] = []
    named = sources[0].label() if len(sources) == 1 else f"One of {len(sources):,} files"
    schema = ratings_schema(low=low, high=high, step=step_of(scale))
    most = settings.max_rejects_mb << 20
    with (
        translate_parser_errors(named, writes=True),
        PartitionWriter(
            folder,
            schema,
            forgotten,
            most_reject_bytes=most,
            kinds=settings.id_kinds,
            several=len(sources) > 1,
        ) as writer,
    ):
        for parsed in parse_in_order(read_blocks(sources, settings, left_out=left_out)):
            writer.write(parsed)
        order = writer.date_order()
    if order == "day_first":  # the month was assumed to come first
        settings = settings.model_copy(update={"dates": order})
        return _make(folder, sources, settings, scale, forgotten)
    writer.write_counts()
    return writer.manifest(scale=[low, high], left_out=left_out)


class PartitionWriter:
    """Writes parsed blocks to the tables of a partition and counts what was read.

    A separate thread writes and counts the ratings while the next block is checked.
    """

    def __init__(
        self,
        folder: Path,
        schema: DataFrameSchema,
        forgotten: Forgotten = NOBODY,
        *,
        most_reject_bytes: int = sys.maxsize,
        kinds: Mapping[Side, Kind] = _INTEGERS,
        several: bool = False,
    ) -> None:
        self._folder = folder
        self._several = several
        self._kinds = kinds
        self._texts = {KINDS[name]: NumberedTexts() for name, kind in kinds.items() if kind == "text"}
        self._most_reject_bytes = most_reject_bytes
        self._reject_bytes = 0
        self._schema = schema
        self._forgotten = forgotten
        self._lines = LineCounter()
        self._movie = kernel.NO_MOVIE
        self._files: dict[str, FileTally] = {}
        self._left_out: dict[str, list[str]] = {}
        self._clocks = TimeWriter(folder)
        self._codes: Counter[str] = Counter()
        self._values_read: RatingCounts = Counter()
        self._values: RatingCounts = Counter()
        self._rating_sum = 0.0
        self._behind: Future[None] | None = None
        self.rows = 0
        self.counts = {name: IdCounts() for name in COUNTED}

    def __enter__(self) -> "PartitionWriter":
        text_sides = [name for name, kind in self._kinds.items() if kind == "text"]
        with ExitStack() as stack:
            self._ratings = stack.enter_context(
                pq.ParquetWriter(
                    self._folder / "ratings.parquet",
                    _RATINGS,
                    use_dictionary=["rating", *text_sides],
                    column_encoding={name: way for name, way in _ENCODING.items() if name not in text_sides},
                    dictionary_pagesize_limit=_DICTIONARY_BYTES if text_sides else None,
                )
            )
            self._rejects, self._origins = (
                stack.enter_context(pq.ParquetWriter(self._folder / f"{name}.parquet", schema))
                for name, schema in (("rejects", REJECTS_SCHEMA), ("origins", ORIGINS_SCHEMA))
            )
            self._thread = stack.enter_context(ThreadPoolExecutor(1))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *failure: Any) -> None:
        with self._open:
            self._wait_for_ratings()
            self._clocks.close()

    def _wait_for_ratings(self) -> None:
        """Wait until the ratings so far are written; raises any error of the writing thread."""
        if self._behind is not None:
            self._behind.result()
            self._behind = None

    def write(self, parsed: ParsedBlock) -> None:
        """Write one block's accepted rows, rejects and origins; blocks come in the order of the files."""
        self._movie = parsed.continue_movie(self._movie)
        parsed.number_texts(self._texts)
        table = parsed.table()
        failures = check_rows(table, self._schema)
        if self._forgotten:
            failures = forget_rows(failures, parsed, self._forgotten)
        good, read = None, None
        if failures.height:
            read = count_ratings(table["rating"])
            good = np.ones(table.num_rows, bool)
            good[failures["row"].to_numpy()] = False
            table = table.filter(pa.array(good))
        firsts = self._lines.first_lines(parsed.pieces)
        rejects = reject_rows(parsed, failures, firsts)
        if self._forgotten:
            rejects = blank_text(rejects, self._forgotten)
        self._count_files(parsed, rejects, good)
        if rejects.num_rows:
            self._check_reject_bytes(rejects)
            self._rejects.write_table(rejects)
        if table.num_rows:
            self._origins.write_table(origin_runs(parsed, good, firsts, self.rows))
            self._clocks.write(parsed.clock if good is None else parsed.clock[good], before=self.rows)
        self.rows += table.num_rows
        self._wait_for_ratings()
        self._behind = self._thread.submit(self._write_ratings, table, read)

    def _check_reject_bytes(self, rejects: pa.Table) -> None:
        """Raise DataError if the rejects so far exceed their limit; all are kept, and must not fill the disk."""
        self._reject_bytes += rejects["raw"].nbytes + _REJECT_BYTES * rejects.num_rows
        if self._reject_bytes > self._most_reject_bytes:
            file, line, raw, code = (rejects[name][-1].as_py() for name in ("file", "line", "raw", "code"))
            raise DataError(
                f"{shown(file)}: its rejected rows take more than {self._most_reject_bytes >> 20:,} MB "
                f"(ingest.max_rejects_mb); line {line:,} is {code}: '{shown(raw, _LONGEST_EXAMPLE)}'. Expected "
                "ratings: check that it is the right file, or allow more with that setting."
            )

    def _write_ratings(self, table: pa.Table, read: RatingCounts | None) -> None:
        accepted = count_ratings(table["rating"])
        add_counts(self._values, accepted)
        add_counts(self._values_read, accepted if read is None else read)
        self._rating_sum += sum_ratings(table["rating"])
        for name, counts in self.counts.items():
            counts.add(to_ids(table[name]))
        if table.num_rows:
            self._ratings.write_table(pa.table(table.columns, schema=_RATINGS))

    def _count_files(self, parsed: ParsedBlock, rejects: pa.Table, good: NDArray[np.bool_] | None) -> None:
        for piece in parsed.pieces:
            dialect = piece.span.dialect
            file = self._files.setdefault(piece.span.file, FileTally(piece.span.file, dialect))
            self._left_out.setdefault(file.name, dialect.left_out)
            rows = piece.rows.stop - piece.rows.start
            file.add(piece, rows=rows if good is None else int(good[piece.rows].sum()))
            if self._several or piece.span.in_archive:
                ratings = parsed.rating[piece.rows][parsed.nulls[piece.rows] >> kernel.RATING & 1 == 0]
                add_counts(file.values, count_values(ratings))
        counted = rejects["code"].value_counts().to_pylist()
        self._codes.update({each["values"]: each["counts"] for each in counted})

    def write_counts(self) -> None:
        """Write the row counts by value, and the texts of the ids that have rows."""
        for name, counts in self.counts.items():
            frame = counts.to_frame(name)
            frame.write_parquet(self._folder / f"{name}.parquet")
            if KINDS[name] in self._texts:
                texts = self._texts.pop(KINDS[name])  # it is large, and not needed any more
                write_texts(self._folder / TEXTS[name], texts.columns(frame[name].to_numpy()))

    def date_order(self) -> DateOrder | None:
        """The order of day and month, where it was open. Raises DataError if no date shows it."""
        return open_order(list(self._files.values()))

    def manifest(self, *, scale: list[Number], left_out: list[str]) -> PartitionManifest:
        """The manifest, once all blocks are written."""
        files = [file.counts(left_out=self._left_out[file.name]) for file in self._files.values()]
        read = sum(file.rows_read for file in files)
        return PartitionManifest(
            rows=self.rows,
            rows_read=read,
            rows_rejected=read - self.rows,
            rejects=dict(sorted(self._codes.items())),
            files=files,
            rating_sum=self._rating_sum,
            values_read=to_json(self._values_read),
            values=to_json(self._values),
            scale=scale,
            left_out=left_out,
            ids=dict(self._kinds),
            not_integers={
                name: sum(file.seen.get(kernel.ODD_IDS + KINDS[name], 0) for file in self._files.values())
                for name in self._kinds
            },
        )
