"""Writes the rows of a query to a Parquet file in the store, which is removed when they are ingested.

The same rows in the same order give the same bytes, so a run on unchanged rows finds its dataset finished.
"""

import contextlib
import logging
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from matinee.containers.limits import Meter
from matinee.errors import DataError
from matinee.errors.text import shown
from matinee.ingest.databases import duckdb_rows, postgresql_rows, sqlite_rows
from matinee.ingest.databases.rows import QueryRows, TimeLimit
from matinee.settings.ingest import IngestSettings
from matinee.store import Store, progress
from matinee.store.database_address import DatabaseAddress, System, is_address, parse_address
from matinee.store.disk_errors import writing
from matinee.store.documents import WORK

log = logging.getLogger("matinee.run")

_DEFAULTS: Final = IngestSettings()
_GROUP_ROWS, _GROUP_BYTES = 1 << 17, 1 << 26
_NAME_DIGITS: Final = 20  # as many as those of other folders of a store
_OPEN: Final[
    Mapping[System, Callable[[DatabaseAddress, Path, TimeLimit], AbstractContextManager[QueryRows]]]
] = {
    "postgresql": postgresql_rows.open_rows,
    "sqlite": sqlite_rows.open_rows,
    "duckdb": duckdb_rows.open_rows,
}
_Key = tuple[Path, str]  # store and address


@dataclass
class _Taken:
    """Rows that one block has taken, and which others may hold as well."""

    lock: threading.Lock = field(default_factory=threading.Lock)  # held while the rows are taken
    path: Path | None = None
    holders: int = 0


_lock = threading.Lock()  # of the next, and of the holders in it
_taken: dict[_Key, _Taken] = {}


@contextlib.contextmanager
def snapshots(
    root: Path, sources: Sequence[str | Path], *, limits: IngestSettings = _DEFAULTS
) -> Iterator[list[Path]]:
    """The sources of a call as paths; the rows of databases are files until the block ends.

    Within the block, another call with the same address gets the same rows.

    Args:
        root: The store; it is created if a source is a database.
        sources: Paths, and addresses of databases.
        limits: The limits on the rows of a database file, whose views can make any number of them, and on the time of
            a query.

    Yields:
        A path for each source, in order.

    Raises:
        ConfigError: An address or a query is wrong, a driver is not installed, or the database refuses the login.
        DatabaseError: A database does not answer.
        DataError: The columns can't be read, a database file gives too many rows for its size, or a query takes too
            long.
    """
    if not any(map(is_address, sources)):
        yield [Path(source) for source in sources]
        return
    store = Store.open(root)
    with store.in_use(), contextlib.ExitStack() as folders:  # prune removes what a killed run has left
        take = partial(_snapshot, store, folders, limits=limits)
        yield [take(parse_address(str(source))) if is_address(source) else Path(source) for source in sources]


def _snapshot(
    store: Store, left: contextlib.ExitStack, address: DatabaseAddress, *, limits: IngestSettings
) -> Path:
    """The rows of a query, which are kept until `left` is closed, and as long as another call has them."""
    key = (store.root.absolute(), address.text)
    with _lock:
        taken = _taken.setdefault(key, _Taken())
        taken.holders += 1
    left.callback(_leave, key, taken)
    with taken.lock:  # another thread may be taking them
        if taken.path is None:
            folder = store.folder(WORK, uuid.uuid4().hex[:_NAME_DIGITS])
            try:
                taken.path = _take(store, folder, address, limits=limits)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        return taken.path


def _leave(key: _Key, taken: _Taken) -> None:
    with _lock:
        taken.holders -= 1
        if taken.holders:
            return
        del _taken[key]
    if taken.path is not None:
        shutil.rmtree(taken.path.parent, ignore_errors=True)


def _take(store: Store, folder: Path, address: DatabaseAddress, *, limits: IngestSettings) -> Path:
    """Write the rows of a query to a new folder."""
    path = folder / address.file_name
    log.info("query: %s", address.shown)
    progress.begin("querying", unit="rows")
    started = time.perf_counter()
    with writing(store.root):
        folder.mkdir(parents=True)
        limit = TimeLimit(limits.max_query_minutes)
        with _OPEN[address.system](address, folder, limit) as rows:
            meter = Meter(address.shown, _size(address), limits)
            count = _write(path, replace(rows, batches=_metered(rows.batches, meter)), label=address.shown)
    log.info("    %s rows in %.1f s", f"{count:,}", time.perf_counter() - started)
    return path


def _size(address: DatabaseAddress) -> int | None:
    """The bytes of a database file; None for a server."""
    return None if address.system == "postgresql" else Path(address.database).stat().st_size


def _metered(batches: Iterable[pa.RecordBatch], meter: Meter) -> Iterator[pa.RecordBatch]:
    """The batches, counted against the limit on what a file unpacks to."""
    for batch in batches:
        meter.unpacked(batch.get_total_buffer_size())
        yield batch


def _write(path: Path, rows: QueryRows, *, label: str) -> int:
    """Write the rows; returns their number."""
    _check_columns(rows.schema, label)
    schema = pa.schema([(field.name, _plain(field.type)) for field in rows.schema])
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _groups(rows.batches):
            columns = [_converted(column, schema.field(k).type) for k, column in enumerate(group.columns)]
            writer.write_table(pa.table(columns, schema=schema))
            count += group.num_rows
            progress.reach(count)
    return count


def _groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches joined to groups of a bounded size."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= _GROUP_ROWS or _bytes(waiting) >= _GROUP_BYTES:
            yield pa.Table.from_batches(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting).combine_chunks()


def _bytes(batches: Sequence[pa.RecordBatch]) -> int:
    return sum(batch.get_total_buffer_size() for batch in batches)


def _check_columns(schema: pa.Schema, label: str) -> None:
    """Raise DataError for a column that can't be read, or that occurs twice."""
    twice = [name for name, count in Counter(schema.names).items() if count > 1]
    if twice:
        raise DataError(f"{label} gives the column '{shown(twice[0])}' twice. Rename one of them with `as`.")
    odd = next((field for field in schema if _plain(field.type) is None), None)
    if odd is not None:
        name = shown(odd.name)
        raise DataError(
            f"{label} gives the column '{name}' with the type {shown(odd.type)}, which is not read. Select only the "
            f"columns of user, movie, rating and date, or convert it: cast({name} as text)."
        )


def _plain(kind: pa.DataType) -> pa.DataType | None:
    """The type in which a column is written; None if it can't be read as ratings."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.string() if _is_uuid(kind) else _plain(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit if kind.unit != "s" else "ms", "UTC" if kind.tz else None)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    tests = ("integer", "floating", "decimal", "boolean", "string", "date", "time", "null")
    return kind if any(getattr(pa.types, f"is_{test}")(kind) for test in tests) else None


def _is_uuid(kind: pa.DataType) -> bool:
    return getattr(kind, "extension_name", "") == "arrow.uuid"


def _converted(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if _is_uuid(column.type):
        return pa.chunked_array([[None if each is None else str(each) for each in column.to_pylist()]], kind)
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    return column if column.type == kind else pc.cast(column, kind)
