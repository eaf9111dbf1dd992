"""Counts what was read of each file, and notes how it was read where that is not plain."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from matinee.errors import DataError
from matinee.formats.manifests import FileCounts
from matinee.ingest.rating_counts import RatingCounts, to_json
from matinee.ingest.reading import parser_kernel as kernel
from matinee.ingest.reading.date_forms import name_form
from matinee.ingest.reading.dialect import Dialect
from matinee.ingest.reading.parser import ParsedPiece
from matinee.settings.ingest import DateOrder

_WRITTEN: Final = {kernel.DAY_FIRST: "day first", kernel.MONTH_FIRST: "month first"}
_DAY_NUMBERS: Final = {
    kernel.DAYS: "days since 1970-01-01",
    kernel.SERIALS: "days of a spreadsheet, which count from 1899-12-30",
}


@dataclass
class FileTally:
    """What was read of one file so far."""

    name: str
    dialect: Dialect
    rows_read: int = 0
    rows: int = 0
    headers: int = 0  # within the file, with other columns
    seen: dict[int, int] = field(default_factory=dict)
    values: RatingCounts = field(default_factory=Counter)  # of a file among others

    def add(self, piece: ParsedPiece, *, rows: int) -> None:
        """Count a piece of the file, `rows` of which were accepted."""
        self.rows_read += piece.rows.stop - piece.rows.start + piece.bads.stop - piece.bads.start
        self.rows += rows
        if piece.span.dialect != self.dialect:
            self.dialect = piece.span.dialect
            self.headers += 1
        for sign in np.flatnonzero(piece.seen).tolist():
            self.seen[sign] = self.seen.get(sign, 0) + int(piece.seen[sign])

    def counts(self, *, left_out: list[str]) -> FileCounts:
        """The file's entry in the manifest."""
        return FileCounts(
            file=self.name,
            rows_read=self.rows_read,
            rows=self.rows,
            left_out=left_out,
            notes=self._notes(),
            dates=name_form(self.dialect.dates) if "date" in self.dialect.columns else "",
            values_read=to_json(self.values),
        )

    def _notes(self) -> list[str]:
        notes = list(self.dialect.remarks)
        if self.dialect.decimal_ids:
            notes.append("ids are written as 113.0 and were read as 113")
        padded = sum(self.seen.get(kernel.PADDED_IDS + side, 0) for side in (kernel.USER, kernel.MOVIE))
        if padded:
            notes.append(
                f"{padded:,} ids have leading zeros or a sign and were read as numbers, so 0101 and 101 are the same; "
                "ingest.ids=text keeps them apart"
            )
        if (
            self.dialect.text_sides
            and self.dialect.names[0] == "column 1"
            and not self.dialect.settings.columns
        ):
            notes.append(f"without a header, its columns are read as {', '.join(self.dialect.columns)}")
        if self.headers:
            notes.append(
                "a header within the file gives the columns in another order, which applies to the rows after it"
            )
        if self.dialect.dates in _WRITTEN and self.seen.keys() & {kernel.FIRST_IS_DAY, kernel.SECOND_IS_DAY}:
            notes.append(f"dates are read with the {_WRITTEN[self.dialect.dates]}")
        if self.dialect.dates in _DAY_NUMBERS:
            notes.append(f"dates are numbers of days and were read as {_DAY_NUMBERS[self.dialect.dates]}")
        if kernel.OVER_LINES in self.seen:
            notes.append("quoted fields contain line ends, so some rows span several lines")
        return notes


def open_order(files: list[FileTally]) -> DateOrder | None:
    """The order of day and month that the files show, where their first lines left it open.

    Returns None if there is nothing to decide, or `month_first` as it was assumed.

    Raises:
        DataError: No date has a day above 12.
    """
    undecided = [file for file in files if file.dialect.order_is_open]
    if not undecided:
        return None
    days, months = (
        sum(file.seen.get(sign, 0) for file in undecided)
        for sign in (kernel.FIRST_IS_DAY, kernel.SECOND_IS_DAY)
    )
    if days == months == 0:
        raise DataError(
            f"{undecided[0].name}: in dates such as 2/3/2003, no day is above 12, so the day or the month may come "
            "first. Set ingest.dates=day_first or ingest.dates=month_first, or ingest.columns=date= to leave dates out."
        )
    return "day_first" if days > months else "month_first"
