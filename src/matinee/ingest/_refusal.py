"""When a dataset is refused for its rows, and what a person is told: the reasons, an example of each, the way out.

What was read stays in the store: the partitions with the rejects are whole before anything is refused.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import polars as pl

from matinee.errors import DataError
from matinee.ingest._parts import Part
from matinee.ingest._sources import Source
from matinee.schemas.rejects import CODES
from matinee.settings.ingest import IngestSettings

MOST_ROWS_OF_A_USER: Final = 10_000_000
_TOLD_CODES = 3
_TOLD_FOLDERS = 3
_LONGEST_EXAMPLE = 80


def check_rows_read(sources: Sequence[Source], parts: Sequence[Part]) -> None:
    """Refuse files without a row: each that the user named, and all together.

    Raises DataError.
    """
    rows: Counter[str] = Counter()
    for part in parts:
        for file in part.manifest["files"]:
            rows[file["file"]] += file["rows_read"]
    for source in sources:
        if source.named and rows.get(source.name, 1) == 0:
            raise DataError(
                f"{source.label()} has a header and no rows. Expected a rating a line after it; check that the "
                "file is whole."
            )
    if not rows.total():
        raise DataError("The files hold no rows. Expected a rating a line; check that they are whole.")


def check_users(parts: Sequence[Part]) -> None:
    """Refuse files in which one user has more rows than there are movies, by far: no memory holds the repeats.

    Raises DataError.
    """
    for part in parts:
        most = part.counts("user_id").sort("rows").tail(1)
        if most.height and most["rows"].item() > MOST_ROWS_OF_A_USER:
            raise DataError(
                f"{part.label(part.manifest['files'][0]['file'])}: the user {most['user_id'].item()} has "
                f"{most['rows'].item():,} rows. Expected a rating per user and movie: check where the file comes from."
            )


def check_rejects(parts: Sequence[Part], settings: IngestSettings, *, scale: str) -> None:
    """Refuse a dataset of which too many rows were rejected.

    Raises DataError that names the codes that are most frequent, each with an example, and where all are kept.
    """
    read = sum(part.manifest["rows_read"] for part in parts)
    codes: Counter[str] = Counter()
    for part in parts:
        codes.update(part.manifest["rejects"])
    codes.pop("forgotten", None)  # nothing is wrong with those rows
    rejected = codes.total()
    if rejected <= settings.max_reject_fraction * read:
        return
    told = [
        f"{count:,} {code} ({CODES[code]}), as {_example(parts, code)}"
        for code, count in codes.most_common(_TOLD_CODES)
    ]
    if len(codes) > _TOLD_CODES:
        told.append(
            f"{sum(codes.values()) - sum(n for _, n in codes.most_common(_TOLD_CODES)):,} of other kinds"
        )
    worst = sorted(parts, key=lambda part: -part.manifest["rows_rejected"])
    folders = [str(part.folder / "rejects.parquet") for part in worst if part.manifest["rows_rejected"]]
    kept = ", ".join(folders[:_TOLD_FOLDERS]) + (" and others" if len(folders) > _TOLD_FOLDERS else "")
    ratings = f" The scale is {scale} (ingest.scale)." if "rating_out_of_bounds" in codes else ""
    raise DataError(
        f"{rejected:,} of {read:,} rows ({100 * rejected / read:.2f} %) were rejected, and "
        f"ingest.max_reject_fraction={settings.max_reject_fraction:g} allows {100 * settings.max_reject_fraction:g} %: "
        f"{'; '.join(told)}.{ratings} "
        f"All of them are kept in {kept} to look at. Mend the source, or allow more with that setting."
    )


def _example(parts: Sequence[Part], code: str) -> str:
    part = next(part for part in parts if part.manifest["rejects"].get(code))
    rejects = pl.scan_parquet(part.folder / "rejects.parquet")
    first = rejects.filter(pl.col("code") == code).head(1).collect().row(0, named=True)
    raw = first["raw"]
    shown = raw if len(raw) <= _LONGEST_EXAMPLE else f"{raw[:_LONGEST_EXAMPLE]}..."
    return f"{part.label(first['file'])}, line {first['line']:,}: {shown!r}"
