"""The rows of a query, and the sentences about drivers and statements that all databases share."""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import pyarrow as pa

from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown
from matinee.store.database_address import DatabaseAddress

READS: Final = (
    "Expected one statement that only reads, such as `select user_id, movie_id, rating from ratings`."
)
_SENTENCE = 300  # characters of what a database says


@dataclass(frozen=True)
class QueryRows:
    """The rows of a query, batch by batch."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]


class TimeLimit:
    """The time that a query has, from now on."""

    def __init__(self, minutes: float) -> None:
        """Begin.

        Args:
            minutes: The setting `ingest.max_query_minutes`.
        """
        self._minutes, self._until = minutes, time.monotonic() + 60 * minutes

    @property
    def seconds(self) -> float:
        """What is left."""
        return max(0.0, self._until - time.monotonic())

    def is_over(self) -> bool:
        """Whether nothing is left."""
        return not self.seconds

    def error(self, address: DatabaseAddress) -> DataError:
        """The error of a query that took longer."""
        return DataError(
            f"{address.shown} did not give its last row within {self._minutes:g} minutes "
            "(ingest.max_query_minutes). None of its rows were taken. Expected a query of minutes: check the views and "
            "joins that it reads, or allow more with that setting."
        )


def batches_of(
    reader: Iterator[pa.RecordBatch], faults: Callable[[], AbstractContextManager[None]]
) -> Iterator[pa.RecordBatch]:
    """The batches of a driver, whose errors `faults` translates; errors of the caller pass."""
    while True:
        with faults():
            batch = next(reader, None)
        if batch is None:
            return
        yield batch


def missing_driver(package: str, address: DatabaseAddress) -> ConfigError:
    """The error for a driver that is not installed."""
    return ConfigError(
        f"{address.shown} needs the package {package}, which is not installed. Install 'matinee[sql]'."
    )


def said(error: BaseException, address: DatabaseAddress) -> str:
    """What a database says about an error, in one line, without the password."""
    text = str(error)
    for secret in _spellings(address.password):
        text = text.replace(secret, "***")
    found = re.search(
        r"(?:ERROR|FATAL):\s+(.+?)(?:\nLINE |\nQuery was|\n\n|\n?\. SQLSTATE|$)", text, re.DOTALL
    )
    line = " ".join((found[1] if found else text.partition("[libpq] ")[2] or text).split())
    return shown(line.rstrip("."), _SENTENCE)


def _spellings(password: str | None) -> list[str]:
    """A password as it is, and as it stands in the address that the driver gets."""
    return [password, quote(password, safe="")] if password else []
