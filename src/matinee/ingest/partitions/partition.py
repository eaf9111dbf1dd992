"""The partitions of a dataset: which files share one, and their rows read back in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from matinee.ingest.reading.sources import Role, Source
from matinee.store import Store

# Many small files share a partition, as the 17,770 of the Netflix Prize; a few have one each, so that a new
# one leaves the others as they are.
_SMALL_BYTES = 4 << 20
_FEW = 100
_SHARED_BYTES = 64 << 20
_BATCH_ROWS: Final = 1 << 20
PARTITIONS: Final = "partitions.json"


@dataclass(frozen=True)
class Partition:
    """A partition in its place in a dataset."""

    digest: str
    role: Role
    folder: Path
    manifest: dict[str, Any]
    sources: Sequence[Source] = ()  # known while the dataset is made

    def label(self, file: str) -> str:
        """What a person is told of a file of this partition: where it lies."""
        if len(self.sources) == 1:
            return self.sources[0].label(file)
        return next((source.label() for source in self.sources if source.name == file), file)

    def to_json(self) -> dict[str, Any]:
        """The partition's entry in the list of a dataset."""
        files = [
            {name: file[name] for name in ("file", "rows_read", "rows")} for file in self.manifest["files"]
        ]
        return {"digest": self.digest, "role": self.role, "rows": self.manifest["rows"], "files": files}

    def batches(self, columns: Sequence[str], *, rows: int = _BATCH_ROWS) -> Iterator[tuple[int, pa.Table]]:
        """Accepted rows, in order, and the number of each batch's first row."""
        first = 0
        with pq.ParquetFile(self.folder / "ratings.parquet") as file:
            for batch in file.iter_batches(rows, columns=list(columns)):
                yield first, pa.Table.from_batches([batch])
                first += batch.num_rows

    def counts(self, column: str) -> pl.DataFrame:
        """Rows by value of a counted column."""
        return pl.read_parquet(self.folder / f"{column}.parquet")


def group_sources(sources: Sequence[Source]) -> list[list[Source]]:
    """The sources by partition, in order.

    Where a shared partition ends is decided by the files themselves and not by their place, so that a new file
    among many changes the one that it joins and no other.
    """
    many = sum(source.size < _SMALL_BYTES for source in sources) > _FEW
    groups: list[list[Source]] = []
    names: set[str] = set()  # of the last group, and its bytes
    held = 0
    closed = True
    for source in sources:
        alone = not many or source.size >= _SMALL_BYTES
        if closed or alone or source.name in names:
            groups.append([])
            names, held = set(), 0
        groups[-1].append(source)
        names.add(source.name)
        held += source.size
        closed = alone or held > _SHARED_BYTES or int(source.digest[:2], 16) == 0
    return groups


def open_partition(store: Store, digest: str, role: Role, sources: Sequence[Source] = ()) -> Partition:
    """The partition of a digest in the store.

    Raises StoreError when it is not there any more.
    """
    manifest = store.manifest("partitions", digest)
    return Partition(digest, role, store.folder("partitions", digest), manifest, sources)
