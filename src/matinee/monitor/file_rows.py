"""The rows of some files that the champion is judged by, and those that it is not."""

import polars as pl
from pydantic import Field

from matinee.formats.base import Format
from matinee.formats.manifests import DatasetManifest
from matinee.release import Release


class FileRows(Format):
    """The rows of some files, as they were read and used to judge the champion."""

    release: str = Field(description="The champion.")
    rows: int = Field(description="Rows that it was judged by.")
    rows_seen: int = Field(description="Rows that were left out, as it was trained on them.")
    rows_read: int = Field(description="Rows of the files.")
    rows_accepted: int = Field(description="Rows that were accepted.")
    rows_rejected: int = Field(description="Rows that were rejected.")
    rejects: dict[str, int] = Field(description="Rejected rows by reason code.")
    warnings: list[str] = Field(description="Warnings, in sentences.")


def file_rows(release: Release, rows: pl.DataFrame, read: DatasetManifest, *, seen: int) -> FileRows:
    """Describe the rows that a release is judged by.

    Args:
        release: The release.
        rows: The rows that it is judged by.
        read: The manifest of the dataset that they are from.
        seen: Number of rows that were left out, because the release was trained on them.

    Returns:
        The counts, rejects and warnings.
    """
    return FileRows(
        release=release.version,
        rows=len(rows),
        rows_seen=seen,
        rows_read=read.rows_read,
        rows_accepted=read.rows,
        rows_rejected=read.rows_rejected,
        rejects=read.rejects,
        warnings=read.warnings,
    )
