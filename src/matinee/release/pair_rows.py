"""Reads files of pairs: strict CSV with one row per line, in bounded memory. Errors name line and column."""

import contextlib
import csv
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinee.containers import FAULTS, Meter, unpack
from matinee.containers.member import AsFile
from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown
from matinee.release.pair_lines import BLANKS, Maps, parse_integer_id, parse_text_id, read_lines
from matinee.schemas.headers import ALIASES, USUAL, plain_name
from matinee.settings.ingest import IngestSettings
from matinee.store.file_kinds import refuse_other_kinds

_CHUNK_ROWS: Final = 200_000
_CHUNK_CHARS: Final = 1 << 26
_HEAD_BYTES: Final = 1 << 16
_EXPECTED: Final = "a CSV of pairs with a header such as userID,movieID"


@dataclass(frozen=True)
class PairRows:
    """Some rows of a file, as text and as ids."""

    cells: list[list[str]]
    users: NDArray[np.int64] | list[str]
    movies: NDArray[np.int64] | list[str]


class PairsFile:
    """An open file of pairs: its delimiter, its header, and its rows in chunks.

    Raises DataError if it is not a CSV of pairs, ConfigError if it can't be read.
    """

    def __init__(
        self,
        path: Path,
        raw: io.BufferedReader,
        settings: IngestSettings,
        *,
        ids: Maps,
    ) -> None:
        self._label = shown(path, 4096)
        self._texts = [axis for axis, known in ids.items() if known.texts is not None]
        text = _Text(path.name, raw, self._label, settings)
        self._lines = _Lines(text, self._label, settings)
        self.delimiter, lines, above = read_lines(self._lines, ids, self._label)
        self._shift = text.line_shift + above
        first = next(lines, "")
        if not first:
            raise DataError(f"{self._label} is empty. Expected {_EXPECTED}.")
        self._held: list[str] = []  # lines of the row that is read
        watched = self._watch(chain([first], lines))
        self._reader = csv.reader(watched, delimiter=self.delimiter, strict=True)
        self.header = next(self._strictly())[1]
        place = f"{self._label}, line {max(self._shift, 0) + 1}"
        self._user, self._movie = (_find(self.header, axis, place) for axis in ("user", "movie"))

    def chunks(self) -> Iterator[PairRows]:
        """Chunks of the rows that are not blank, in order."""
        cells: list[list[str]] = []
        numbers: list[int] = []
        begin = self._lines.chars
        for number, row in self._strictly():
            if not row or (len(row) == 1 and not row[0].strip(BLANKS)):
                continue
            cells.append(row)
            numbers.append(number)
            if len(cells) == _CHUNK_ROWS or self._lines.chars - begin > _CHUNK_CHARS:
                yield self._typed(cells, numbers)
                cells, numbers, begin = [], [], self._lines.chars
        if cells:
            yield self._typed(cells, numbers)

    def _strictly(self) -> Iterator[tuple[int, list[str]]]:
        """The rows with their line numbers.

        Raises DataError if a row is not valid CSV, or if it does not end with its line.
        """
        reader, held = self._reader, self._held
        number = reader.line_num
        while True:
            held.clear()
            number += 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise self._no_row(number + self._shift, held, str(error)) from None
            if row is None:
                return
            if reader.line_num != number:
                fault = "a quote opens and does not close on the line"
                raise self._no_row(number + self._shift, held, fault)
            yield number + self._shift, row

    def _watch(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._held.append(line)
            yield line

    def _no_row(self, number: int, held: Sequence[str], fault: str) -> DataError:
        line = held[0] if held else ""
        place = _open_field(line, self.delimiter)
        if place is not None:
            fault = f"column {place + 1}: a quote opens and does not close on the line"
        return DataError(
            f"{self._label}, line {number:,}, {fault}, in '{shown(line.rstrip(), 80)}'. Expected one row per line, "
            "with doubled quotes inside quotes. Correct the line; no output was written."
        )

    def _typed(self, cells: list[list[str]], numbers: Sequence[int]) -> PairRows:
        users, movies = (
            [parse_text_id(row[place]) if place < len(row) else "" for row in cells]
            if axis in self._texts
            else self._ids(cells, place, numbers)
            for axis, place in (("user", self._user), ("movie", self._movie))
        )
        for number, row in zip(numbers, cells, strict=True):
            if len(row) != len(self.header):
                raise DataError(
                    f"{self._label}, line {number:,}: found {len(row):,} fields, expected {len(self.header):,} as in "
                    "the header. Correct or remove the line; no output was written."
                )
        return PairRows(cells, users, movies)

    def _ids(self, rows: Sequence[Sequence[str]], place: int, numbers: Sequence[int]) -> NDArray[np.int64]:
        ids = np.empty(len(rows), np.int64)
        for k, row in enumerate(rows):
            text = row[place].strip(BLANKS) if place < len(row) else ""
            value = parse_integer_id(text)
            if value is None:
                raise DataError(
                    f"{self._label}, line {numbers[k]:,}, column {shown(self.header[place])}: found "
                    f"{shown(ascii(text), 80)}, expected an integer id. Correct or remove "
                    "the line; no output was written."
                )
            ids[k] = value
        return ids


class _Lines:
    """The lines of a text with limits; `chars` counts the characters that were read."""

    def __init__(self, text: "_Text", label: str, settings: IngestSettings) -> None:
        self._text = text
        self._label = label
        self._longest = settings.max_line_mb << 20
        self.chars = 0

    def __iter__(self) -> Iterator[str]:
        number = self._text.line_shift
        while line := self._text.readline(self._longest + 1):
            number += 1
            if len(line) > self._longest:
                raise DataError(
                    f"{self._label}, line {number:,} is longer than {self._longest >> 20} MB (ingest.max_line_mb). "
                    f"Expected {_EXPECTED}; check that it is the right file."
                )
            if "\0" in line:
                raise DataError(
                    f"{self._label}, line {number:,} contains a NUL byte. Expected {_EXPECTED}, as UTF-8 text. Check "
                    "that it is the right file and complete."
                )
            self.chars += len(line)
            yield line


class _Text:
    """The text of a file, or of the only file in an archive. Bytes that are not UTF-8 are kept. A pipe works too.

    Errors of reading are ConfigErrors that name the file, so that they are not mistaken for errors of the output.
    """

    def __init__(self, name: str, raw: io.BufferedReader, label: str, settings: IngestSettings) -> None:
        self._label = label
        status = os.fstat(raw.fileno())
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        self._members = unpack(raw, name, Meter(label, size, settings, every_column=True))
        with self._reading():
            member = next(self._members, None)
        if member is None:
            raise DataError(f"{label} is an archive without a file. Expected {_EXPECTED}.")
        self.line_shift = member.line_shift
        refuse_other_kinds(member.head, label, expected=_EXPECTED, packings=(".gz", ".zip", "Parquet"))
        buffered = io.BufferedReader(AsFile(member), _HEAD_BYTES)
        self._text = io.TextIOWrapper(buffered, "utf-8-sig", "surrogateescape", newline="")
        self._name = member.name

    def readline(self, most: int) -> str:
        """The next line, cut to `most` characters; empty at the end. Raises DataError if there is a second file."""
        with self._reading():
            line = self._text.readline(most)
            other = None if line else next(self._members, None)
        if other is not None:
            raise DataError(
                f"{self._label} contains several files, such as {shown(self._name)} and {shown(other.name)}. Expected "
                "one file of pairs: unpack it, and give that. No output was written."
            )
        return line

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            why = getattr(error, "strerror", None) or shown(error)
            raise ConfigError(f"{self._label} could not be read: {why}.") from None


def _find(header: Sequence[str], axis: str, place: str) -> int:
    plain = [plain_name(name) for name in header]
    for known in (USUAL, ALIASES):
        found = [at for at, name in enumerate(plain) if name in known[f"{axis}_id"]]
        if found:
            break
    if not found:
        raise DataError(
            f"{place}: no column for the {axis} id among {shown(', '.join(header))}. Expected a header such as "
            f"userID,movieID, delimited by , ; | :: tabs or blanks. Rename the column with the ids to {axis}ID."
        )
    if len(found) > 1:
        names = " and ".join(f"'{shown(header[at], 80)}' (column {at + 1})" for at in found[:2])
        raise DataError(f"{place}: either of {names} may be the {axis} id. Rename or remove one of them.")
    return found[0]


def _open_field(line: str, delimiter: str) -> int | None:
    """The first field whose quote does not close, or None."""
    i, place = 0, 0
    line = line.rstrip("\r\n")
    while True:
        if line.startswith('"', i):
            i = line.find('"', i + 1)
            while i >= 0 and line.startswith('"', i + 1):
                i = line.find('"', i + 2)
            if i < 0:
                return place
        i = line.find(delimiter, i)
        if i < 0:
            return None
        i, place = i + 1, place + 1
