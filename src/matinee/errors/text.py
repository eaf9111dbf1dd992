r"""Safe output of text that comes from files.

Titles, lines, and names of files, columns and settings may contain control characters, marks that reverse the reading
direction, and spreadsheet formulas. All text for people passes `shown`, which escapes them.

>>> shown("plain, also é and 日本")
'plain, also é and 日本'
>>> print(shown("red\x1b[31m and\na line of its own"))
red\x1b[31m and\na line of its own
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

FOREIGN_LENGTH: Final = 200  # maximum characters of a name, a cell or a line that is quoted in a sentence
_PASSWORD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*:/{1,3}[^\s/:@]*:)\S*@")  # of an address
# An option of an address, such as JDBC's.
_OPTION: Final = re.compile(r"([?&;](?:password|pwd)=)[^\s&;]*", re.IGNORECASE)
_places: dict[str, tuple[re.Pattern[str], str]] = {}  # folders of copies, and what they are copies of
_SMALL: Final = 0.0005  # four decimals leave smaller numbers one digit or none
_LOST: Final = 0.00005  # four decimals round smaller numbers to zero
_MOST_DECIMALS: Final = 6
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")  # a cell that starts with one of these is a formula (OWASP)


def shown(text: object, limit: int = FOREIGN_LENGTH) -> str:
    r"""Text as one printable line; text longer than `limit` is cut, and its length is added.

    Characters that are not printable are escaped as Python does it: `\x1b`, `\n`, `\u202e`, and `\udcff` for a byte of
    a file name that is not UTF-8. Blanks of all kinds are kept. The password in an address is replaced by `***`.
    """
    whole = str(text)
    for folder, (pattern, place) in _places.items():
        if folder in whole:
            whole = pattern.sub(place, whole)
    if ":/" in whole and "@" in whole:
        whole = _PASSWORD.sub(r"\1***@", whole)
    if ":/" in whole and "=" in whole:
        whole = _OPTION.sub(r"\1***", whole)
    line = whole[:limit]
    if not line.isprintable():
        line = "".join(char if _is_plain(char) else _escaped(char) for char in line)
    return line if len(whole) <= limit else f"{line}… ({len(whole):,} characters)"


def first_of(names: Sequence[str], most: int) -> str:
    """At most so many names, and how many others there are.

    >>> first_of(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def show_as(folder: Path, place: str, *, with_files: bool) -> None:
    """Show an address, such as `s3://bucket`, for the folder of this host that has copies of what is there.

    Args:
        folder: The folder.
        place: The address.
        with_files: Whether paths below the folder are shown as addresses too.
    """
    end = "" if with_files else r"(?![/\w])"
    _places[str(folder)] = re.compile(re.escape(str(folder)) + end), place.replace("\\", "\\\\")


def json_line(value: Any, encoding: str = "utf-8") -> str:
    """A value as one line of JSON. All of it is escaped if a character can't be shown or encoded."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return json.dumps(value)
    return line if all(map(_is_plain, line)) else json.dumps(value)


def spreadsheet_cell(text: str) -> str:
    """A cell for a spreadsheet: an apostrophe is put before text that would be a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _is_plain(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def minute(time: str) -> str:
    """A time without its seconds.

    >>> minute("2026-11-27T11:24:31+00:00")
    '2026-11-27 11:24 UTC'
    """
    return f"{time[:16].replace('T', ' ')} UTC" if time.endswith("+00:00") else time


def signed(values: Sequence[float]) -> list[str]:
    """Differences with their signs and equally many decimals.

    These are four; six if all are below .0005 or one would round to zero. What six decimals round to zero is "0".

    >>> signed([0.00168, -0.5]), signed([0.000012, 0.0]), signed([-0.00001, 0.002])
    (['+0.0017', '-0.5000'], ['+0.000012', '0'], ['-0.000010', '+0.002000'])
    >>> signed([1e-9, 0.1])
    ['0', '+0.1000']
    """
    sizes = [abs(value) for value in values if round(value, _MOST_DECIMALS)]
    decimals = 4 if max(sizes, default=0) >= _SMALL and min(sizes) >= _LOST else _MOST_DECIMALS
    return [f"{value:+.{decimals}f}" if round(value, _MOST_DECIMALS) else "0" for value in values]
