"""Rows of a DuckDB file, by one thread: several threads give the rows in changing orders."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from matinee.errors import ConfigError, DatabaseError, MatineeError
from matinee.ingest.databases.rows import READS, QueryRows, TimeLimit, batches_of, missing_driver, said
from matinee.store.database_address import DatabaseAddress

_ROWS: Final = 1 << 15
_CORRUPT: Final = (
    "Error",
    "SerializationException",
    "InternalException",
    "FatalException",
    "UnicodeDecodeError",
    "RuntimeError",
)
_MEMORY: Final = "1GB"  # for sorting and joining; beyond, it uses the disk


@contextlib.contextmanager
def open_rows(address: DatabaseAddress, folder: Path, limit: TimeLimit) -> Iterator[QueryRows]:
    """The rows of a query, which sees the file as it was when it began; `folder` holds what does not fit the memory.

    Raises ConfigError for a wrong path or query, or if the driver is not installed; DatabaseError if another process
    holds the file; DataError if the query takes longer than the limit.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ImportError:
        raise missing_driver("duckdb", address) from None
    if not Path(address.database).is_file():
        raise ConfigError(f"{address.place} is not a file. Check the path; nothing was read.")
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": "1",
        "memory_limit": _MEMORY,
        "temp_directory": str(folder / "spilled"),
        "autoinstall_known_extensions": "false",
    }
    with contextlib.ExitStack() as opened:
        with _faults(duckdb.Error, address):
            connection = duckdb.connect(address.database, read_only=True, config=config)
            opened.callback(connection.close)
            # A view in the file could read any other file of this machine.
            connection.execute("set enable_external_access = false; set lock_configuration = true")
            statements = connection.extract_statements(address.query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise ConfigError(f"{address.shown} is not a single statement that only reads. {READS}")
        clock = threading.Timer(limit.seconds, connection.interrupt)
        clock.daemon = True
        clock.start()
        opened.callback(clock.join)  # the connection is closed after it
        opened.callback(clock.cancel)
        with _faults(duckdb.Error, address, limit):
            reader = connection.sql(address.query).to_arrow_reader(_ROWS)
        yield QueryRows(reader.schema, batches_of(reader, lambda: _faults(duckdb.Error, address, limit)))


@contextlib.contextmanager
def _faults(
    kind: type[Exception], address: DatabaseAddress, limit: TimeLimit | None = None
) -> Iterator[None]:
    try:
        yield
    # The last two are of a corrupt name or message: the driver can't make a text of it.
    except (kind, OSError, pa.ArrowException, UnicodeDecodeError, RuntimeError) as error:
        if limit is not None and limit.is_over():
            raise limit.error(address) from None
        raise _fault(error, address) from None


def _fault(error: Exception, address: DatabaseAddress) -> MatineeError:
    text = said(error, address)
    # Other errors quote names of the query, which may contain "lock".
    if type(error).__name__ == "IOException":
        if "lock" in text:
            return DatabaseError(
                f"{address.place} is in use by another process ({text}). Run again when it is done."
            )
        return ConfigError(f"{address.place} could not be opened: {text}. Expected a file of DuckDB.")
    if type(error).__name__ in _CORRUPT:
        return ConfigError(f"{address.place} is corrupt: {text}. Restore it, or write it again.")
    return ConfigError(f"{address.shown} was refused by the database: {text}. {READS}")
