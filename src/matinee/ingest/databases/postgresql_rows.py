"""Rows of a PostgreSQL database, streamed by ADBC's driver with COPY.

https://arrow.apache.org/adbc/current/driver/postgresql.html, https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import contextlib
import os
import re
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Final

import pyarrow as pa

from matinee.errors import ConfigError, DatabaseError, MatineeError
from matinee.ingest.databases.rows import READS, QueryRows, TimeLimit, batches_of, missing_driver, said
from matinee.store.database_address import DatabaseAddress, login_of

# The server is given up after this time, and a broken line is noticed.
_OPTIONS: Final = {
    "connect_timeout": "15",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "matinee",
}
# The order of unchanged rows stays the same: scans begin at the first page, and no two processes share one.
_SESSION: Final = (
    "synchronize_seqscans = off",
    "max_parallel_workers_per_gather = 0",
    "timezone = 'UTC'",
    "datestyle = 'ISO'",
    "lock_timeout = '45s'",
)
# An administrator's shorter limit stays.
_TIME_LIMIT: Final = (
    "SELECT set_config('statement_timeout', least(nullif(setting::bigint, 0), {})::text, true) "
    "FROM pg_settings WHERE name = 'statement_timeout'"
)
_REFUSED_LOGIN: Final = re.compile(
    r"password authentication failed|no password supplied|authentication failed|(role|database) .* does not exist|"
    r"pg_hba\.conf|permission denied|invalid URI|invalid connection option|does not support SSL|SSL off|certificate|"
    r"invalid \w+ value|definition of service"
)
_LOST: Final = re.compile(
    r"closed the connection|terminating connection|no connection|could not receive|could not send|timeout|"
    r"connection (has been )?(closed|reset|lost)",
    re.IGNORECASE,
)


@contextlib.contextmanager
def open_rows(address: DatabaseAddress, folder: Path, limit: TimeLimit) -> Iterator[QueryRows]:
    """The rows of a query, in one read-only transaction.

    Raises ConfigError for a wrong login or query, or if the driver is not installed; DatabaseError if the server does
    not answer; DataError if the query takes longer than the limit.
    """
    try:
        from adbc_driver_postgresql import dbapi  # noqa: PLC0415 - an extra
    except ImportError:
        raise missing_driver("adbc-driver-postgresql", address) from None
    with contextlib.ExitStack() as opened:
        try:
            connection = opened.enter_context(dbapi.connect(_uri(address), autocommit=True))
        except dbapi.Error as error:
            raise _unreachable(error, address) from None
        cursor = opened.enter_context(connection.cursor())
        with _faults(dbapi.Error, address, limit):
            cursor.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            for setting in _SESSION:
                cursor.execute(f"SET LOCAL {setting}")
            cursor.execute(_TIME_LIMIT.format(ceil(1000 * limit.seconds) or 1))
            cursor.fetchall()
            cursor.execute(f"{address.query.rstrip(';').rstrip()}\n")  # the driver puts it in brackets
            reader = cursor.fetch_record_batch()
        if not len(reader.schema):
            raise ConfigError(f"{address.shown} gives no columns. {READS}")
        yield QueryRows(reader.schema, batches_of(reader, lambda: _faults(dbapi.Error, address, limit)))


def _uri(address: DatabaseAddress) -> str:
    given = dict(address.options)
    defaults = {name: value for name, value in _OPTIONS.items() if name not in given}
    if "PGCONNECT_TIMEOUT" in os.environ:
        defaults.pop("connect_timeout", None)
    options = "&".join(f"{name}={value}" for name, value in {**given, **defaults}.items())
    return f"postgresql://{login_of(address)}{address.server}/{address.database}?{options}"


@contextlib.contextmanager
def _faults(kind: type[Exception], address: DatabaseAddress, limit: TimeLimit) -> Iterator[None]:
    """Translate errors of the driver; while rows arrive, they are OSErrors of Arrow."""
    try:
        yield
    except (kind, OSError, pa.ArrowException) as error:
        if limit.is_over():
            raise limit.error(address) from None
        raise _fault(error, address) from None


def _fault(error: Exception, address: DatabaseAddress) -> MatineeError:
    state, text = getattr(error, "sqlstate", None) or "", said(error, address)
    if state == "25006":
        return ConfigError(f"{address.shown} would write: {text}. {READS}")
    if state == "55P03":
        return DatabaseError(f"{address.shown} waits for a lock that another session holds. Run again later.")
    if state[:2] in ("08", "53", "57", "58") or (not state and _LOST.search(text)):
        return DatabaseError(
            f"{address.shown} was interrupted: {text}. None of its rows were taken. Run the same command again."
        )
    return ConfigError(f"{address.shown} was refused by the database: {text}. {READS}")


def _unreachable(error: Exception, address: DatabaseAddress) -> MatineeError:
    text = said(error, address)
    if _REFUSED_LOGIN.search(text):
        return ConfigError(
            f"{address.place} refused the login: {text}. Check user, password and database. The password can be in "
            "PGPASSWORD or in ~/.pgpass."
        )
    return DatabaseError(
        f"{address.place} could not be reached: {text}. Check host and port, and that the server runs. Nothing was "
        "read."
    )
