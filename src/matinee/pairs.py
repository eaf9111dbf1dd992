"""Predictions for a file of pairs: every column kept as it is, in its order, and `prediction` added."""

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from matinee.columns import ALIASES
from matinee.errors import ConfigError, DataError
from matinee.output import is_stdout, writing_to
from matinee.paths import check_place
from matinee.release import Release

PREDICTION = "prediction"
_CHUNK_ROWS = 200_000
# By the number of commas in a line: probe.txt, qualifying.txt, and the ratings themselves.
_NETFLIX_HEADERS = ("movieID,userID\n", "movieID,userID,date\n", "movieID,userID,rating,date\n")
_MOVIE_LINE = re.compile(r"\s*([0-9]+)\s*:\s*")
_GZIP = b"\x1f\x8b"
_DELIMITERS = ",;\t"
_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64 = range(-(2**63), 2**63)


def predict_file(release: Release, pairs: Path, *, out: Path) -> int:
    """Write `out`: the rows of `pairs`, each with its prediction; returns their number.

    `pairs` is a CSV with a header, of commas, semicolons or tabs and perhaps gzipped, or text as the Netflix Prize's
    probe.txt and qualifying.txt, which comes out as a CSV with the movie as its first column. `out` appears once it
    is whole; `-`, a pipe or a device is written to as it stands. Raises ConfigError when a file can't be read or made,
    DataError when a column is missing or an id is no integer (with the line), StoreError when writing `out` fails.
    """
    if not is_stdout(out):
        check_place(out, inputs=[pairs])
    try:
        with _open(pairs) as source:
            lines = _as_csv(_reading(source, pairs))
            first = next(lines, "")
            delimiter = max(_DELIMITERS, key=first.count)
            reader = csv.reader(chain([first], lines), delimiter=delimiter)
            if not first:
                raise DataError(
                    f"{pairs} is empty. Expected a CSV of pairs with a header such as userID,movieID."
                )
            header = next(reader)
            user, movie = (_find(header, side, pairs) for side in ("user", "movie"))
            with writing_to(out, streams=True) as target:
                write = _row_writer(target, delimiter)
                write([[*header, PREDICTION]])
                rows = 0
                for chunk, numbers in _chunks(reader):
                    users = _ids(chunk, user, numbers, pairs, header)
                    movies = _ids(chunk, movie, numbers, pairs, header)
                    scores = release.predict(users, movies)
                    write([*row, f"{score:.4f}"] for row, score in zip(chunk, scores, strict=True))
                    rows += len(chunk)
    except BrokenPipeError:
        raise  # of the output
    except FileNotFoundError:
        raise ConfigError(f"{pairs} is not there.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(
            f"{pairs} could not be read: {getattr(error, 'strerror', None) or error}."
        ) from None
    except csv.Error as error:
        raise DataError(f"{pairs}, line {reader.line_num}: {error}. Expected a CSV of pairs.") from None
    return rows


def _row_writer(target: BinaryIO, delimiter: str) -> Callable[[Iterable[Sequence[str]]], None]:
    """A function that writes rows as CSV, bytes that are not UTF-8 as they came."""

    def write(rows: Iterable[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
        target.write(text.getvalue().encode("utf-8", "surrogateescape"))

    return write


@contextlib.contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        plain = gzip.GzipFile(fileobj=raw) if packed else raw
        with io.TextIOWrapper(plain, "utf-8-sig", "surrogateescape", newline="") as text:
            yield text


def _reading(lines: Iterable[str], path: Path) -> Iterator[str]:
    """The lines of a file, its faults told as its own and not as those of the file that is written meanwhile."""
    try:
        yield from lines
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path} could not be read: {getattr(error, 'strerror', None) or error}.") from None


def _as_csv(source: Iterable[str]) -> Iterator[str]:
    """The lines of a file of pairs, Netflix text turned into CSV line by line, so that lines keep their numbers.

    There, `8:` names the movie of the lines below it, which are a user and perhaps a date.
    """
    lines = iter(source)
    first, second = next(lines, ""), next(lines, "")
    movie = _MOVIE_LINE.fullmatch(first)
    if movie is None:
        yield from (line for line in (first, second) if line)
        yield from lines
        return
    yield _NETFLIX_HEADERS[min(second.count(","), 2)]
    for line in chain([second], lines):
        if found := _MOVIE_LINE.fullmatch(line):
            movie = found
        blank = found or not line.strip()
        yield "\n" if blank else f"{movie[1]},{line}"


def _find(header: Sequence[str], side: str, path: Path) -> int:
    names = ["".join(char for char in name.lower() if char.isalnum()) for name in header]
    found = [place for place, name in enumerate(names) if name in ALIASES[f"{side}_id"]]
    if not found:
        raise DataError(
            f"{path}, line 1: no column for the {side} id among {ascii(', '.join(header))[1:-1]:.200}. "
            f"Expected a header such as userID,movieID."
        )
    return found[0]


def _chunks(reader: Iterator[list[str]]) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Rows by the chunk, with the line each ends on; blank lines are not rows."""
    rows: list[list[str]] = []
    lines: list[int] = []
    for row in reader:
        if row:
            rows.append(row)
            lines.append(reader.line_num)  # type: ignore[attr-defined]
        if len(rows) == _CHUNK_ROWS:
            yield rows, lines
            rows, lines = [], []
    if rows:
        yield rows, lines


def _ids(
    rows: Sequence[Sequence[str]], place: int, lines: Sequence[int], path: Path, header: Sequence[str]
) -> NDArray[np.int64]:
    ids = np.empty(len(rows), np.int64)
    for number, row in enumerate(rows):
        text = row[place].strip() if place < len(row) else ""
        if not _INTEGER.fullmatch(text) or int(text) not in _INT64:
            raise DataError(
                f"{path}, line {lines[number]}, column {header[place]}: found {text!r}, expected an integer id. "
                "Mend or remove the line; no output was written."
            )
        ids[number] = int(text)
    return ids
