"""Tables of distinct text ids: that of a block gives codes to its rows, that of a partition numbers to the codes."""

import re
import secrets
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.containers.encoding import decode_line
from matinee.errors import DataError
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading import text_kernel
from matinee.schemas.text_ids import collision, numbers_of

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]  # start << PLACE | length
TextCodes = NDArray[np.int32]

PLACE, LONGEST = kernel.PLACE, kernel.LONGEST
_AT_ONCE: Final = 1 << 20  # texts that are copied together: a row group of their table
_FIRST_SIZE: Final = 1 << 11
_SEED: Final = np.uint64(secrets.randbits(64))  # so that nobody can choose texts of one hash


class TextTable:
    """Distinct texts by code, in the order in which they came."""

    def __init__(self) -> None:
        self._slots = np.full(2 * _FIRST_SIZE, -1, np.int32)
        self._hashes = np.empty(_FIRST_SIZE, np.uint64)
        self._ends = np.empty(_FIRST_SIZE, np.int64)
        self._kept = np.empty(16 * _FIRST_SIZE, np.uint8)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, text: Bytes, places: Places) -> TextCodes:
        """The codes of texts that lie at some places; new ones are added."""
        codes = np.empty(len(places), np.int32)
        begin = 0
        while True:
            table = (self._slots, self._hashes, self._kept, self._ends, self._used)
            begin, self._used = text_kernel.code_texts(
                text, places, (PLACE, LONGEST), _SEED, *table, codes, begin
            )
            if begin == len(places):
                return codes
            self._grow(int(places[begin] & LONGEST))

    def _grow(self, length: int) -> None:
        used, end = self._used, int(self._ends[self._used - 1]) if self._used else 0
        if end + length > len(self._kept):
            self._kept = np.concatenate([self._kept[:end], np.empty(max(end, LONGEST), np.uint8)])
        if used == len(self._ends):
            self._hashes = np.concatenate([self._hashes, np.empty(used, np.uint64)])
            self._ends = np.concatenate([self._ends, np.empty(used, np.int64)])
            self._slots = np.full(4 * used, -1, np.int32)
            text_kernel.fill_slots(self._hashes, used, self._slots)

    @property
    def text(self) -> Bytes:
        """The bytes of all texts, one behind the other."""
        return self._kept

    def places(self, first: int = 0) -> Places:
        """Where each text is in `text`, from a code on."""
        ends = self._ends[: self._used]
        starts = np.concatenate([[0], ends])[first:-1]
        places: Places = starts << PLACE | (ends[first:] - starts)
        return places

    def texts(self, first: int = 0) -> list[bytes]:
        """The texts, from a code on."""
        begin = int(self._ends[first - 1]) if first else 0
        kept = self._kept[begin : int(self._ends[self._used - 1]) if self._used else 0].tobytes()
        ends = (self._ends[first : self._used] - begin).tolist()
        return [kept[start:end] for start, end in zip([0, *ends], ends, strict=False)]

    def column(self) -> pa.Array:
        """All texts as an Arrow column, by code."""
        ends = np.concatenate([[0], self._ends[: self._used]])
        buffers = [None, pa.py_buffer(ends), pa.py_buffer(self._kept)]
        raw = pa.Array.from_buffers(pa.large_binary(), self._used, buffers)
        try:
            return raw.cast(pa.large_string())
        except pa.ArrowInvalid:  # a text in another encoding
            return pa.array([_as_utf8(text).decode() for text in self.texts()], pa.large_string())


def code_rows(table: TextTable, text: Bytes, places: Places) -> TextCodes:
    """The codes of the ids of some rows, whose doubled quotes and escapes are resolved."""
    escaped = np.flatnonzero(places & (kernel.DOUBLED | kernel.ESCAPED))
    codes = table.add(text, places)
    if len(escaped):
        whole = [_resolved(text, place) for place in places[escaped].tolist()]
        starts = np.cumsum([0, *map(len, whole)])[:-1]
        lengths = np.array(list(map(len, whole)), np.int64)
        codes[escaped] = table.add(np.frombuffer(b"".join(whole), np.uint8), starts << PLACE | lengths)
    return codes


def _resolved(text: Bytes, place: int) -> bytes:
    start = place >> PLACE
    raw = text[start : start + (place & LONGEST)].tobytes()
    if place & kernel.ESCAPED:
        raw = re.sub(rb"\\(.)", rb"\1", raw)
    return raw.replace(b'""', b'"')


class NumberedTexts:
    """The texts of one side of a partition, each with its number (`matinee.schemas.text_ids`)."""

    def __init__(self) -> None:
        self._table = TextTable()
        self._numbers = np.empty(0, np.int64)

    def numbers(self, texts: TextTable) -> NDArray[np.int64]:
        """The number of each text of a block, by its code."""
        known = len(self._table)
        codes = self._table.add(texts.text, texts.places())
        fresh = self._table.texts(known)
        if fresh:
            self._numbers = np.concatenate([self._numbers, numbers_of(map(_as_utf8, fresh))])
        return self._numbers[codes]

    def number_each(self, texts: list[bytes]) -> NDArray[np.int64]:
        """The number of each of some texts, which have at most LONGEST bytes."""
        table = TextTable()
        lengths = np.array(list(map(len, texts)), np.int64)
        starts = np.cumsum(lengths) - lengths
        codes = table.add(np.frombuffer(b"".join(texts), np.uint8), starts << PLACE | lengths)
        return self.numbers(table)[codes]

    def columns(self, numbers: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], pa.Array]]:
        """Some numbers and their texts, in pieces. Raises DataError if two texts have one number."""
        texts = self._table.column()
        order = np.argsort(self._numbers, kind="stable")
        ranked = self._numbers[order]
        for place in np.flatnonzero(ranked[1:] == ranked[:-1]).tolist():
            one, other = (texts[int(order[place + k])].as_py() for k in (0, 1))
            if one != other:
                raise DataError(collision(one, other))
        for first in range(0, len(numbers), _AT_ONCE):
            part = numbers[first : first + _AT_ONCE]
            yield part, texts.take(pa.array(order[np.searchsorted(ranked, part)]))


def _as_utf8(text: bytes) -> bytes:
    try:
        text.decode()
    except UnicodeDecodeError:
        return decode_line(text).encode()
    return text
