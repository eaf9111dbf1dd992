"""A dataset: partitions made or found, duplicates settled, titles read, and the profile of it all."""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from matinee.errors import DataError
from matinee.ingest._duplicates import SCHEMA, find_superseded
from matinee.ingest._partition import plan_partition
from matinee.ingest._profile import profile
from matinee.ingest._scale import SCALES, distribution, from_json, guess_scale, narrowest_scale
from matinee.ingest._sources import Role, Source
from matinee.ingest._titles import read_titles
from matinee.settings import IngestSettings, ScaleName
from matinee.store import Reference, Store, write_json

log = logging.getLogger("matinee.ingest")

SPREADSHEET_ROWS: Final = 1_048_575
BATCH_ROWS: Final = 1 << 20
# Many small files share a partition, so that 17,770 of them do not make as many folders.
_GROUP_BYTES: Final = 1 << 26


@dataclass(frozen=True)
class Partition:
    """One entry of partitions.json."""

    digest: str
    role: Role
    rows: int


@dataclass(frozen=True)
class Making:
    """What a dataset is made of."""

    store: Store
    sources: Sequence[tuple[Role, Source]]
    skipped: Sequence[Path]
    titles: Source
    settings: IngestSettings

    def make(self, folder: Path) -> dict[str, Any]:
        """Fill the dataset's folder and return what its manifest says.

        Raises DataError when nothing is left or too much was rejected; the partitions stay, to be looked at.
        """
        scale, partitions = self._partitions()
        manifests = [self.store.manifest("partitions", partition.digest) for partition in partitions]
        self._refuse_bad(partitions, manifests)
        superseded = self._superseded(partitions)
        superseded.write_parquet(folder / "superseded.parquet")
        tables = read_titles(self.titles.path)
        self.titles.check_unchanged()
        tables.titles.write_parquet(folder / "titles.parquet")
        tables.rejects.write_parquet(folder / "title_rejects.parquet")
        listed = [
            {**vars(partition), "files": [file["name"] for file in manifest["files"]]}
            for partition, manifest in zip(partitions, manifests, strict=True)
        ]
        (folder / "partitions.json").write_text(json.dumps(listed, indent=2) + "\n", "utf-8")
        slots = from_json(manifest["slots"] for manifest in manifests)
        places = [self.store.folder("partitions", partition.digest) for partition in partitions]
        told = profile(places, manifests, superseded=superseded, titles=tables.titles)
        write_json(folder / "profile.json", told | {"values_read": distribution(slots)})
        rejects = Counter[str]()
        for manifest in manifests:
            rejects.update(manifest["rejects"])
        if superseded.height:
            rejects["superseded"] = superseded.height
        read = sum(manifest["rows_read"] for manifest in manifests)
        accepted = sum(partition.rows for partition in partitions) - superseded.height
        log.info(
            "Ingested %s rows: %s accepted, %s rejected", f"{read:,}", f"{accepted:,}", f"{read - accepted:,}"
        )
        return {
            "rows": accepted,
            "rows_read": read,
            "rows_rejected": read - accepted,
            "rejects": dict(sorted(rejects.items())),
            "title_rejects": dict(sorted(tables.rejects["code"].value_counts().iter_rows())),
            "scale": list(SCALES[scale]),
            "warnings": self._warnings(partitions, manifests, superseded),
            "partitions": [partition.digest for partition in partitions],
            "sources": [
                {"name": source.name, "role": role, "bytes": source.size, "digest": source.digest}
                for role, source in self.sources
            ],
        }

    def _partitions(self) -> tuple[ScaleName, list[Partition]]:
        """Make the partitions on the scale that the settings or all values together ask for."""
        asked = self.settings.scale
        scale = asked if asked != "auto" else guess_scale(self.sources[0][1], self.settings)
        partitions = self._on_scale(scale)
        if asked == "auto":
            slots = from_json(self.store.manifest("partitions", made.digest)["slots"] for made in partitions)
            if (found := narrowest_scale(slots)) != scale:
                log.info("The first rows looked like a scale of %s; all rows together say %s", scale, found)
                scale = found
                partitions = self._on_scale(scale)
        return scale, partitions

    def _on_scale(self, scale: ScaleName) -> list[Partition]:
        made = []
        for role, group in _grouped(self.sources):
            reference = self.store.ensure(plan_partition(group, settings=self.settings, scale=scale))
            made.append(Partition(reference.digest, role, reference.rows))
        return made

    def _refuse_bad(self, partitions: Sequence[Partition], manifests: Sequence[dict[str, Any]]) -> None:
        read = sum(manifest["rows_read"] for manifest in manifests)
        bad = sum(manifest["rows_rejected"] for manifest in manifests)
        names = ", ".join(source.name for _, source in self.sources[:3])
        if read == 0:
            raise DataError(
                f"{names} has a header and no row after it. Expected a rating a line; check that the file is complete."
            )
        limit = self.settings.max_reject_fraction
        if bad <= limit * read and bad < read:
            return
        counts = Counter[str]()
        for manifest in manifests:
            counts.update(manifest["rejects"])
        worst = max(range(len(manifests)), key=lambda place: manifests[place]["rows_rejected"])
        table = self.store.folder("partitions", partitions[worst].digest) / "rejects.parquet"
        code = max(manifests[worst]["rejects"], key=lambda name: manifests[worst]["rejects"][name])
        example = pl.scan_parquet(table).filter(pl.col("code") == code).head(1).collect().row(0, named=True)
        told = ", ".join(f"{name} ({count:,})" for name, count in counts.most_common(4))
        raise DataError(
            f"{bad:,} of {read:,} rows of {names} were rejected: {told}. That is {bad / read:.1%} and more than "
            f"the limit of {limit:.1%}. For one, {example['file']}, line {example['line']}: "
            f"{example['raw'][:80]!r} ({code}). All rejects are in {table}. Mend the file; or, if the rows are "
            "right, set ingest.scale or ingest.columns, or raise ingest.max_reject_fraction."
        )

    def _superseded(self, partitions: Sequence[Partition]) -> pl.DataFrame:
        if self.settings.duplicates == "off":
            return pl.DataFrame(schema=SCHEMA)
        folders = [self.store.folder("partitions", partition.digest) for partition in partitions]

        def batches() -> Iterator[tuple[int, int, pl.DataFrame]]:
            for number, folder in enumerate(folders):
                yield from ((number, row, batch) for row, batch in read_batches(folder))

        return find_superseded(
            batches,
            rows=sum(partition.rows for partition in partitions),
            is_test=[partition.role == "test" for partition in partitions],
            origins=lambda number: folders[number] / "origins.parquet",
        )

    def _warnings(
        self, partitions: Sequence[Partition], manifests: Sequence[dict[str, Any]], superseded: pl.DataFrame
    ) -> list[str]:
        told = []
        for file in (file for manifest in manifests for file in manifest["files"]):
            if file["read"] == SPREADSHEET_ROWS:
                told.append(
                    f"{file['name']} has exactly {SPREADSHEET_ROWS:,} rows, a spreadsheet's limit: it may be cut off."
                )
            if file["read"] == 0:
                told.append(f"{file['name']} has no rows.")
            if file["left_out"]:
                told.append(f"{file['name']}: columns that were not read: {', '.join(file['left_out'])}.")
        if self.skipped:
            some = ", ".join(path.name for path in self.skipped[:5])
            told.append(f"Not ratings, and skipped: {some}{', ...' if len(self.skipped) > 5 else ''}.")
        tests = [number for number, partition in enumerate(partitions) if partition.role == "test"]
        train = superseded.filter(~pl.col("partition").is_in(tests))
        files = {file["name"] for number in tests for file in manifests[number]["files"]}
        both = train.filter(pl.col("winner_file").is_in(list(files))).height if tests else 0
        if both:
            told.append(
                f"{both:,} pairs stand among the train and the test rows; the model does not see them."
            )
        return told


def read_batches(folder: Path, *, batch_rows: int = BATCH_ROWS) -> Iterator[tuple[int, pl.DataFrame]]:
    """The ratings of a partition in their order, each batch with the number of its first row."""
    first = 0
    with pq.ParquetFile(folder / "ratings.parquet") as file:
        for batch in file.iter_batches(batch_rows):
            yield first, pl.DataFrame(pl.from_arrow(batch))
            first += batch.num_rows


def iter_ratings(
    store: Store, dataset: Reference, *, role: Role | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """The accepted rows of a dataset without the superseded ones, in their stable order, some at a time.

    Partitions in order, rows in the order of their files; with `role`, those of train or of test files only.
    """
    folder = store.path(dataset)
    superseded = pl.read_parquet(folder / "superseded.parquet", columns=["partition", "row"])
    for number, entry in enumerate(json.loads((folder / "partitions.json").read_text("utf-8"))):
        if role is not None and entry["role"] != role:
            continue
        losers = superseded.filter(pl.col("partition") == number)["row"].to_numpy()
        place = store.path(store.reference("partitions", entry["digest"]))
        for first, batch in read_batches(place, batch_rows=batch_rows):
            inside = losers[(losers >= first) & (losers < first + batch.height)] - first
            if len(inside):
                kept = np.ones(batch.height, np.bool_)
                kept[inside] = False
                yield batch.filter(pl.Series(kept))
            else:
                yield batch


def _grouped(sources: Sequence[tuple[Role, Source]]) -> list[tuple[Role, list[Source]]]:
    groups: list[tuple[Role, list[Source]]] = []
    room = 0
    for role, source in sources:
        if not groups or groups[-1][0] != role or source.size > room:
            groups.append((role, []))
            room = _GROUP_BYTES
        groups[-1][1].append(source)
        room -= source.size
    return groups
