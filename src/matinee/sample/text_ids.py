"""Text ids of a sample, of the kinds that systems have: UUIDs, catalog numbers, numbers with leading zeros.

Each is a function of the number that a sample of the same seed has with integer ids.
"""

import re
import uuid
from functools import cache

import numpy as np

from matinee.splitmix64 import mix

_ROW: re.Pattern[bytes] = re.compile(rb"^(\d+),(\d+)", re.MULTILINE)
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LENGTH = 13  # of an id such as A1B2C3D4E5F6G


@cache
def text_of_user(number: int) -> str:
    """The text id of a user: a UUID, letters and digits, or a number with leading zeros."""
    bits = mix(np.array([number, ~number & 0xFFFFFFFF], np.uint64))
    if number % 3 == 0:
        return str(uuid.UUID(bytes=bits.astype("<u8").tobytes(), version=4))
    if number % 3 == 1:
        return "A" + "".join(_LETTERS[int(bits[0]) // 36**place % 36] for place in range(_LENGTH))
    return f"{number:010}"


@cache
def text_of_movie(number: int) -> str:
    """The text id of a movie, such as tt0000012; every tenth is a number of another catalog."""
    return f"B{number:09}" if number % 10 == 0 else f"tt{number:07}"


def with_text_ids(rows: bytes) -> bytes:
    """Rows `user,movie,...` with text ids."""

    def texts(found: re.Match[bytes]) -> bytes:
        return f"{text_of_user(int(found[1]))},{text_of_movie(int(found[2]))}".encode()

    return _ROW.sub(texts, rows)


def with_text_id(title: str) -> str:
    """A line of titles with a text id; a line without a number stays."""
    number, comma, rest = title.partition(",")
    if not number.isdecimal():
        return title
    return f"{text_of_movie(int(number))}{comma}{rest}"
