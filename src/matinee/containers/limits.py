"""Limits on what one source may unpack to: depth, members and size, from the settings. Ordinary files are far below."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

from matinee.containers.member import Stream
from matinee.errors import DataError

FREE_BYTES: Final = 1 << 26  # max_ratio does not apply to files that unpack to less


class Reading(Protocol):
    """What containers need of the settings of ingest (`matinee.settings.IngestSettings`)."""

    @property
    def encoding(self) -> str:
        """`auto` or the encoding of text without a byte order mark."""

    @property
    def columns(self) -> Mapping[Any, str]:
        """Names of columns, by our name."""

    @property
    def title_columns(self) -> Mapping[Any, str]:
        """Names of columns of titles, by our name."""

    @property
    def max_line_mb(self) -> int:
        """Maximum length of a line."""

    @property
    def max_members(self) -> int:
        """Maximum number of entries in an archive."""

    @property
    def max_depth(self) -> int:
        """Maximum number of nested containers."""

    @property
    def max_ratio(self) -> int:
        """Maximum ratio of unpacked size to file size."""


class Meter:
    """Counts what a file unpacks to, over all its containers together.

    Args:
        label: The name of the file in messages.
        size: Its bytes; None for a pipe, whose size is unknown.
        settings: The limits.
        every_column: Whether all columns of JSON lines are wanted, not only those of ratings and titles.
    """

    def __init__(
        self, label: str, size: int | None, settings: Reading, *, every_column: bool = False
    ) -> None:
        self.label = label
        self.settings = settings
        self.every_column = every_column
        self._most_bytes = None if size is None else max(FREE_BYTES, settings.max_ratio * size)
        self._packed = size or 0
        self._bytes = 0
        self._members = 0

    def unpacked(self, size: int) -> None:
        """Count unpacked bytes.

        Raises DataError if they are too many for a file of its size.
        """
        self._bytes += size
        if self._most_bytes is not None and self._bytes > self._most_bytes:
            raise DataError(
                f"{self.label} unpacks to more than {self._bytes >> 20:,} MB from {self._packed:,} bytes, more than "
                f"ingest.max_ratio={self.settings.max_ratio} allows. Ratings unpack to 5 to 20 times their size: "
                "check where the file comes from, or allow more with that setting."
            )

    def member(self, entries: int = 1) -> None:
        """Count entries of an archive.

        Raises DataError if there are too many.
        """
        self._members += entries
        if self._members > self.settings.max_members:
            raise DataError(
                f"{self.label} has more than {self.settings.max_members:,} entries (ingest.max_members). Expected an "
                "archive of rating files: split it, or allow more with that setting."
            )

    def enter(self, depth: int) -> None:
        """Enter a container that is nested in `depth` others.

        Raises DataError if that is too deep.
        """
        if depth >= self.settings.max_depth:
            raise DataError(
                f"{self.label} is nested more than {self.settings.max_depth} containers deep (ingest.max_depth). "
                "Expected ratings as text, perhaps compressed: unpack it, or allow more with that setting."
            )


class MeteredStream:
    """A decompressing stream that counts the bytes it returns."""

    def __init__(self, stream: Stream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        taken = self._stream.readinto(buffer) or 0
        self._meter.unpacked(taken)
        return taken
