"""Parses blocks ahead on several threads, and hands from block to block what a file's later lines depend on.

That is a quoted field with line ends that a block cuts, and a header within the file that names other columns.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from matinee.ingest.reading.blocks import Block
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.parser import ParsedBlock, parse_block

_THREADS = 2
_AHEAD = _THREADS + 1  # blocks in memory that are not written yet


def parse_in_order(blocks: Iterable[Block]) -> Iterator[ParsedBlock]:
    """Parse blocks; yields them in order."""
    chain = _Chain()
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[tuple[Block, Future[ParsedBlock]]] = deque()
        for block in blocks:
            waiting.append((block, pool.submit(parse_block, block)))
            if len(waiting) == _AHEAD:
                yield from chain.follow(*_next(waiting))
        while waiting:
            yield from chain.follow(*_next(waiting))
    yield from chain.finish()


def _next(waiting: deque[tuple[Block, Future[ParsedBlock]]]) -> tuple[Block, ParsedBlock]:
    block, future = waiting.popleft()
    return block, future.result()


class _Chain:
    """What goes from one block to the next."""

    def __init__(self) -> None:
        self._open: ParsedBlock | None = (
            None  # waits for the next block, which may hold the end of its last row
        )
        self._dialect: Dialect | None = (
            None  # of the last file's last rows, if a header within the file gave it
        )

    def follow(self, block: Block, parsed: ParsedBlock) -> Iterator[ParsedBlock]:
        goes_on = bool(block.spans) and block.spans[0].continues
        begun: NDArray[np.uint8] = np.empty(0, np.uint8)
        if self._open is not None:
            held, self._open = self._open, None
            if goes_on:
                begun = held.block.text[held.open_at : held.block.spans[-1].stop]
            yield held if goes_on else parse_block(held.block, ends=True)
        dialect = self._dialect if goes_on else None
        if len(begun) or (dialect is not None and dialect != block.spans[0].dialect):
            parsed = parse_block(_joined(begun, block, dialect))
        last = parsed.pieces[-1].span if parsed.pieces else None
        self._dialect = last.dialect if last is not None else dialect
        if parsed.open_at is None:
            yield parsed
        else:
            self._open = parsed

    def finish(self) -> Iterator[ParsedBlock]:
        if self._open is not None:
            yield parse_block(self._open.block, ends=True)


def _joined(begun: NDArray[np.uint8], block: Block, dialect: Dialect | None) -> Block:
    """A block with the begun row of the previous one, and the dialect that a header there gave."""
    first = block.spans[0].start  # a part of a block does not start with its text
    text = np.concatenate([begun, block.text[first:]]) if len(begun) else block.text[first:]
    moved = len(begun) - first
    spans = [
        replace(span, start=span.start + moved if number else 0, stop=span.stop + moved)
        for number, span in enumerate(block.spans)
    ]
    if dialect is not None:
        spans[0] = replace(spans[0], dialect=dialect)
    return Block(text, spans)
