"""The partitions of a dataset: which files share a partition, and reading their rows in batches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from matinee.formats.dataset import ListedFile, ListedPartition
from matinee.formats.manifests import PartitionManifest
from matinee.ingest.reading.sources import Role, Source
from matinee.store import Store

# Many small files share a partition, like the 17,770 of the Netflix Prize. If there are few files, each has its own, so
# that a new file leaves the others unchanged.
_SMALL_BYTES = 4 << 20
_FEW = 100
_SHARED_BYTES = 64 << 20
_BATCH_ROWS: Final = 1 << 20


@dataclass(frozen=True)
class Partition:
    """One partition of a dataset."""

    digest: str
    role: Role
    folder: Path
    manifest: PartitionManifest
    sources: Sequence[Source] = ()  # known while the dataset is made

    def label(self, file: str) -> str:
        """The path of a file of this partition, for messages."""
        if len(self.sources) == 1:
            return self.sources[0].label(file)
        return next((source.label() for source in self.sources if source.name == file), file)

    def listed(self) -> ListedPartition:
        """The partition's entry in the list of a dataset."""
        files = [
            ListedFile(file=file.file, rows_read=file.rows_read, rows=file.rows)
            for file in self.manifest.files
        ]
        return ListedPartition(digest=self.digest, role=self.role, rows=self.manifest.rows, files=files)

    def batches(self, columns: Sequence[str], *, rows: int = _BATCH_ROWS) -> Iterator[tuple[int, pa.Table]]:
        """Iterate over the accepted rows, in order; each batch with the number of its first row."""
        first = 0
        with pq.ParquetFile(self.folder / "ratings.parquet") as file:
            for batch in file.iter_batches(rows, columns=list(columns)):
                yield first, pa.Table.from_batches([batch])
                first += batch.num_rows

    def counts(self, column: str) -> pl.DataFrame:
        """Rows by value of a counted column."""
        return pl.read_parquet(self.folder / f"{column}.parquet")


def group_sources(sources: Sequence[Source]) -> list[list[Source]]:
    """Group the sources into partitions, in order.

    The content of the files decides where a shared partition ends, not their position. A new file among many therefore
    changes only the partition that it joins.
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
    """Open the partition with a digest.

    Raises StoreError if it is no longer in the store.
    """
    manifest = store.read(PartitionManifest, digest)
    return Partition(digest, role, store.folder("partitions", digest), manifest, sources)
