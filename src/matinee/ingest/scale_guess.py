"""A first guess of the rating scale from the first lines of the files; the full data may correct it."""

from collections import Counter
from collections.abc import Sequence

from matinee.ingest.rating_counts import RatingCounts, add_counts, count_ratings
from matinee.ingest.rating_scale import narrowest_scale
from matinee.ingest.reading.file_heads import parse_heads
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
    for head in parse_heads(source, settings):
        add_counts(counts, count_ratings(head.table()["rating"]))
    return counts
