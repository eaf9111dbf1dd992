"""The first guess of the rating scale, from the first lines of the files: right unless the rest says otherwise."""

from collections.abc import Sequence

import numpy as np

from matinee.errors import DataError
from matinee.ingest._blocks import Block, Piece
from matinee.ingest._dialect import recognise
from matinee.ingest._members import blaming, read_heads
from matinee.ingest._rows import parse_block
from matinee.ingest._scale import Slots, count_slots, narrowest_scale, no_slots
from matinee.ingest._sources import Source
from matinee.settings.ingest import IngestSettings, ScaleName

_FILES = 16


def guess_scale(sources: Sequence[Source], settings: IngestSettings) -> ScaleName:
    """The scale that the first lines of the first files show.

    Raises DataError when one of them is no ratings file.
    """
    return scale_of([count_head(source, settings) for source in sources[:_FILES]])


def scale_of(heads: Sequence[Slots]) -> ScaleName:
    """The scale of what `count_head` counted in some files, the first of them."""
    return narrowest_scale(sum(heads[:_FILES], no_slots()))


def count_head(source: Source, settings: IngestSettings) -> Slots:
    """The ratings in the first lines of a file, counted.

    Raises DataError when it is no ratings file.
    """
    slots = no_slots()
    for member in read_heads(source, settings):
        head = member.head
        try:
            dialect = recognise(head, settings, label=source.label(member.name))
        except DataError:
            if member.in_archive:
                continue
            raise
        body = head[dialect.skip_bytes :]
        text = body[: body.rfind(bytes([dialect.line_end])) + 1]
        piece = Piece(member.name, dialect, 0, len(text), goes_on=False)
        with blaming(source.label(member.name)):
            typed = parse_block(Block(np.frombuffer(text, np.uint8), [piece]))
            slots += count_slots(typed.table()["rating"])
    return slots
