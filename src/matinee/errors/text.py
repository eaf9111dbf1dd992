r"""Text that leaves the program: what other people wrote is shown, never obeyed.

Titles, names of files, members, columns and settings, and lines of a file may hold control characters, which a
terminal obeys, marks that turn the reading direction, and anything that a spreadsheet takes for a formula. All text on
its way to a person passes `shown`.

>>> shown("plain, also é and 日本")
'plain, also é and 日本'
>>> print(shown("red\x1b[31m and\na line of its own"))
red\x1b[31m and\na line of its own
"""

import json
import unicodedata
from typing import Any, Final

FOREIGN_LENGTH: Final = 200  # characters of a name, a cell or a line of a file within a sentence
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")  # the first characters that make a formula of a cell (OWASP)


def shown(text: object, limit: int = FOREIGN_LENGTH) -> str:
    r"""Text as one line that shows what it is; where it is longer than `limit` it is cut, and its length told.

    Whatever is not printable stands there as Python escapes it: `\x1b`, `\n`, `\u202e`, and `\udcff` for a byte of a
    file name that is not UTF-8. The other kinds of blanks stay.
    """
    whole = str(text)
    line = whole[:limit]
    if not line.isprintable():
        line = "".join(char if _is_plain(char) else _escaped(char) for char in line)
    return line if len(whole) <= limit else f"{line}… ({len(whole):,} characters)"


def json_line(value: Any, encoding: str = "utf-8") -> str:
    """A value as one line of JSON: exact, with escapes throughout where a character can't be shown or encoded."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return json.dumps(value)
    return line if all(map(_is_plain, line)) else json.dumps(value)


def spreadsheet_cell(text: str) -> str:
    """A cell of a table that people open in a spreadsheet: an apostrophe keeps it from being taken for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _is_plain(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
