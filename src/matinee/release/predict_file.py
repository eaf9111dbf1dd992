"""Predictions for a file of pairs. All columns are kept in their order, and `prediction` is added."""

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import numpy as np

from matinee.errors import ConfigError
from matinee.release.answers import Release
from matinee.release.code_predictions import predict_codes
from matinee.release.idmap import IdMap
from matinee.release.pair_lines import PairColumn
from matinee.release.pair_rows import PairsFile
from matinee.release.plays import no_predictions
from matinee.settings.ingest import IngestSettings
from matinee.store import progress
from matinee.store.output import is_stdout, writing_to
from matinee.store.paths import check_place

PREDICTION: Final = "prediction"
_DEFAULTS: Final = IngestSettings()


class PredictedRows(NamedTuple):
    """Numbers of rows: all, those of users that the release does not know, and those of movies."""

    rows: int
    unknown_user: int
    unknown_movie: int


def predict_file(
    release: Release, pairs: Path, *, out: Path, settings: IngestSettings = _DEFAULTS
) -> PredictedRows:
    """Write the rows of a file of pairs with a prediction each.

    Args:
        release: The release to ask.
        pairs: A table with a header, delimited like ratings, or without one: user, movie, rating, date. Parquet, Arrow
            or JSON lines; packed and encoded like ratings. Or text like probe.txt and qualifying.txt of the Netflix
            Prize, which becomes a CSV with the movie as its first column.
        out: The output, which appears when it is complete. `-`, a pipe or a device is written to directly.
        settings: Their limits apply.

    Returns:
        The number of rows, and of those with an unknown user or movie.

    Raises:
        ConfigError: A file can't be read or created.
        DataError: A column is missing, a row is not strict CSV, or an id is not an integer; with the line.
        ReleaseError: The release was trained on plays.
        StoreError: Writing `out` failed.
    """
    if not release.predicts:
        raise no_predictions(release.version)
    if not is_stdout(out):
        check_place(out, inputs=[pairs])
    try:
        with pairs.open("rb") as raw:
            size = os.fstat(raw.fileno()).st_size
            progress.begin("predicting", total=size, unit="bytes")
            progress.follow(raw, size)
            maps: dict[PairColumn, IdMap] = {"user": release.users, "movie": release.movies}
            source = PairsFile(pairs, raw, settings, ids=maps)
            with writing_to(out, streams=True) as target:
                return _predict_rows(release, source, target)
    except BrokenPipeError:
        raise  # of the output
    except FileNotFoundError:
        raise ConfigError(f"{pairs} does not exist. Check the path.") from None
    except OSError as error:
        raise ConfigError(f"{pairs} could not be read: {error.strerror or error}.") from None


def _predict_rows(release: Release, source: PairsFile, target: BinaryIO) -> PredictedRows:
    write = _row_writer(target, source.delimiter)
    write([[*source.header, PREDICTION]])
    rows = unknown_user = unknown_movie = 0
    for chunk in source.chunks():
        users = release.users.find(chunk.users, "user")
        movies = release.movies.find(chunk.movies, "movie")
        scored = zip(chunk.cells, predict_codes(release, users, movies), strict=True)
        write([*cells, f"{score:.4f}"] for cells, score in scored)
        rows += len(users)
        unknown_user += int(np.count_nonzero(users < 0))
        unknown_movie += int(np.count_nonzero(movies < 0))
    return PredictedRows(rows, unknown_user, unknown_movie)


def _row_writer(target: BinaryIO, delimiter: str) -> Callable[[Iterable[Sequence[str]]], None]:
    """A function that writes rows as CSV and keeps bytes that are not UTF-8."""

    def write(rows: Iterable[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
        target.write(text.getvalue().encode("utf-8", "surrogateescape"))

    return write
