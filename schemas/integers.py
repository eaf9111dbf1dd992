"""Parses 64-bit integers: ASCII digits with an optional sign, as the compiled rating parser does."""

import re
from typing import Final

_INTEGER: Final = re.compile(r"[+-]?0*([0-9]{1,19})")
_INT64: Final = range(-(2**63), 2**63)


def parse_int64(text: str) -> int | None:
    """The integer in a text, or None. Blanks, underscores, other scripts and more than 64 bits are refused.

    >>> parse_int64("+0042"), parse_int64("1_0"), parse_int64("٣"), parse_int64("9" * 5000)
    (42, None, None, None)
    """
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    value = -int(found[1]) if text.startswith("-") else int(found[1])
    return value if value in _INT64 else None
