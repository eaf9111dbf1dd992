"""Refuses a dataset because of its rows; the error gives the reasons, one example per reason, and a remedy.

The partitions, with their rejects, are complete in the store before a dataset is refused.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Final

import polars as pl

from matinee.errors import DataError, MatineeError
from matinee.errors.text import shown
from matinee.ingest.checks.reject_kinds import explain_rejects
from matinee.ingest.partitions.id_texts import read_texts, with_texts
from matinee.ingest.partitions.partition import Partition
from matinee.ingest.reading.members import read_heads
from matinee.ingest.reading.sources import Source
from matinee.schemas.rejects import CODES
from matinee.settings.ingest import IngestSettings

MOST_ROWS_OF_A_USER: Final = 10_000_000
_REPORTED_CODES = 3
_REPORTED_FOLDERS = 3
_LONGEST_EXAMPLE = 80
_SAMPLED: Final = 200  # rejects that show what they are


def check_rows_read(sources: Sequence[Source], partitions: Sequence[Partition]) -> None:
    """Refuse a file that the user named and that has no row, and a dataset without any row.

    Raises DataError.
    """
    rows: Counter[str] = Counter()
    for partition in partitions:
        for file in partition.manifest.files:
            rows[file.file] += file.rows_read
    for source in sources:
        if source.named and rows.get(source.name, 1) == 0:
            raise DataError(
                f"{source.label()} has a header and no rows. Expected one rating per line; check that the "
                "file is complete."
            )
    if not rows.total():
        raise DataError("The files have no rows. Expected one rating per line; check that they are complete.")


def check_users(partitions: Sequence[Partition]) -> None:
    """Refuse files in which one user has far more rows than there are movies: the duplicates would not fit in memory.

    Raises DataError.
    """
    for partition in partitions:
        most = partition.counts("user_id").sort("rows").tail(1)
        if most.height and most["rows"].item() > MOST_ROWS_OF_A_USER:
            user = with_texts(most["user_id"], read_texts(partition.folder, "user_id")).item()
            raise DataError(
                f"{partition.label(partition.manifest.files[0].file)}: the user {shown(user, _LONGEST_EXAMPLE)} has "
                f"{most['rows'].item():,} rows. Expected one rating per user and movie: check the source of the file."
            )


def check_rejects(partitions: Sequence[Partition], settings: IngestSettings, *, scale: str) -> None:
    """Refuse a dataset with too many rejected rows.

    Raises DataError with the most frequent codes, one example per code, and where all rejects are kept.
    """
    read = sum(partition.manifest.rows_read for partition in partitions)
    codes: Counter[str] = Counter()
    for partition in partitions:
        codes.update(partition.manifest.rejects)
    codes.pop("forgotten", None)  # these rows are not faulty
    rejected = codes.total()
    if rejected <= settings.max_reject_fraction * read:
        return
    reasons = [
        f"{count:,} {code} ({CODES[code]}), as {_example(partitions, code)}"
        for code, count in codes.most_common(_REPORTED_CODES)
    ]
    if len(codes) > _REPORTED_CODES:
        reasons.append(
            f"{sum(codes.values()) - sum(n for _, n in codes.most_common(_REPORTED_CODES)):,} of other kinds"
        )
    explained = _explain(partitions, [code for code, _ in codes.most_common(_REPORTED_CODES)], settings)
    worst = sorted(partitions, key=lambda partition: -partition.manifest.rows_rejected)
    folders = [
        str(partition.folder / "rejects.parquet") for partition in worst if partition.manifest.rows_rejected
    ]
    kept = ", ".join(folders[:_REPORTED_FOLDERS]) + (
        " and others" if len(folders) > _REPORTED_FOLDERS else ""
    )
    ratings = f" The scale is {scale} (ingest.scale)." if "rating_out_of_bounds" in codes else ""
    dates = _about_dates(partitions) if "date_unparsable" in codes else ""
    raise DataError(
        f"{rejected:,} of {read:,} rows ({100 * rejected / read:.2f}%) were rejected, and "
        f"ingest.max_reject_fraction={settings.max_reject_fraction:g} allows {100 * settings.max_reject_fraction:g}%: "
        f"{'; '.join(reasons)}.{explained}{ratings}{dates} "
        f"All of them are in {kept}. Correct the source, or allow more with that setting."
    )


def _explain(partitions: Sequence[Partition], codes: Sequence[str], settings: IngestSettings) -> str:
    """What the rejects with the first of some codes are that are known."""
    for code in codes:
        partition = max(partitions, key=lambda each: each.manifest.rejects.get(code, 0))
        rejects = pl.scan_parquet(partition.folder / "rejects.parquet").filter(pl.col("code") == code)
        rows = rejects.select("raw").head(_SAMPLED).collect()["raw"].to_list()
        found = explain_rejects(code, rows, is_json=_is_json(partition, settings))
        if found:
            return f" {found}"
    return ""


def _is_json(partition: Partition, settings: IngestSettings) -> bool:
    with contextlib.suppress(MatineeError):
        return any(
            not head.is_text for source in partition.sources[:1] for head in read_heads(source, settings)
        )
    return False


def _about_dates(partitions: Sequence[Partition]) -> str:
    """How the dates of the files with damaged dates are read."""
    worst = max(partitions, key=lambda partition: partition.manifest.rejects.get("date_unparsable", 0))
    forms = dict.fromkeys(file.dates for file in worst.manifest.files if file.dates)
    return (
        f" Dates are read as {', '.join(forms) or 'YYYY-MM-DD'}, by the first rows of the file. Write all dates in one "
        "form. To leave dates out, set ingest.columns=date=."
    )


def _example(partitions: Sequence[Partition], code: str) -> str:
    partition = next(partition for partition in partitions if partition.manifest.rejects.get(code))
    rejects = pl.scan_parquet(partition.folder / "rejects.parquet")
    first = rejects.filter(pl.col("code") == code).head(1).collect().row(0, named=True)
    raw = first["raw"]
    short = raw if len(raw) <= _LONGEST_EXAMPLE else f"{raw[:_LONGEST_EXAMPLE]}..."
    return f"{partition.label(first['file'])}, line {first['line']:,}: {short!r}"
