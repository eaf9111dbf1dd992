"""Predictions for a file of pairs: every column kept as it is, in its order, and `prediction` added."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from matinee.errors import ConfigError
from matinee.release.pair_rows import PairsFile
from matinee.release.release import Release
from matinee.settings.ingest import IngestSettings
from matinee.store.output import is_stdout, writing_to
from matinee.store.paths import check_place

PREDICTION: Final = "prediction"
_DEFAULTS: Final = IngestSettings()


def predict_file(release: Release, pairs: Path, *, out: Path, settings: IngestSettings = _DEFAULTS) -> int:
    """Write `out`: the rows of `pairs`, each with its prediction; returns their number.

    `pairs` is a CSV with a header, of commas, semicolons or tabs and perhaps gzipped, or text as the Netflix Prize's
    probe.txt and qualifying.txt, which comes out as a CSV with the movie as its first column. `out` appears once it
    is whole; `-`, a pipe or a device is written to as it stands. Of the settings the limits count. Raises ConfigError
    when a file can't be read or made, DataError when a column is missing, a row is none of a strict CSV, or an id is no
    integer (with the line), StoreError when writing `out` fails.
    """
    if not is_stdout(out):
        check_place(out, inputs=[pairs])
    try:
        with pairs.open("rb") as raw:
            source = PairsFile(pairs, raw, settings)
            with writing_to(out, streams=True) as target:
                write = _row_writer(target, source.delimiter)
                write([[*source.header, PREDICTION]])
                rows = 0
                for chunk in source.chunks():
                    scores = release.predict(chunk.users, chunk.movies)
                    scored = zip(chunk.cells, scores, strict=True)
                    write([*cells, f"{score:.4f}"] for cells, score in scored)
                    rows += len(scores)
    except BrokenPipeError:
        raise  # of the output
    except FileNotFoundError:
        raise ConfigError(f"{pairs} is not there.") from None
    except OSError as error:
        raise ConfigError(f"{pairs} could not be read: {error.strerror or error}.") from None
    return rows


def _row_writer(target: BinaryIO, delimiter: str) -> Callable[[Iterable[Sequence[str]]], None]:
    """A function that writes rows as CSV, bytes that are not UTF-8 as they came."""

    def write(rows: Iterable[Sequence[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
        target.write(text.getvalue().encode("utf-8", "surrogateescape"))

    return write
