"""Lists narrowed to a part of the catalog: some ids, some years, or few movies of one franchise or year."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Final, TypedDict

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.release.arrays import Codes
from matinee.release.idmap import IdMap

Years = NDArray[np.int32]  # by movie code; 0 if unknown

_NUMERAL: Final = re.compile(r" (?:[1-9][0-9]?|[ivx]{1,5})$")
_YEAR: Final = re.compile(r" \([0-9]{4}\)$")
_ARTICLE: Final = re.compile(r", (?:the|a|an)$")
# "Star Trek: The Motion Picture", "Friends, Season 2", "Kill Bill: Vol. 1", "Inspector Morse 12", "Rocky III".
_SUBTITLE: Final = re.compile(r": | - |,? (?:vol|volume|part|pt|season|series|episode)\b")


class Narrow(TypedDict, total=False):
    """The keywords of `recommend` that narrow a list. Movies that the user rated are in no list anyway.

    Attributes:
        exclude: Ids of movies to leave out, such as those that the user watched without rating them.
        only: Ids of the movies that may be listed; None for all.
        years: The first and the last year; a movie without a year is left out. None for all.
        per_franchise: Movies of one franchise at most, which is the part of a title before ": ", " - " or ", Vol",
            without a number at its end. None for no limit.
        per_year: Movies of one year at most; those without a year are not counted. None for no limit.
    """

    exclude: Collection[int | str]
    only: Collection[int | str] | None
    years: tuple[int, int] | None
    per_franchise: int | None
    per_year: int | None


def is_count(value: object) -> bool:
    """Whether a value is a whole number from 1."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) > 0


@dataclass(frozen=True)
class Narrowing:
    """What a list is narrowed to. The attributes are those of `Narrow`."""

    exclude: Collection[int | str] = ()
    only: Collection[int | str] | None = None
    years: tuple[int, int] | None = None
    per_franchise: int | None = None
    per_year: int | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError if the values make no sense."""
        for name, limit in (("franchise", self.per_franchise), ("year", self.per_year)):
            if limit is not None and not is_count(limit):
                raise ConfigError(
                    f"The limit is {limit!r:.80} movies per {name}; expected a whole number from 1."
                )
        for name, ids in (("exclude", self.exclude), ("only", self.only)):
            if ids is not None and (isinstance(ids, str) or not hasattr(ids, "__len__")):
                raise ConfigError(
                    f"{name} was given as {ids!r:.80}; expected the ids of movies, such as [1, 2]."
                )
        if self.years is not None and not _is_pair_of_years(self.years):
            raise ConfigError(
                f"Years were given as {shown(repr(self.years))}; expected the first and the last, such as (1990, 1999)."
            )
        if self.years is not None and self.years[0] > self.years[1]:
            raise ConfigError(
                f"The years are {self.years[0]} to {self.years[1]}; expected the earlier year first."
            )

    @classmethod
    def of(cls, keywords: Mapping[str, Any]) -> "Narrowing | None":
        """The narrowing of a call of `recommend`, None if it gives no keyword.

        Raises:
            TypeError: A keyword is unknown.
            ConfigError: A value makes no sense.
        """
        known = Narrow.__annotations__
        if unknown := [name for name in keywords if name not in known]:
            raise TypeError(
                f"recommend() has no keyword {unknown[0]!r}. It takes n, explain, {', '.join(known)}."
            )
        return cls(**keywords) if keywords else None

    @property
    def masks(self) -> bool:
        """Whether it leaves out movies, whatever else is listed."""
        return bool(len(self.exclude)) or self.only is not None or self.years is not None

    @property
    def caps(self) -> bool:
        """Whether it limits how many movies of a kind are listed."""
        return self.per_franchise is not None or self.per_year is not None

    def keywords(self) -> Narrow:
        """The same as keywords of `recommend`."""
        return Narrow(
            exclude=self.exclude,
            only=self.only,
            years=self.years,
            per_franchise=self.per_franchise,
            per_year=self.per_year,
        )

    def describe(self) -> str:
        """What may be listed, in words."""
        parts = [
            f"{len(self.only):,} allowed ids" if self.only is not None else "",
            f"{len(self.exclude):,} excluded ids" if len(self.exclude) else "",
            f"years {self.years[0]} to {self.years[1]}" if self.years else "",
        ]
        return ", ".join(part for part in parts if part)

    def allowed(self, movies: IdMap, years: Years) -> NDArray[np.bool_]:
        """Which movies may be listed [movies]. Ids that the release does not know are ignored."""
        found = np.ones(len(movies), np.bool_)
        if self.only is not None:
            found &= _are_among(movies, self.only)
        if len(self.exclude):
            found &= ~_are_among(movies, self.exclude)
        if self.years is not None:
            first, last = self.years
            found &= (years > 0) & (years >= first) & (years <= last)
        return found

    def cut(self, codes: Iterable[int], n: int, *, titles: pa.ChunkedArray, years: Years) -> list[int]:
        """The first n movies of an order by the limits per franchise and per year."""
        kept: list[int] = []
        of_franchise: Counter[str] = Counter()
        of_year: Counter[int] = Counter()
        for code in codes:
            name = franchise(titles[code].as_py()) if self.per_franchise else None
            year = int(years[code])
            full = (name and of_franchise[name] >= (self.per_franchise or 0)) or (
                year and self.per_year and of_year[year] >= self.per_year
            )
            if full:
                continue
            kept.append(code)
            if len(kept) == n:
                break
            of_franchise[name or ""] += 1
            of_year[year] += 1
        return kept


def _are_among(movies: IdMap, some: Collection[int | str]) -> NDArray[np.bool_]:
    codes = movies.find(list(some), "movie") if len(some) else np.empty(0, np.int32)
    among = np.zeros(len(movies), np.bool_)
    among[codes[codes >= 0]] = True
    return among


def _is_pair_of_years(years: object) -> bool:
    return (
        isinstance(years, Sequence)
        and len(years) == 2
        and all(isinstance(year, Integral) and not isinstance(year, bool) for year in years)
    )


def franchise(title: str | None) -> str | None:
    """The part of a title that the parts of a franchise share; None without a title.

    >>> [franchise(title) for title in ("Star Trek III: The Search for Spock", "Star Trek (2009)", "Rocky IV")]
    ['star trek', 'star trek', 'rocky']
    >>> [franchise(title) for title in ("Godfather: Part II, The", "Godfather, The (1972)", "Friends, Vol. 2")]
    ['godfather', 'godfather', 'friends']
    """
    if not title:
        return None
    whole = _YEAR.sub("", title.casefold().strip())
    name = _ARTICLE.sub("", _SUBTITLE.split(whole, 1)[0])
    return _NUMERAL.sub("", name).strip() or whole


def franchises(titles: Sequence[str | None]) -> Codes:
    """A number per movie, the same for movies of one franchise; 0 without a title."""
    numbers: dict[str, int] = {}
    names = (franchise(title) for title in titles)
    return np.array([numbers.setdefault(name, len(numbers) + 1) if name else 0 for name in names], np.int32)
