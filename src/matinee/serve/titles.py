"""The search for movies by the words of their titles, and for users by the start of their ids."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from matinee.release import Release
from matinee.release.idmap import Id, IdMap

_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST = 2**63 - 1


class SearchIndex:
    """What a release is searched by. Safe to use from several threads."""

    def __init__(self, release: Release) -> None:
        self._release = release

    @cached_property
    def _titles(self) -> pa.Array:
        return pa.array(
            [plain(title or "") for title in self._release.catalog.titles.to_pylist()], pa.large_string()
        )

    @cached_property
    def _by_popularity(self) -> NDArray[np.intp]:
        """Movie codes, those with most train rows first."""
        return np.argsort(-self._release.catalog.train_rows, kind="stable")

    def movies(self, words: str, n: int) -> list[int]:
        """The codes of the movies whose titles have all words, or whose id it is; those with most ratings first."""
        found = np.ones(len(self._by_popularity), np.bool_)
        for word in plain(words).split():
            found &= pc.match_substring(self._titles, word).to_numpy(zero_copy_only=False)
        codes = self._by_popularity[found[self._by_popularity]][:n].tolist()
        own = [code for code in _codes_of(self._release.movies, words.strip()) if code not in codes]
        return [*own, *codes][:n]

    def users(self, start: str, n: int) -> list[Id]:
        """The users whose ids start with a text, n at most; the one with exactly this id first."""
        users, start = self._release.users, start.strip()
        if users.texts is not None:
            codes = np.flatnonzero(pc.starts_with(users.texts, start).to_numpy(zero_copy_only=False))[
                :n
            ].tolist()
        else:
            codes = list(_with_digits(users.keys, start, n))
        own = _codes_of(users, start)
        return [users.one(code) for code in [*own, *(code for code in codes if code not in own)][:n]]


def plain(text: str) -> str:
    """Text without case and accents.

    >>> plain("Amélie")
    'amelie'
    """
    parts = unicodedata.normalize("NFKD", text.casefold())
    return "".join(char for char in parts if not unicodedata.combining(char))


def _codes_of(ids: IdMap, text: str) -> Sequence[int]:
    """The code of the id that a text is; nothing if it is none."""
    if ids.texts is None and not (_DIGITS.fullmatch(text) and int(text) <= _LARGEST):
        return []
    return [code for code in ids.find([ids.parse(text, "id")], "id").tolist() if code >= 0] if text else []


def _with_digits(keys: NDArray[Any], start: str, n: int) -> Sequence[int]:
    """The codes of the first n integer ids whose digits start with a text."""
    if not start:
        return range(min(n, len(keys)))
    if not _DIGITS.fullmatch(start):
        return []
    found: list[int] = []
    low, high = int(start), int(start) + 1
    while low <= _LARGEST and len(found) < n:
        first, last = np.searchsorted(keys, [low, min(high, _LARGEST)]).tolist()
        found += range(first, last)
        low, high = (low * 10, high * 10) if low else (_LARGEST + 1, 0)
    return found[:n]
