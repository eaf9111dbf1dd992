"""Warnings about a dataset that is accepted; one sentence per finding."""

from collections.abc import Iterator, Sequence

import polars as pl

from matinee.errors.text import first_of
from matinee.formats.dataset import Profile
from matinee.ingest.checks.odd_values import about_dates, about_ratings
from matinee.ingest.duplicates.superseded import SupersededSummary
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.reading.entries import LeftOut
from matinee.ingest.reading.plays import count_columns, rating_columns
from matinee.settings.ingest import IngestSettings

_SPREADSHEET_ROWS = 1_048_575  # a sheet's 1,048,576 lines less the header
_LISTED_NAMES = 8


def find_warnings(
    partitions: Sequence[Partition],
    removed: SupersededSummary,
    *,
    profile: Profile,
    scale: str,
    title_rejects: pl.DataFrame,
    settings: IngestSettings,
    left_out: Sequence[LeftOut],
) -> list[str]:
    """Find what is unusual in a dataset.

    Returns:
        The warnings, in a fixed order.
    """
    return [
        *_about_files(partitions, settings, left_out),
        *_about_reading(partitions),
        *(
            _about_plays(partitions)
            if settings.feedback == "implicit"
            else about_ratings(partitions, profile, scale=scale, settings=settings)
        ),
        *about_dates(profile),
        *_about_duplicates(removed, profile.ratings, settings),
        *_about_titles(profile, title_rejects),
    ]


def _about_files(
    partitions: Sequence[Partition], settings: IngestSettings, left_out: Sequence[LeftOut]
) -> Iterator[str]:
    if left_out:
        others = [str(file) for file in left_out if not file.is_fault]
        faults = [str(file) for file in left_out if file.is_fault]
        if others:
            yield f"Files in the folders that are not rating files, left out: {_list(others)}."
        if faults:
            yield f"Files that could not be read, left out by ingest.unreadable=skip: {_list(faults)}."
    if members := [name for partition in partitions for name in partition.manifest.left_out]:
        yield f"Files in the archives that are not rating files, left out: {_list(members)}."
    files = [(partition, file) for partition in partitions for file in partition.manifest.files]
    for partition, file in files:
        if file.rows_read == _SPREADSHEET_ROWS:
            yield (
                f"{partition.label(file.file)} has exactly {_SPREADSHEET_ROWS:,} rows, the maximum of a "
                "spreadsheet: it may have been truncated when it was saved."
            )
    for partition, file in files:
        rejected = file.rows_read - file.rows
        if rejected > settings.max_reject_fraction * file.rows_read:
            yield f"{partition.label(file.file)}: {rejected:,} of {file.rows_read:,} rows were rejected."
    unread: dict[str, list[str]] = {}
    for _, file in files:
        if file.left_out:
            unread.setdefault(_list(file.left_out), []).append(file.file)
    for columns, names in unread.items():
        yield f"Columns that are not read: {columns} (in {_list(names)})."
    if empty := [file.file for _, file in files if not file.rows_read]:
        yield f"Files without a row: {_list(empty)}."


def _about_reading(partitions: Sequence[Partition]) -> Iterator[str]:
    notes: dict[str, list[str]] = {}
    for partition in partitions:
        for file in partition.manifest.files:
            for note in file.notes:
                notes.setdefault(note, []).append(file.file)
    for note, names in notes.items():
        yield f"{_list(names)}: {note}."


def _about_plays(partitions: Sequence[Partition]) -> Iterator[str]:
    files = [file for partition in partitions for file in partition.manifest.files]
    if rated := [file.file for file in files if rating_columns(file.left_out)]:
        yield (
            f"Ratings are not used (in {_list(rated)}): with ingest.feedback=implicit, each row is a play, whatever "
            "its rating."
        )
    if counted := [file.file for file in files if count_columns(file.left_out)]:
        yield (
            f"Numbers of plays are not used (in {_list(counted)}): a user has played a movie or not, however often."
        )


def _about_duplicates(removed: SupersededSummary, ratings: int, settings: IngestSettings) -> Iterator[str]:
    if removed.leaked:
        yield (
            f"{removed.leaked:,} pairs of the test files are also in the train files: the test row was kept, and "
            "the train row is superseded."
        )
    if removed.rows > ratings and settings.feedback == "explicit":  # repeated plays are usual
        yield (
            f"Most rows ({removed.rows:,}) repeat a pair of another row: the same ratings may be in "
            "several files."
        )


def _about_titles(profile: Profile, title_rejects: pl.DataFrame) -> Iterator[str]:
    if title_rejects.height:
        first = title_rejects.row(0, named=True)
        yield (
            f"{title_rejects.height:,} lines of the titles file were rejected; the first is line "
            f"{first['line']:,} ({first['code']})."
        )
    without = profile.rated_movies_without_a_title
    if profile.titles and without == profile.movies:
        yield (
            f"None of the {without:,} rated movies has a title: the titles may belong to other ratings, or the columns "
            "of users and movies may be swapped (ingest.columns)."
        )
    elif profile.titles and without:
        yield f"{without:,} rated movies have no title."


def _list(names: Sequence[str]) -> str:
    return first_of(names, _LISTED_NAMES)
