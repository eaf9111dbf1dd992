"""The delimiters of text files: the only list of them, so that no reader, and no search for an id, misses one."""

import re
from typing import Final

# By the names that `ingest.delimiter` takes; the usual ones first.
DELIMITERS: Final = {",": ",", ";": ";", "tab": "\t", "|": "|", "::": "::"}
# Of them, those whose fields may be in double quotes.
QUOTABLE: Final = (",", ";", "\t")
# The ones that are rare in other texts first.
RARE_FIRST: Final = tuple(reversed(DELIMITERS.values()))
ONE_BYTE: Final = tuple(each for each in DELIMITERS.values() if len(each) == 1)
_LONGER: Final = tuple(each for each in DELIMITERS.values() if len(each) > 1)


def pattern(more: str = "") -> str:
    """A regular expression of one delimiter, or of one of a class of characters.

    Args:
        more: Further characters of the class, escaped.

    >>> re.split(pattern(), "1::2;3"), re.split(pattern(" "), "1 2")
    (['1', '2', '3'], ['1', '2'])
    """
    return f"(?:[{re.escape(''.join(ONE_BYTE))}{more}]|{'|'.join(map(re.escape, _LONGER))})"
