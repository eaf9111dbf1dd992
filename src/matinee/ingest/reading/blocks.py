"""Cuts the text of source files into blocks of whole lines, the input of the parser.

Small files share a block; a large file fills several. Memory holds a few blocks, whatever the size of the file.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.containers import Member
from matinee.errors import DataError
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.entries import LeftOut, judge, list_files, refuse_faults
from matinee.ingest.reading.members import open_members
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import IngestSettings

BLOCK_BYTES: Final = 1 << 24  # about 600,000 ratings: one row group of the table
_MOST_LINES: Final = 1 << 21  # of a block; ordinary ratings have a third
_ROOM_FOR_MORE = 1 << 20  # a block with less left is full


@dataclass(frozen=True)
class Span:
    """Consecutive lines of one file within a block."""

    file: str
    dialect: Dialect
    start: int
    stop: int
    continues: bool  # the file's earlier lines are in the previous block
    in_archive: bool = False


@dataclass(frozen=True)
class Block:
    """Bytes that end with a line end, and the span of each file within them."""

    text: NDArray[np.uint8]  # read-only, whatever it is made of
    spans: Sequence[Span]

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", read_only(self.text))


def read_only(text: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A read-only view of a text.

    To the compiler, arrays that can be written and those that cannot are two types. The parser takes seconds to
    compile, so it gets one of them alone.
    """
    view = text.view()
    view.setflags(write=False)
    return view


def read_blocks(
    sources: Sequence[Source],
    settings: IngestSettings,
    *,
    left_out: list[str],
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Read the text of the sources, in order, as blocks of whole lines.

    Files of archives that are not ratings are added to `left_out`, each with the reason. Raises DataError if a source
    is not a rating file, is truncated, changes while it is read, or holds a file that could not be read.
    """
    longest = settings.max_line_mb << 20
    packer = _Packer(min(block_bytes, longest), longest_line=longest)
    for source in sources:
        taken = 0
        others: list[LeftOut] = []
        for member in open_members(source, settings):
            dialect = _dialect_of(member, source, settings)
            if isinstance(dialect, LeftOut):
                others.append(dialect)
            else:
                taken += 1
                skipped = dialect.skip_lines + member.line_shift
                yield from _in_parts(packer.add(member, replace(dialect, skip_lines=skipped), source))
        if not taken:
            found = f" It holds {list_files(others)}." if others else ""
            raise DataError(
                f"The archive {source.label()} contains no rating file.{found} Expected files such as mv_*.txt."
            )
        refuse_faults(others, settings, label=f"the archive {source.label()}")
        left_out += map(str, others)
        source.check_unchanged()
    yield from _in_parts(packer.emit())


def _in_parts(blocks: Iterable[Block]) -> Iterator[Block]:
    """The blocks; those of very short lines in parts, because a line takes memory besides its text."""
    for block in blocks:
        counts = [
            kernel.count_lines(block.text, span.start, span.stop, span.dialect.line_end)
            for span in block.spans
        ]
        if sum(counts) <= _MOST_LINES:
            yield block
            continue
        for span, count in zip(block.spans, counts, strict=True):
            starts = np.zeros(-(-count // _MOST_LINES) or 1, np.int64)
            lines = np.arange(len(starts), dtype=np.int32) * np.int32(_MOST_LINES)
            kernel.find_lines(block.text, span.start, span.stop, span.dialect.line_end, lines, starts)
            cuts = [span.start, *starts[1:].tolist(), span.stop]
            for start, stop in pairwise(cuts):
                part = replace(span, start=start, stop=stop, continues=span.continues or start > span.start)
                yield Block(block.text, [part])


def _dialect_of(member: Member, source: Source, settings: IngestSettings) -> Dialect | LeftOut:
    """The dialect of a text. Raises DataError if it is a file of its own and holds no ratings."""
    label = source.label(member.name)
    if member.in_archive:
        return judge(member.head, member.name, settings, label=label, is_text=member.is_text)
    return recognize(member.head, settings, label=label, is_text=member.is_text)


class _Packer:
    """Fills blocks with lines, cutting only at line ends."""

    def __init__(self, block_bytes: int, *, longest_line: int) -> None:
        self._size = block_bytes
        self._longest_line = longest_line
        self._start_block(b"")

    def _start_block(self, begun: bytes) -> None:
        # One spare byte: a last line without a line end gets one.
        self._text = np.empty(max(self._size, 2 * len(begun)) + 1, np.uint8)
        self._text[: len(begun)] = np.frombuffer(begun, np.uint8)
        self._filled = len(begun)
        self._spans: list[Span] = []

    def emit(self) -> Iterator[Block]:
        """Yield the block so far, if it is not empty."""
        if self._spans:
            yield Block(self._text[: self._spans[-1].stop], self._spans)
        self._start_block(b"")

    def add(self, member: Member, dialect: Dialect, source: Source) -> Iterator[Block]:
        """Add a member's lines after its header; yields each full block."""
        member.read(dialect.skip_bytes)
        begin, continues = self._filled, False
        while True:
            room = self._text.size - 1
            if self._filled < room:
                taken = member.readinto(self._text.data[self._filled : room])
                self._filled += taken
                if taken == 0:
                    break
                continue
            cut = _line_end_before(self._text, begin, self._filled, dialect.line_end)
            if cut > begin:
                self._spans.append(Span(member.name, dialect, begin, cut, continues, member.in_archive))
                continues = True
            elif self._filled - begin >= self._longest_line:
                raise DataError(
                    f"{source.label(member.name)} has a line of more than {self._longest_line >> 20} MB "
                    "(ingest.max_line_mb). Expected one rating per line; check that it is the right file."
                )
            rest = self._text[cut : self._filled].tobytes()
            if self._spans:
                yield Block(self._text[:cut], self._spans)
            self._start_block(rest)
            begin = 0
        yield from self._finish(member, dialect, begin, continues)

    def _finish(self, member: Member, dialect: Dialect, begin: int, continues: bool) -> Iterator[Block]:
        if self._filled > begin and self._text[self._filled - 1] != dialect.line_end:
            self._text[self._filled] = dialect.line_end
            self._filled += 1
        # A file without a row has a span too, so that it is counted.
        self._spans.append(Span(member.name, dialect, begin, self._filled, continues, member.in_archive))
        if self._text.size - self._filled < min(_ROOM_FOR_MORE, self._size // 2):
            yield from self.emit()


def _line_end_before(text: NDArray[np.uint8], start: int, stop: int, line_end: int) -> int:
    """The position after the last line end in text[start:stop]; `start` if there is none."""
    step = 1 << 12
    while True:
        begin = max(start, stop - step)
        found = text[begin:stop].tobytes().rfind(bytes([line_end]))
        if found >= 0:
            return begin + found + 1
        if begin == start:
            return start
        step *= 8
