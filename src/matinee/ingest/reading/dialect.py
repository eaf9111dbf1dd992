"""The dialect of a rating file: how its lines are split, and which columns are read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.errors.text import shown
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.columns import KINDS
from matinee.ingest.reading.rows import BLANKS, LineForm
from matinee.schemas.delimiters import QUOTABLE
from matinee.settings.ingest import IngestSettings

_LISTED_COLUMNS: Final = 50
_DEFAULTS: Final = IngestSettings()


@dataclass(frozen=True)
class Dialect:
    """The dialect of one file: the arguments of the parser, and the column names for messages."""

    delimiter: str
    names: tuple[str, ...]  # of the file's columns, in order
    columns: Mapping[str, int]  # our column names and their positions in the file
    line_end: int = 10
    skip_bytes: int = 0  # byte order mark, blank lines, comments and header
    skip_lines: int = 0
    netflix: bool = False
    plays: bool = False  # each row is a play, whatever rating stands beside it
    rewritten: int = kernel.AS_THEY_ARE
    dates: int = kernel.SECONDS
    order_is_open: bool = False  # whether the day or the month comes first
    decimal_ids: tuple[str, ...] = ()  # columns whose ids are written as 113.0
    empty_more: bool = False  # rows end with delimiters that the header does not have
    comment: int = kernel.NO_BYTE
    remarks: tuple[str, ...] = ()  # what is unusual in its first lines, for a warning
    settings: IngestSettings = _DEFAULTS

    @property
    def left_out(self) -> list[str]:
        """Names of the columns that are not read; `(unnamed)` for one without a name."""
        read = set(self.columns.values())
        names = [shown(name) or "(unnamed)" for place, name in enumerate(self.names) if place not in read]
        more = len(names) - _LISTED_COLUMNS
        return [*names[:_LISTED_COLUMNS], f"{more:,} more"] if more > 0 else names

    @property
    def text_sides(self) -> list[int]:
        """Which of users and movies have text ids."""
        return [KINDS[name] for name, kind in self.settings.id_kinds.items() if kind == "text"]

    @property
    def form(self) -> LineForm:
        """The delimiter, and how lines are rewritten."""
        return LineForm(self.delimiter, self.rewritten)

    def to_kernel(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The parser's arguments: the dialect's numbers by position, and the kind of each column."""
        numbers = np.zeros(11, np.int64)
        texts = self.text_sides
        numbers[kernel.DELIMITER] = ord(self.delimiter[0])
        numbers[kernel.SECOND] = ord(self.delimiter[1]) if len(self.delimiter) > 1 else kernel.NO_BYTE
        numbers[kernel.QUOTED] = self.delimiter in QUOTABLE and self.form not in BLANKS
        numbers[kernel.LINE_END] = self.line_end
        numbers[kernel.COLUMNS] = len(self.names)
        numbers[kernel.NEEDED] = max(self.columns.values()) + 1
        numbers[kernel.NETFLIX] = self.netflix
        numbers[kernel.DATES] = self.dates
        numbers[kernel.FLOATS] = sum(1 << KINDS[column] for column in self.decimal_ids)
        numbers[kernel.EMPTY_MORE] = self.empty_more
        numbers[kernel.COMMENT] = self.comment
        kinds = np.full(len(self.names), kernel.OTHER, np.int64)
        for column, place in self.columns.items():
            kinds[place] = KINDS[column] + kernel.TEXT * (KINDS[column] in texts)
        return numbers, kinds
