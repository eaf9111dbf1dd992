"""Which files of the paths of a call are ratings, and which of them are test rows."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.reading.entries import LeftOut, refuse_faults
from matinee.ingest.reading.judgement import judge_source
from matinee.ingest.reading.sources import Source, find_sources
from matinee.settings.ingest import IngestSettings
from matinee.store.paths import PATH_LENGTH


def find_ratings(
    ratings: Sequence[Path], test: Sequence[Path], settings: IngestSettings, *, exclude: Sequence[Path]
) -> tuple[list[Source], list[Source], list[LeftOut]]:
    """Find the files of train rows and of test rows. A file of test rows in a folder of train rows is a test file.

    Args:
        ratings: Rating files, folders or globs.
        test: The same for test rows.
        settings: How to read them.
        exclude: Files that no folder or glob includes, such as the titles.

    Returns:
        The files of train rows, those of test rows, and what was left out of the folders of train rows.

    Raises:
        ConfigError: A path does not exist.
        DataError: A folder holds no rating file, or every file of train rows is a test file.
    """
    judge = partial(judge_source, settings=settings)
    tests, others = find_sources(test, judge=judge, exclude=exclude)
    trains, left_out = find_sources(
        ratings, judge=judge, exclude=[*exclude, *(source.path for source in tests)]
    )
    refuse_faults(
        [*others, *left_out], settings, label=shown(", ".join(map(str, [*ratings, *test])), PATH_LENGTH)
    )
    if not trains:
        given = ", ".join(map(str, ratings))
        raise DataError(
            f"{given} is given both as ratings and as test rows, so no row is left to train on. Expected ratings "
            "(userID,movieID,rating) in separate files."
        )
    return trains, tests, left_out
