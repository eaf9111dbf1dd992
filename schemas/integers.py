"""Integers of 64 bits from text: ASCII digits with a sign, as the compiled parser of ratings reads them."""

import re
from typing import Final

_INTEGER: Final = re.compile(r"[+-]?0*([0-9]{1,19})")
_INT64: Final = range(-(2**63), 2**63)


def parse_int64(text: str) -> int | None:
    """The integer that a text is, or None: no blanks, no underscores, no digits of other scripts, at most 64 bits.

    >>> parse_int64("+0042"), parse_int64("1_0"), parse_int64("٣"), parse_int64("9" * 5000)
    (42, None, None, None)
    """
    found = _INTEGER.fullmatch(text)
    if found is None:
        return None
    value = -int(found[1]) if text.startswith("-") else int(found[1])
    return value if value in _INT64 else None
