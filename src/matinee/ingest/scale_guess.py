"""A first guess of the rating scale from the first lines of the files; the full data may correct it."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from matinee.errors import DataError
from matinee.ingest.rating_counts import RatingCounts, add_counts, count_ratings
from matinee.ingest.rating_scale import narrowest_scale
from matinee.ingest.reading.blocks import Block, Span
from matinee.ingest.reading.dialect import recognize
from matinee.ingest.reading.members import read_heads, translate_parser_errors
from matinee.ingest.reading.parser import parse_block
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import IngestSettings

_FILES = 16


def guess_scale(sources: Sequence[Source], settings: IngestSettings) -> str:
    """Guess the scale from the first lines of the first files.

    Raises DataError if one of them is not a rating file.
    """
    return scale_of([count_head(source, settings) for source in sources[:_FILES]])


def scale_of(heads: Sequence[RatingCounts]) -> str:
    """The scale of the counts that `count_head` made of the first files."""
    total: RatingCounts = Counter()
    for head in heads[:_FILES]:
        add_counts(total, head)
    return narrowest_scale(total)


def count_head(source: Source, settings: IngestSettings) -> RatingCounts:
    """Counts of the ratings in the first lines of a file.

    Raises DataError if it is not a rating file.
    """
    counts: RatingCounts = Counter()
    for member in read_heads(source, settings):
        head = member.head
        try:
            dialect = recognize(head, settings, label=source.label(member.name))
        except DataError:
            if member.in_archive:
                continue
            raise
        body = head[dialect.skip_bytes :]
        text = body[: body.rfind(bytes([dialect.line_end])) + 1]
        span = Span(member.name, dialect, 0, len(text), continues=False)
        with translate_parser_errors(source.label(member.name)):
            parsed = parse_block(Block(np.frombuffer(text, np.uint8), [span]), ends=True)
            add_counts(counts, count_ratings(parsed.table()["rating"]))
    return counts
