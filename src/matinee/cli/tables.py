"""Tables in the columns of a terminal."""

from collections.abc import Sequence
from typing import Final

from matinee.errors.text import shown

_GAP: Final = "  "
_LEAST: Final = 20  # characters of a last column that is cut


def table_lines(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, optional: Sequence[str] = ()
) -> list[str]:
    """A table with a header. A last column that does not fit is cut.

    Args:
        header: A name per column.
        rows: The cells.
        width: Columns of the terminal.
        optional: Names of columns that are left out on a narrow terminal, the first ones first.

    Returns:
        The lines; none without rows.
    """
    if not rows:
        return []
    table = [list(header), *([shown(cell) for cell in row] for row in rows)]
    for name in optional:
        if _room(table, width) < min(_LEAST, _widths(table)[-1]):
            place = table[0].index(name)
            for row in table:
                del row[place]
    sizes, room = _widths(table)[:-1], max(_room(table, width), 1)
    return [
        _GAP.join(
            [*(cell.ljust(size) for cell, size in zip(row, sizes, strict=False)), _cut(row[-1], room)]
        ).rstrip()
        for row in table
    ]


def _widths(table: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*table, strict=True)]


def _room(table: Sequence[Sequence[str]], width: int) -> int:
    """What the other columns leave for the last one."""
    return width - sum(size + len(_GAP) for size in _widths(table)[:-1])


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: room - 1]}…"
