"""Ids that are text: inside Matinee each is a number of 63 bits, the same in every dataset and on every machine.

The number of a text is the BLAKE2b hash (RFC 7693, digest of 8 bytes) of its UTF-8 bytes, read as a little-endian
integer without its highest bit. Two texts with one number are found wherever texts are collected, and are an error.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.schemas.delimiters import pattern

_WHITE: Final = r"\s\""
LONGEST: Final = 255  # bytes of a text id
_LOW_BITS: Final = np.uint64(2**63 - 1)
_DELIMITERS: Final = re.compile(pattern())
_WORDS: Final = re.compile(f"{pattern(_WHITE)}+")
_QUOTED: Final = re.compile(r'"((?:[^"]|"")*)"')
_ESCAPED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BLANKS: Final = " \t\r\ufeff\xa0"
_AROUND: Final = " \t\r\n\"'=\ufeff\xa0"


def number_of(text: str) -> int:
    """The number of one text.

    >>> number_of("tt0114508")
    173699350030438307
    """
    return int(numbers_of([text.encode()])[0])


def numbers_of(texts: Iterable[bytes]) -> NDArray[np.int64]:
    """The number of each text, given as UTF-8."""
    digests = b"".join([hashlib.blake2b(text, digest_size=8).digest() for text in texts])
    return (np.frombuffer(digests, "<u8") & _LOW_BITS).astype(np.int64)


def numbers_of_column(texts: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """The number of each text of an Arrow column; each distinct text is hashed once."""
    whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
    distinct = whole.dictionary_encode()
    numbers = numbers_of(text.encode() for text in distinct.dictionary.to_pylist())
    each: NDArray[np.int64] = numbers[distinct.indices.to_numpy()]
    return each


def collision(one: str, other: str) -> str:
    """What to say of two texts with one number."""
    return (
        f"The ids {one!r} and {other!r} have the same 63-bit number ({number_of(one)}), by which text ids are known "
        "inside a store. Expected different numbers: rename one of the two in the source files."
    )


def bare_id(field: str) -> str:
    """An id without what is not part of it: blanks around it, and `="..."` as spreadsheets write it.

    >>> [bare_id(field) for field in (' tt1 ', '="0101"', "=x")]
    ['tt1', '0101', '=x']
    """
    text = field.strip(_BLANKS)
    return text[2:-1] if text.startswith('="') and text.endswith('"') and len(text) > 2 else text


def ids_within(text: str) -> set[str]:
    """All parts of a line that may be a text id: its fields and its words.

    >>> 'a"b' in ids_within('"a""b",1'), 'a"b' in ids_within(r'"a\"b",1')
    (True, True)
    """
    doubled = [part.replace('""', '"') for part in _QUOTED.findall(text)]
    escaped = [part.replace('\\"', '"').replace("\\\\", "\\") for part in _ESCAPED.findall(text)]
    parts = (*_DELIMITERS.split(text), *_WORDS.split(text), *_QUOTED.findall(text), *doubled, *escaped)
    return {bare for part in parts for bare in (part.strip(), part.strip(_AROUND)) if bare}


def spellings(text: str) -> set[str]:
    """How a line may have an id: as it is, or with quotes and backslashes as files escape them.

    >>> sorted(spellings('a"b'))
    ['a""b', 'a"b', 'a\\\\"b']
    """
    quoted = text.replace('"', '\\"')
    return {text, text.replace('"', '""'), quoted, text.replace("\\", "\\\\").replace('"', '\\"')}
