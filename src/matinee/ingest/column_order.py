"""Decides which column of a file without a header has the movies: the one whose ids the titles have."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.heads import parse_head
from matinee.ingest.reading.members import read_heads
from matinee.ingest.reading.parser import ParsedBlock
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.reading.sources import Source
from matinee.ingest.reading.text_table import NumberedTexts
from matinee.ingest.titles.fields import read_movie_id
from matinee.settings.ingest import IngestSettings, Kind

_FITS: Final = 0.9  # share of the ids of a column that are titles: the column may have the movies
_BEYOND: Final = 0.5  # share of ids beyond those of all titles: the column does not have the movies
_DOUBT: Final = 0.1  # the same, where neither is sure
_SHOWN_LINES: Final = 3
_LISTED: Final = 5

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Ordered:
    """Some files and the settings that they are read with."""

    sources: Sequence[Source]
    settings: IngestSettings


def order_columns(
    sources: Sequence[Source], movies: Ids, settings: IngestSettings, kind: Kind = "integer"
) -> tuple[list[Ordered], list[str]]:
    """Group files by the order of their columns.

    Args:
        sources: Rating files.
        movies: The ids of the titles, or the numbers of their texts.
        kind: Which of the two.
        settings: How to read the files; columns that they give are not questioned.

    Returns:
        The groups, and a warning if a file is read in another order than user, movie, rating, date.

    Raises:
        DataError: The order of a file is ambiguous.
    """
    if not len(movies) or any(settings.columns.get(name) for name in ("user_id", "movie_id")):
        return [Ordered(sources, settings)], []
    ids = np.unique(movies)
    groups: dict[tuple[tuple[str, str], ...], list[Source]] = {(): []}
    for source in sources:
        groups.setdefault(_exchanged(source, ids, settings, kind), []).append(source)
    ordered = [
        Ordered(some, settings.model_copy(update={"columns": {**settings.columns, **dict(columns)}}))
        for columns, some in groups.items()
        if some
    ]
    swapped = [source for columns, some in groups.items() if columns for source in some]
    if not swapped:
        return ordered, []
    names = ", ".join(shown(source.name) for source in swapped[:_LISTED])
    more = f" and {len(swapped) - _LISTED:,} more" if len(swapped) > _LISTED else ""
    return ordered, [
        f"Files without a header whose first column is the movie, by the ids of the titles: {names}{more}. If that is "
        "wrong, set ingest.columns=user_id=1,movie_id=2,rating=3."
    ]


def _exchanged(
    source: Source, movies: Ids, settings: IngestSettings, kind: Kind
) -> tuple[tuple[str, str], ...]:
    """The numbers of the columns of a file whose first column has the movies; nothing for another file."""
    settings = settings.model_copy(update={"ids": "text"})
    for member in read_heads(source, settings):
        try:
            dialect = recognize(member.head, settings, label=source.label(member.name))
        except DataError:
            continue  # the reader reports it
        if not dialect.netflix and dialect.names[:1] == ("column 1",):
            columns = _read_ids(parse_head(member, dialect), kind)
            if not _is_first(columns, movies, source, member.head, kind=kind):
                return ()
            other = {"user_id": "movie_id", "movie_id": "user_id"}
            return tuple((other.get(name, name), str(place + 1)) for name, place in dialect.columns.items())
    return ()


def _read_ids(head: ParsedBlock, kind: Kind) -> tuple[Ids, Ids]:
    """The distinct ids of both columns, as the titles have them."""
    found = []
    for side in (kernel.USER, kernel.MOVIE):
        texts = [text for text in head.texts[side].texts() if text]
        if kind == "text":
            found.append(np.unique(NumberedTexts().number_each(texts)))
        else:
            numbers = [read_movie_id(text.decode("utf-8", "replace")) for text in texts]
            found.append(np.unique(np.array([each for each in numbers if each is not None], np.int64)))
    return found[0], found[1]


def _is_first(columns: tuple[Ids, Ids], movies: Ids, source: Source, head: bytes, *, kind: Kind) -> bool:
    first, second = columns
    if not len(first):
        return False
    known = [float(np.isin(column, movies).mean()) if len(column) else 0.0 for column in columns]
    if known[0] < _FITS or known[1] >= min(known[0], _FITS):
        return False
    beyond = 1 - known[1]  # of texts, which have no range
    if kind == "integer" and len(second):
        beyond = float(((second < movies[0]) | (second > movies[-1])).mean())
    if _DOUBT <= beyond < _BEYOND:
        lines = head.split(b"\n", _SHOWN_LINES)[:_SHOWN_LINES]
        rows = "; ".join(shown(line.decode("utf-8", "replace").strip(), 60) for line in lines)
        raise DataError(
            f"{source.label()} has no header, and the user or the movie may be first: {100 * known[0]:.0f} % of "
            f"the ids in the first column and {100 * known[1]:.0f} % in the second have a title. It begins: {rows}. "
            "Set ingest.columns=user_id=1,movie_id=2,rating=3 if the user is first, or "
            "ingest.columns=user_id=2,movie_id=1,rating=3 if the movie is."
        )
    return beyond >= _BEYOND
