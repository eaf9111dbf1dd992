"""Limits on what one source may unpack to: depth, members and size, from the settings. Ordinary files are far below."""

from typing import Any

from matinee.errors import DataError
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import FREE_BYTES, IngestSettings


class Meter:
    """Counts what a source unpacks to, over all its containers together."""

    def __init__(self, source: Source, settings: IngestSettings) -> None:
        self.label = source.label()
        self.settings = settings
        self._most_bytes = max(FREE_BYTES, settings.max_ratio * source.size)
        self._packed = source.size
        self._bytes = 0
        self._members = 0

    def unpacked(self, size: int) -> None:
        """Count unpacked bytes.

        Raises DataError if they are too many for a file of its size.
        """
        self._bytes += size
        if self._bytes > self._most_bytes:
            raise DataError(
                f"{self.label} unpacks to more than {self._bytes >> 20:,} MB from {self._packed:,} bytes, more than "
                f"ingest.max_ratio={self.settings.max_ratio} allows. Ratings unpack to 5 to 20 times their size: "
                "check where the file comes from, or allow more with that setting."
            )

    def member(self) -> None:
        """Count an entry of an archive.

        Raises DataError if there are too many.
        """
        self._members += 1
        if self._members > self.settings.max_members:
            raise DataError(
                f"{self.label} holds more than {self.settings.max_members:,} entries (ingest.max_members). Expected an "
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


class Metered:
    """A decompressing stream that counts the bytes it returns."""

    def __init__(self, stream: Any, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        taken: int = self._stream.readinto(buffer) or 0
        self._meter.unpacked(taken)
        return taken
