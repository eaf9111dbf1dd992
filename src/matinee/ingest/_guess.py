"""The first guess of the rating scale, from the first lines of the files: right unless the rest says otherwise."""

from collections.abc import Sequence

import numpy as np

from matinee.errors import DataError
from matinee.ingest._blocks import Block, Piece
from matinee.ingest._dialect import recognise
from matinee.ingest._members import read_heads
from matinee.ingest._rows import parse_block
from matinee.ingest._scale import count_slots, narrowest_scale, no_slots
from matinee.ingest._sources import Source
from matinee.settings import IngestSettings, ScaleName

_FILES = 16


def guess_scale(sources: Sequence[Source], settings: IngestSettings) -> ScaleName:
    """The scale that the first lines of the first files show.

    Raises DataError when one of them is no ratings file.
    """
    slots = no_slots()
    for source in sources[:_FILES]:
        for member in read_heads(source):
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
            typed = parse_block(Block(np.frombuffer(text, np.uint8), [piece]))
            slots += count_slots(typed.table()["rating"])
    return narrowest_scale(slots)
