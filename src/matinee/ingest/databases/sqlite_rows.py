"""Rows of a SQLite file. Its columns may hold values of any type, so all are written as text."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from matinee.errors import ConfigError, DatabaseError, DataError, MatineeError
from matinee.errors.text import shown
from matinee.ingest.databases.rows import READS, QueryRows, TimeLimit, said
from matinee.store.database_address import DatabaseAddress

_ROWS, _ROWS_AT_ONCE = 1 << 15, 16
_BYTES: Final = 1 << 26  # of the texts of some rows
_LONGEST: Final = 1 << 24  # bytes of a text; a view can make texts of any length
_WAIT_SECONDS: Final = 30
_STEPS: Final = 100_000  # of the virtual machine, about a millisecond, between two looks at the clock
_PRIMARY: Final = 0xFF  # the bits of an error code without its extension
_READING: Final = frozenset(
    (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)
)
_TYPES: Final = {int: pa.int64(), float: pa.float64(), str: pa.string()}


@contextlib.contextmanager
def open_rows(address: DatabaseAddress, folder: Path, limit: TimeLimit) -> Iterator[QueryRows]:
    """The rows of a query, which sees the file as it was when it began.

    Raises ConfigError for a wrong path or query, DatabaseError if another process does not release the file,
    DataError if the query takes longer than the limit.
    """
    path = Path(address.database).absolute()
    if not path.is_file():
        raise ConfigError(f"{address.place} is not a file. Check the path; nothing was read.")
    with _faults(address):
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)
    with contextlib.closing(connection):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        with _faults(address):
            connection.execute("pragma trusted_schema = off")  # functions of views are those without effects
        connection.set_progress_handler(limit.is_over, _STEPS)
        connection.set_authorizer(
            lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY
        )
        with _faults(address, limit):
            cursor = connection.execute(address.query)
        if cursor.description is None:
            raise ConfigError(f"{address.shown} gives no columns. {READS}")
        schema = pa.schema([(column[0], pa.string()) for column in cursor.description])
        yield QueryRows(schema, _batches(cursor, schema, address, limit))


def _batches(
    cursor: sqlite3.Cursor, schema: pa.Schema, address: DatabaseAddress, limit: TimeLimit
) -> Iterator[pa.RecordBatch]:
    first = 1
    while True:
        with _faults(address, limit):
            rows = _fetch(cursor)
        if not rows:
            return
        columns = list(zip(*rows, strict=True))
        arrays = [
            _texts(column, f"{address.shown} gives the column '{shown(name)}'", first)
            for name, column in zip(schema.names, columns, strict=True)
        ]
        yield pa.record_batch(arrays, schema=schema)
        first += len(rows)


def _fetch(cursor: sqlite3.Cursor) -> list[tuple[object, ...]]:
    """The next rows: fewer if their texts are long."""
    rows: list[tuple[object, ...]] = []
    size = 0
    while len(rows) < _ROWS and size < _BYTES:
        some = cursor.fetchmany(_ROWS_AT_ONCE)
        if not some:
            break
        rows += some
        size += sum(len(value) for row in some for value in row if isinstance(value, str))
    return rows


def _texts(values: Sequence[object], gives: str, first: int) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
    if bytes in kinds:
        row = first + next(place for place, value in enumerate(values) if isinstance(value, bytes))
        raise DataError(f"{gives} with bytes in row {row:,}. Expected numbers and texts: cast it as text.")
    if len(kinds) == 1 and (kind := _TYPES.get(kinds.pop())):
        return pc.cast(pa.array(values, kind), pa.string())
    # A real is written as in a column of reals: a text id must not change with the other rows of a batch.
    reals = iter(
        pc.cast(pa.array([each for each in values if isinstance(each, float)], pa.float64()), pa.string())
    )
    texts = (next(reals).as_py() if isinstance(each, float) else each for each in values)
    return pa.array([None if each is None else str(each) for each in texts], pa.string())


@contextlib.contextmanager
def _faults(address: DatabaseAddress, limit: TimeLimit | None = None) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:  # 3.11 warns of a second statement
        if limit is not None and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise limit.error(address) from None
        raise _fault(error, address) from None
    except UnicodeDecodeError:  # sqlite3 decodes the names of a damaged schema to report them
        raise ConfigError(
            f"{address.place} could not be opened: names of its schema are damaged. Expected a file of SQLite."
        ) from None


def _fault(error: Exception, address: DatabaseAddress) -> MatineeError:
    text = said(error, address)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & _PRIMARY
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseError(
            f"{address.place} is in use by another process ({text}). Run again when it is done."
        )
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT):
        return ConfigError(f"{address.place} could not be opened: {text}. Expected a file of SQLite.")
    if "not authorized" in text or "prohibited" in text or "one statement" in text or "readonly" in text:
        return ConfigError(f"{address.shown} does more than read: {text}. {READS}")
    return ConfigError(f"{address.shown} was refused by the database: {text}. {READS}")
