"""Streams the rating files of a sample: all cores draw blocks of users, which are written as text in order.

A block depends only on the seed and its number, so the bytes do not depend on the number of cores, and memory does not
grow with the file.
"""

import math
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from matinee.sample.dirt import Dirt, bad_row
from matinee.sample.kernels import BIAS_BINS, Drawn, PlantedUsers, RatingRows, draw_block, format_rows
from matinee.sample.planted import FIRST_DATE, Planted, day_texts
from matinee.sample.tables import TableFormat, open_table, schema_of, table_of
from matinee.sample.text_ids import with_text_ids
from matinee.store import progress
from matinee.store.system import available_cores

HEADER = b"userID,movieID,rating,date\n"

_USERS_PER_BLOCK = 256  # part of what a seed means: another number, another sample
_ROWS_PER_PIECE = 1 << 17  # of Netflix text; part of what a seed means where rows are dirty
_ROWS_PER_FILE = 26_000_000  # of Netflix text, which are sorted in memory
_NETFLIX_FILES = 4
_CSV = -1  # no section
_DATES = np.array([list(text.encode()) for text in day_texts()], np.uint8)

_RATING = re.compile(rb",[1-5],(?=\d{4}-)|,rating,(?=date)")  # what a row of plays lacks; the date follows

_Result = TypeVar("_Result")


@dataclass
class SampleStatistics:
    """Sums over the clean rows of a sample, in the order of blocks, from which its statistics are computed."""

    movies: int
    ratings: NDArray[np.int64] = field(default_factory=lambda: np.zeros(6, np.int64))
    bins: NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, BIAS_BINS), np.int64))
    squares: float = 0.0
    rated: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.rated = np.zeros(self.movies, np.bool_)

    def add(self, drawn: Drawn) -> None:
        """Add a block."""
        self.ratings += np.bincount(drawn.rating, minlength=6)
        self.bins += drawn.bins
        self.squares += drawn.squares
        self.rated[drawn.movie] = True

    @property
    def mean_rating(self) -> float:
        """The mean rating."""
        return float(self.ratings @ np.arange(6) / self.ratings.sum())

    @property
    def best_rmse(self) -> float:
        """RMSE of the expected rating, given the ground truth, over exactly these rows."""
        return math.sqrt(self.squares / self.ratings.sum())

    @property
    def bias_only_rmse(self) -> float:
        """RMSE of the best function of mean + user bias + movie bias: the mean rating of each narrow bin of it."""
        rows, sums = self.bins[:, self.bins[0] > 0]
        return math.sqrt((self.ratings @ np.arange(6) ** 2 - np.sum(sums**2 / rows)) / self.ratings.sum())

    @property
    def global_mean_rmse(self) -> float:
        """RMSE of the mean rating."""
        return math.sqrt(self.ratings @ (np.arange(6) - self.mean_rating) ** 2 / self.ratings.sum())


def write_csv(
    path: Path, planted: Planted, *, dirt: Dirt, plays: bool = False, text_ids: bool = False
) -> SampleStatistics:
    """Write one CSV file: users in blocks, the rows of a block in random order; without the ratings for `plays`."""
    statistics = SampleStatistics(len(planted.movies.weight))
    first_rows = _first_rows(planted)

    def write_block(block: int) -> tuple[Drawn, bytes]:
        drawn = _draw(planted, block)
        user_id = planted.user_ids[drawn.user + block * _USERS_PER_BLOCK]
        rows = RatingRows(user_id, drawn.movie + np.int32(1), drawn.rating, drawn.day)
        text = _as_text(rows, dirt, first_row=first_rows[block], section=_CSV)
        text = with_text_ids(text) if text_ids else text
        return drawn, _RATING.sub(b",", text) if plays else text

    with path.open("wb") as out:
        out.write(_RATING.sub(b",", HEADER) if plays else HEADER)
        for drawn, text in _in_order(write_block, len(first_rows)):
            statistics.add(drawn)
            out.write(text)
            progress.advance(len(drawn.day))
    return statistics


def write_table(
    path: Path, planted: Planted, kind: TableFormat, *, text_ids: bool = False
) -> SampleStatistics:
    """Write the rows of `write_csv`, in the same order, as a file of another format."""
    statistics = SampleStatistics(len(planted.movies.weight))
    schema = schema_of(text_ids=text_ids)

    def draw(block: int) -> tuple[Drawn, pa.Table]:
        drawn = _draw(planted, block)
        user_id = planted.user_ids[drawn.user + block * _USERS_PER_BLOCK]
        rows = RatingRows(user_id, drawn.movie + np.int32(1), drawn.rating, drawn.day)
        return drawn, table_of(rows, schema)

    with open_table(path, kind, schema) as write:
        for drawn, table in _in_order(draw, len(_first_rows(planted))):
            statistics.add(drawn)
            write(table)
            progress.advance(len(drawn.day))
    return statistics


def write_netflix(folder: Path, planted: Planted, *, dirt: Dirt) -> SampleStatistics:
    """Write `combined_data_1.txt` and on: movies ascending, each file a range of them.

    All ratings are drawn once per file, which keeps those of its movies: this is cheaper than sorting on disk.
    """
    movies, ratings = len(planted.movies.weight), int(planted.users.ratings.sum())
    statistics = SampleStatistics(movies)
    files = min(movies, max(_NETFLIX_FILES, math.ceil(ratings / _ROWS_PER_FILE)))
    first_row = 0
    for number in range(files):
        low, high = movies * number // files, movies * (number + 1) // files
        path = folder / f"combined_data_{number + 1}.txt"
        rows = _rows_of_movies(planted, low, high, statistics=None if number else statistics)
        progress.reach(first_row)
        with path.open("wb") as out:
            out.writelines(_netflix_texts(rows, dirt, first_row=first_row))
        first_row += len(rows.day)
        del rows  # before the next ones are drawn
    return statistics


def _first_rows(planted: Planted) -> list[int]:
    """The number of each block's first row."""
    ends = np.cumsum(planted.users.ratings)[_USERS_PER_BLOCK - 1 : -1 : _USERS_PER_BLOCK]
    return [0, *ends.tolist()]


def _draw(planted: Planted, block: int) -> Drawn:
    here = slice(block * _USERS_PER_BLOCK, (block + 1) * _USERS_PER_BLOCK)
    every = planted.users
    users = PlantedUsers(every.ratings[here], every.score[here], every.taste[here], every.since[here])
    seed = np.random.SeedSequence([planted.seed, block]).generate_state(1, np.uint64)[0]
    return draw_block(seed, users, planted.movies, planted.law)


def _in_order(work: Callable[[int], _Result], count: int) -> Iterator[_Result]:
    """Results of `work` for 0 to `count` - 1, in order; a few run at any time."""
    threads = available_cores()
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for number in range(count):
            waiting.append(pool.submit(work, number))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _rows_of_movies(
    planted: Planted, low: int, high: int, *, statistics: SampleStatistics | None
) -> RatingRows:
    """All ratings of the movies `low` to `high` - 1, by movie; `statistics` counts the rows of the other movies too."""
    parts: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8], NDArray[np.int16]]] = []
    for block, drawn in enumerate(_in_order(partial(_draw, planted), len(_first_rows(planted)))):
        if statistics is not None:
            statistics.add(drawn)
        here = np.flatnonzero((drawn.movie >= low) & (drawn.movie < high))
        user = drawn.user[here] + np.int32(block * _USERS_PER_BLOCK)
        parts.append((user, drawn.movie[here], drawn.rating[here], drawn.day[here]))
    user, movie, rating, day = (np.concatenate(column) for column in zip(*parts, strict=True))
    del parts
    narrow = (movie - low).astype(np.uint16 if high - low <= 1 << 16 else np.uint32)  # 16 bits sort by radix
    order = np.argsort(narrow, kind="stable")
    return RatingRows(planted.user_ids[user[order]], movie[order] + np.int32(1), rating[order], day[order])


def _netflix_texts(rows: RatingRows, dirt: Dirt, *, first_row: int) -> Iterator[bytes]:
    def write_piece(number: int) -> bytes:
        start = number * _ROWS_PER_PIECE
        here = slice(start, start + _ROWS_PER_PIECE)
        piece = RatingRows(rows.user_id[here], rows.movie_id[here], rows.rating[here], rows.day[here])
        open_section = int(rows.movie_id[start - 1]) if start else 0
        return _as_text(piece, dirt, first_row=first_row + start, section=open_section)

    return _in_order(write_piece, math.ceil(len(rows.day) / _ROWS_PER_PIECE))


def _as_text(rows: RatingRows, dirt: Dirt, *, first_row: int, section: int) -> bytes:
    """Rows as the bytes of a file, including the bad rows between them."""
    written, starts = format_rows(rows, _DATES, section)
    text = written.data
    chance = Random(f"rows {dirt.seed} {first_row}")  # nosec B311 # sample data, the same for a seed; no secret
    codes = dirt.among(first_row, first_row + len(starts))
    pieces: list[bytes | memoryview] = []
    done = 0
    for place, code in zip(sorted(chance.randrange(len(starts)) for _ in codes), codes, strict=True):
        # In Netflix text the movie is that of the section, so the row that follows is the one to spoil.
        source = chance.randrange(len(starts)) if section == _CSV else place
        fields = _fields(rows, source, with_movie=section == _CSV)
        line = bad_row(code, chance, row=fields, is_before=place <= source)
        pieces += [text[done : starts[place]], f"{line}\n".encode()]
        done = starts[place]
    return b"".join([*pieces, text[done:]])


def _fields(rows: RatingRows, row: int, *, with_movie: bool) -> dict[str, str]:
    """A row's fields by name, in the order of the file."""
    date = str(FIRST_DATE + timedelta(int(rows.day[row])))
    movie = {"movie": str(rows.movie_id[row])} if with_movie else {}
    return {"user": str(rows.user_id[row]), **movie, "rating": str(rows.rating[row]), "date": date}
