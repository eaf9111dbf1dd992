"""Decides which columns of a file without a header have movies and ratings, by the ids of the titles and the values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.rating_column import USUAL as RATING
from matinee.ingest.rating_column import find_rating
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.members import read_heads
from matinee.ingest.reading.plays import NEEDED
from matinee.ingest.reading.recognition import recognize
from matinee.ingest.reading.rows import bare, split_row
from matinee.ingest.reading.sources import Source
from matinee.ingest.titles.fields import read_movie_id
from matinee.schemas.names import SIDES, Kind
from matinee.schemas.text_ids import numbers_of
from matinee.settings.ingest import IngestSettings

_FITS: Final = 0.9  # share of the ids of a column that are titles: the column may have the movies
_BEYOND: Final = 0.5  # share of ids beyond those of all titles: the column does not have the movies
_DOUBT: Final = 0.1  # the same, where neither is sure
# Shares of the range of the titles: movies nearly fill it, and users do so by chance alone.
_WHOLE, _PART = 0.97, 0.9
_WIDER: Final = 1.1  # range of the second column to that of the first: the second has the movies
_SHOWN_LINES: Final = 3
_LISTED: Final = 5

_NAMES: Final = {"user_id": "user", "movie_id": "movie", "rating": "rating"}

NamedColumns = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ordered:
    """Some files and the settings that they are read with."""

    sources: Sequence[Source]
    settings: IngestSettings


def order_columns(
    sources: Sequence[Source], movies: NDArray[np.int64], settings: IngestSettings, kind: Kind = "integer"
) -> tuple[list[Ordered], list[str]]:
    """Group files by the order of their columns.

    Args:
        sources: Rating files.
        movies: The ids of the titles, or the numbers of their texts.
        kind: Which of the two.
        settings: How to read the files; columns that they give are not questioned.

    Returns:
        The groups, and warnings: a file is read in another order than user, movie, rating, date, or could be.

    Raises:
        DataError: The order of a file is ambiguous.
    """
    if any(settings.columns.get(name, "").isdecimal() for name in NEEDED["explicit"]):
        return [Ordered(sources, settings)], []
    ids = np.unique(movies)
    groups: dict[NamedColumns, list[Source]] = {}
    # Headers in another order than the usual one, by their number of names.
    headers: dict[int, Mapping[str, int]] = {}
    unsure: list[_Headless] = []
    remarks: list[str] = []
    for source in sources:
        dialect, headless = _recognize(source, ids, settings, kind)
        places = headless.places() if headless else ()
        groups.setdefault(places, []).append(source)
        if headless and not places and (remark := headless.remark()):
            remarks.append(remark)
        if headless and not places and not headless.is_sure():
            unsure.append(headless)
        elif dialect and not headless and dialect.columns["movie_id"] < dialect.columns["user_id"]:
            headers.setdefault(len(dialect.names), dialect.columns)
    for headless in unsure:
        headless.refuse_order(headers)
    ordered = [
        Ordered(some, settings.model_copy(update={"columns": {**settings.columns, **dict(places)}}))
        for places, some in sorted(groups.items(), key=lambda group: len(group[0]))
    ]
    return ordered, [*(_describe(places, some) for places, some in groups.items() if places), *remarks]


def _describe(places: NamedColumns, sources: Sequence[Source]) -> str:
    names = ", ".join(shown(source.name) for source in sources[:_LISTED])
    more = f" and {len(sources) - _LISTED:,} more" if len(sources) > _LISTED else ""
    first = _NAMES[next(column for column, number in places if number == min(number for _, number in places))]
    order = ", ".join(f"{column}={number}" for column, number in sorted(places, key=lambda pair: pair[1]))
    return (
        f"Files without a header whose first column is the {first}, by the ids of the titles: {names}{more}. They were "
        f"read with {order}. If that is wrong, set ingest.columns=user_id=1,movie_id=2,rating=3."
    )


def _recognize(
    source: Source, movies: NDArray[np.int64], settings: IngestSettings, kind: Kind
) -> "tuple[Dialect | None, _Headless | None]":
    """The dialect of the first ratings in a source, and the file if it has no header."""
    settings = settings.model_copy(update={"ids": "text"})
    first: Dialect | None = None
    for member in read_heads(source, settings):
        try:
            label = source.label(member.name)
            dialect = recognize(member.head, settings, label=label, is_text=member.is_text)
        except DataError:
            continue  # the reader reports it
        if dialect.netflix:
            continue
        if dialect.names[:1] == ("column 1",):
            return dialect, _Headless(source, member.head, dialect, movies, kind)
        first = first or dialect
    return first, None


@dataclass(frozen=True)
class _Headless:
    """A file without a header, and the ids of the titles."""

    source: Source
    head: bytes
    dialect: Dialect
    movies: NDArray[np.int64]
    kind: Kind

    def places(self) -> NamedColumns:
        """The order of its columns. Raises DataError if it is ambiguous."""
        usual = dict(self.dialect.columns)
        columns = {name: self._texts(place) for name, place in usual.items() if name != "date"}
        if "rating" in usual:
            found = find_rating([columns[name] for name in NEEDED["explicit"]])
            if found != [RATING]:
                return self._moved(found, list(usual.items()))
        if not len(self.movies) or not self._is_swapped(columns["user_id"], columns["movie_id"]):
            return ()
        return self._numbered({**usual, "user_id": usual["movie_id"], "movie_id": usual["user_id"]})

    def _moved(self, found: Sequence[int], usual: Sequence[tuple[str, int]]) -> NamedColumns:
        """The order where the ratings are not in the third column."""
        readings = []
        for rating in found:
            first, second = (usual[place][1] for place in range(len(_NAMES)) if place != rating)
            rest = dict(usual[len(_NAMES) :])
            for user, movie in ((first, second), (second, first)):
                readings.append({"user_id": user, "movie_id": movie, "rating": usual[rating][1], **rest})
        sure = [each for each in readings if self._fits(each)]
        if len(found) == 1 and len(sure) == 1:
            return self._numbered(sure[0])
        raise DataError(
            f"{self.source.label()} has no header, and its ratings are probably not in the third column. It begins: "
            f"{self._begin()}. Set {self._ways_out(readings)}."
        )

    def is_sure(self) -> bool:
        """Whether the titles show that the usual order is right."""
        return self._fits(dict(self.dialect.columns))

    def refuse_order(self, headers: Mapping[int, Mapping[str, int]]) -> None:
        """Raise DataError if a header of as many columns as the file has gives them in another order.

        Args:
            headers: Such headers, by their number of names.
        """
        usual = dict(self.dialect.columns)
        other = headers.get(len(self.dialect.names))
        if other is None:
            return
        raise DataError(
            f"{self.source.label()} has no header, and the header of another file has the movie before the user: both "
            f"may be pieces of one file. It begins: {self._begin()}. Set {self._ways_out([usual, other])}."
        )

    def _fits(self, reading: Mapping[str, int]) -> bool:
        """Whether the titles have the movies of a reading, and not its users."""
        known = [self._known(self._texts(reading[name])) for name in ("movie_id", "user_id")]
        return known[0] >= _FITS and known[1] < _BEYOND

    def _is_swapped(self, first: Sequence[str], second: Sequence[str]) -> bool:
        ids = self._numbers(first), self._numbers(second)
        if not len(ids[0]):
            return False
        known = self._known(first), self._known(second)
        ranges = self._ranges()
        if ranges and ranges[0] >= _WHOLE and ranges[1] < _PART:
            self._refuse_both(known)
        if known[0] < _FITS or known[1] >= min(known[0], _FITS):
            return False
        beyond = 1 - known[1]  # of texts, which have no range
        if self.kind == "integer" and len(ids[1]):
            beyond = float(((ids[1] < self.movies[0]) | (ids[1] > self.movies[-1])).mean())
        if _DOUBT <= beyond < _BEYOND:
            self._refuse_both(known)
        return beyond >= _BEYOND

    def _refuse_both(self, known: tuple[float, float]) -> NoReturn:
        usual = dict(self.dialect.columns)
        swapped = {**usual, "user_id": usual["movie_id"], "movie_id": usual["user_id"]}
        raise DataError(
            f"{self.source.label()} has no header, and the user or the movie may be first: {100 * known[0]:.0f}% "
            f"of the ids in the first column and {100 * known[1]:.0f}% in the second have a title. It begins: "
            f"{self._begin()}. Set {self._ways_out([usual, swapped])}."
        )

    def _ranges(self) -> tuple[float, float] | None:
        """The highest ids of the first two columns, by that of the titles; None unless both may be movies."""
        texts = [self._texts(self.dialect.columns[name]) for name in SIDES]
        if self.kind == "text" or not len(self.movies) or min(map(self._known, texts)) < _FITS:
            return None
        first, second = (float(self._numbers(column)[-1] / self.movies[-1]) for column in texts)
        return first, second

    def remark(self) -> str | None:
        """What to say of a file in the usual order, if nothing but the usual order speaks for it."""
        ranges = self._ranges()
        if ranges is None or ranges[1] >= _WIDER * ranges[0]:
            return None
        return (
            f"{shown(self.source.name)} has no header, and the ids of its first two columns all have titles: the "
            "first was read as the user. If it is the movie, set ingest.columns=user_id=2,movie_id=1,rating=3."
        )

    def _known(self, texts: Sequence[str]) -> float:
        ids = self._numbers(texts)
        return float(np.isin(ids, self.movies).mean()) if len(ids) else 0.0

    def _numbers(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """The distinct ids, as the titles have them."""
        if self.kind == "text":
            return np.unique(numbers_of(text.encode() for text in {*texts} if text))
        numbers = [read_movie_id(text) for text in {*texts}]
        return np.unique(np.array([each for each in numbers if each is not None], np.int64))

    def _texts(self, place: int) -> list[str]:
        return [bare(row[place]) for row in self._rows if len(row) == len(self.dialect.names)]

    @cached_property
    def _rows(self) -> list[list[str]]:
        body = self.head[self.dialect.skip_bytes :]
        lines = body[: body.rfind(bytes([self.dialect.line_end])) + 1].split(bytes([self.dialect.line_end]))
        return [
            split_row(decode_line(line).rstrip("\r"), *self.dialect.form) for line in lines if line.strip()
        ]

    def _begin(self) -> str:
        rows = self._rows[:_SHOWN_LINES]
        return "; ".join(shown(self.dialect.delimiter.join(row), 60) for row in rows)

    def _ways_out(self, readings: Sequence[Mapping[str, int]]) -> str:
        """The setting of each reading, with what the first row is by it."""
        first = self._rows[0]
        ways = []
        for reading in readings:
            setting = ",".join(f"{column}={number}" for column, number in self._numbered(reading))
            there = [column for column in _NAMES if column in reading]
            said = [f"the {_NAMES[column]} {shown(first[reading[column]].strip(), 30)}" for column in there]
            ways.append(f"ingest.columns={setting} if the first row is {', '.join(said)}")
        return ", or ".join(ways)

    def _numbered(self, places: Mapping[str, int]) -> NamedColumns:
        return tuple((name, str(place + 1)) for name, place in places.items())
