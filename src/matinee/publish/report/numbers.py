"""Numbers and text of a user as pages and the terminal show them."""

import math
import re
from collections.abc import Sequence
from typing import Final

from matinee.errors.text import shown

_TEXT_LENGTH: Final = 4_000  # characters of untrusted text
_LEAST, _MOST = 1e-3, 10.0  # the range of figures with four decimals
_NUMBER: Final = re.compile(r"[-+0-9.,]+( ?%)?")


def safe_text(value: object) -> str:
    """Untrusted text on one line, with invisible characters escaped; markup is escaped by the template."""
    return shown(value, _TEXT_LENGTH)


def cell_text(value: object) -> str:
    """A value as a table shows it: four significant digits, or thousands separated by commas.

    >>> [cell_text(value) for value in (1234567, 0.90850, 12.345, 2.0, 0.00012345, None, True)]
    ['1,234,567', '0.9085', '12.35', '2', '0.000123', '', 'yes']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return "" if value is None else safe_text(value)
    if value.is_integer():
        return f"{value:,.0f}"
    if _MOST <= abs(value) < 1e6:
        return f"{value:,.2f}"
    return f"{value:.4f}" if _LEAST <= abs(value) < _MOST else f"{value:.3g}"


def column_texts(values: Sequence[object]) -> list[str]:
    """The cells of a column. Next to figures of four decimals, smaller ones and whole ones have four as well.

    >>> column_texts([0.0021, 0.000297, 0.0, 124]), column_texts([0.000297, 0.0])
    (['0.0021', '0.0003', '0.0000', '124'], ['0.000297', '0'])
    """
    floats = [each for each in values if isinstance(each, float)]
    four = any(_LEAST <= abs(each) < _MOST and not each.is_integer() for each in floats)
    return [
        f"{each:.4f}" if four and isinstance(each, float) and abs(each) < _MOST else cell_text(each)
        for each in values
    ]


def even_texts(values: Sequence[object]) -> list[str]:
    """The values of a setting, all with as many decimals as give the smallest one three digits.

    >>> even_texts([800, 534.8, 1347.2, None]), even_texts([0.1, 0.000297]), even_texts([64, 1024])
    (['800', '535', '1,347', ''], ['0.100000', '0.000297'], ['64', '1,024'])
    """
    sizes = [abs(each) for each in values if isinstance(each, float) and each]
    decimals = max(2 - math.floor(math.log10(min(sizes))), 0) if sizes else 0
    return [
        f"{each:,.{decimals}f}"
        if isinstance(each, int | float) and not isinstance(each, bool)
        else cell_text(each)
        for each in values
    ]


def columns(rows: Sequence[Sequence[object]]) -> list[tuple[list[str], bool]]:
    """The cells of each column of a table, and whether they are numbers."""
    return [(column_texts(values), is_number(values)) for values in zip(*rows, strict=True)]


def is_number(values: Sequence[object]) -> bool:
    """Whether a column holds numbers, which are aligned on the right."""
    texts = column_texts(values)
    return any(texts) and all(not text or _NUMBER.fullmatch(text) for text in texts)
