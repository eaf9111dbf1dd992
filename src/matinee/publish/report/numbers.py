"""Numbers and text of a user as pages and the terminal show them."""

import re
from collections.abc import Sequence
from typing import Final

from matinee.errors.text import shown

_TEXT_LENGTH: Final = 4_000  # characters of untrusted text
_SMALL: Final = 0.0005
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
    if 10 <= abs(value) < 1e6:
        return f"{value:,.2f}"
    return f"{value:.4f}" if 1e-3 <= abs(value) < 10 else f"{value:.3g}"


def signed(values: Sequence[float]) -> list[str]:
    """Differences with their signs and equally many decimals: four, or six if all are small.

    >>> signed([0.00168, -0.5]), signed([0.000012, 0.0])
    (['+0.0017', '-0.5000'], ['+0.000012', '0'])
    """
    decimals = 4 if max(map(abs, values), default=0) >= _SMALL else 6
    return [f"{value:+.{decimals}f}" if value else "0" for value in values]


def is_number(values: Sequence[object]) -> bool:
    """Whether a column holds numbers, which are aligned on the right."""
    texts = [cell_text(value) for value in values]
    return any(texts) and all(not text or _NUMBER.fullmatch(text) for text in texts)
