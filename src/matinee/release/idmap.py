"""The id map of users or of movies: source ids to dense codes and back. It is immutable."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from matinee.errors import ConfigError
from matinee.errors.text import shown
from matinee.release.arrays import Codes, Ids
from matinee.schemas.integers import parse_int64
from matinee.schemas.text_ids import numbers_of_column

Id = int | str  # of a user or a movie, as the rating files have it

UNKNOWN = -1
# A lookup table is ten times as fast as binary search. It is used while it is not much larger than the map.
_TABLE_SPAN = 32


def as_ids(given: ArrayLike, kind: str) -> Ids:
    """Convert ids of any shape to int64.

    Args:
        given: Whole numbers of any type.
        kind: `user` or `movie`, for the error.

    Raises:
        ConfigError: A value is not an integer of at most 64 bits: a fraction, NaN, text or True. The array is masked
            or ragged.
    """
    if np.ma.isMaskedArray(given):
        raise ConfigError(
            f"The {kind} ids are a masked array, whose mask would be lost. Give the ids that are not masked."
        )
    try:
        array = np.asarray(given)
    except ValueError:
        raise ConfigError(f"The {kind} ids are lists of different lengths. Give one list of ids.") from None
    if array.dtype == np.int64:
        return array
    try:
        with np.errstate(invalid="ignore"):
            ids = array.astype(np.int64)
        fit = np.asarray(ids == array) & (array.dtype.kind in "iufO")
    except (TypeError, ValueError, OverflowError):  # find the wrong element
        fit = np.array([isinstance(each, int) and -(2**63) <= each < 2**63 for each in array.ravel()])
    if not fit.all():
        wrong = array.ravel().tolist()[int(np.argmin(fit))]
        raise ConfigError(f"A {kind} id was given as {wrong!r:.80}; expected an integer of at most 64 bits.")
    return ids


def parse_id(text: str, axis: str, *, is_text: bool) -> Id:
    """Parse an id that is written as text.

    Args:
        text: The id as it is written.
        axis: `user` or `movie`, for the error.
        is_text: Whether the release has text ids.

    Returns:
        The id.

    Raises:
        ConfigError: The id should be an integer and is not.
    """
    if is_text:
        return text
    value = parse_int64(text)
    if value is None or value < 0 or not text.isdecimal():
        raise ConfigError(
            f"{shown(repr(text), 80)} is not an id of a {axis}; expected a whole number, as the rating files have it."
        )
    return value


def _as_texts(given: list[Any], axis: str, known: "IdMap") -> pa.Array:
    try:
        texts = pa.array(given, pa.large_string())
    except (pa.ArrowException, UnicodeError, TypeError):
        pass
    else:
        if not texts.null_count:
            return texts
    wrong = next((each for each in given if not isinstance(each, str)), given[0])
    example = f", such as {known.one(0)!r:.80}" if len(known) else ""
    raise ConfigError(
        f"A {axis} id was given as {wrong!r:.80}; expected a text{example}: the ids of {axis}s are text."
    )


@dataclass(frozen=True, eq=False)
class IdMap:
    """Ids in ascending order; the code of an id is its position.

    Attributes:
        keys: Integer ids, or the numbers of text ids (`matinee.schemas.text_ids`).
        texts: The text ids; None if ids are integers.
    """

    keys: Ids
    texts: pa.Array | None = None

    @classmethod
    def fit(cls, batches: Iterable[Ids]) -> "IdMap":
        """The map that covers every id of the batches."""
        known = np.empty(0, np.int64)
        for batch in batches:
            known = np.union1d(known, batch)
        return cls(known)

    def __len__(self) -> int:
        return len(self.keys)

    @cached_property
    def ids(self) -> NDArray[Any]:
        """The ids by code: int64, or str."""
        return self.keys if self.texts is None else np.array(self.texts.to_pylist(), object)

    def find(self, given: ArrayLike, axis: str) -> Codes:
        """The codes of ids as a caller gives them, of any shape; -1 for an unknown id.

        Args:
            given: Integers, or texts if the map is of texts.
            axis: `user` or `movie`, for the error.

        Raises:
            ConfigError: An id is of the other kind.
        """
        if self.texts is None:
            return self.encode(as_ids(given, axis))
        if isinstance(given, list) and given and isinstance(given[0], str):
            shape, flat = (len(given),), given
        else:
            array = np.asarray(given, object)
            shape, flat = array.shape, array.ravel().tolist()
        distinct = _as_texts(flat, axis, self).dictionary_encode()
        codes = self.encode(numbers_of_column(distinct.dictionary))
        there = np.flatnonzero(codes >= 0)
        same = pc.equal(self.texts.take(pa.array(codes[there])), distinct.dictionary.take(pa.array(there)))
        codes[there[~same.to_numpy(zero_copy_only=False)]] = UNKNOWN
        found: Codes = codes[distinct.indices.to_numpy()].reshape(shape)
        return found

    def find_one(self, given: Id, axis: str) -> int:
        """The code of one id; -1 if it is unknown. Raises ConfigError if it is of the other kind, or not one id."""
        code = self.find(given, axis)
        if code.shape:
            raise ConfigError(f"A {axis} id was given as {given!r:.80}; expected one id.")
        return int(code)

    def column(self, codes: Codes) -> pa.Array:
        """The ids of codes as an Arrow column."""
        if self.texts is None:
            return pa.array(self.keys[codes])
        return self.texts.take(pa.array(codes)).cast(pa.string())

    def one(self, code: int) -> Id:
        """The id of a code, as a plain integer or text."""
        return int(self.keys[code]) if self.texts is None else self.texts[int(code)].as_py()

    def parse(self, text: str, axis: str) -> Id:
        """An id that is written as text, such as one of a command line. Raises ConfigError if it is not an integer."""
        return parse_id(text, axis, is_text=self.texts is not None)

    def encode(self, ids: Ids) -> Codes:
        """The codes of keys of any shape, as int32; -1 for an unknown one."""
        if len(self) == 0:
            return np.full(np.shape(ids), UNKNOWN, np.int32)
        first, last = int(self.keys[0]), int(self.keys[-1])
        if last - first >= _TABLE_SPAN * len(self) + 1024:
            place = np.minimum(np.searchsorted(self.keys, ids), len(self) - 1)
            return np.where(self.keys[place] == ids, place, UNKNOWN).astype(np.int32)
        table = self._table(first, last)
        inside = (ids >= first) & (ids <= last)
        return table[np.where(inside, ids - first, last - first + 1)]

    def decode(self, codes: Codes) -> NDArray[Any]:
        """The ids of codes of any shape; every code must be valid."""
        return self.ids[codes]

    def _table(self, first: int, last: int) -> Codes:
        cached: Codes | None = self.__dict__.get("_codes")
        if cached is None:
            # The last entry is for ids outside the range.
            cached = np.full(last - first + 2, UNKNOWN, np.int32)
            cached[self.keys - first] = np.arange(len(self), dtype=np.int32)
            self.__dict__["_codes"] = cached
        return cached
