"""The delimiters of text files, for their readers and for searches of ids in their lines."""

import re
from typing import Final

# By the names that `ingest.delimiter` takes; the usual ones first.
DELIMITERS: Final = {",": ",", ";": ";", "tab": "\t", "|": "|", "::": "::"}
# Of them, those whose fields may be in double quotes.
QUOTABLE: Final = (",", ";", "\t")
# The ones that are rare in other texts first.
RARE_FIRST: Final = tuple(reversed(DELIMITERS.values()))
ONE_BYTE: Final = tuple(each for each in DELIMITERS.values() if len(each) == 1)
_LONGER: Final = tuple(re.escape(each) for each in DELIMITERS.values() if len(each) > 1)


def pattern(more: str = "") -> str:
    """A regular expression of one delimiter, or of one of a class of characters.

    Args:
        more: Further characters of the class, escaped.

    >>> re.split(pattern(), "1::2;3"), re.split(pattern(" "), "1 2")
    (['1', '2', '3'], ['1', '2'])
    """
    one_byte = re.escape("".join(ONE_BYTE))
    return f"(?:{'|'.join([f'[{one_byte}{more}]', *_LONGER])})"
