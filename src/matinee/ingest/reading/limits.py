"""What one source may cost: depth, members and unpacked size, by the settings; an honest file meets none of them."""

from typing import Any

from matinee.errors import DataError
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import FREE_BYTES, IngestSettings


class Meter:
    """Counts what a source unpacks to, over all of its containers together."""

    def __init__(self, source: Source, settings: IngestSettings) -> None:
        self.label = source.label()
        self.settings = settings
        self._most_bytes = max(FREE_BYTES, settings.max_ratio * source.size)
        self._packed = source.size
        self._bytes = 0
        self._members = 0

    def unpacked(self, size: int) -> None:
        """Count bytes that came out of a container.

        Raises DataError when they are too many for a file of its size.
        """
        self._bytes += size
        if self._bytes > self._most_bytes:
            raise DataError(
                f"{self.label} unpacks to more than {self._bytes >> 20:,} MB from {self._packed:,} bytes, and "
                f"ingest.max_ratio={self.settings.max_ratio} allows that factor at most. Ratings unpack to 5 to 20 "
                "times their size: check where the file comes from, or allow more with that setting."
            )

    def member(self) -> None:
        """Count an entry of an archive.

        Raises DataError when there are too many.
        """
        self._members += 1
        if self._members > self.settings.max_members:
            raise DataError(
                f"{self.label} holds more than {self.settings.max_members:,} entries (ingest.max_members). Expected an "
                "archive of rating files: split it, or allow more with that setting."
            )

    def enter(self, depth: int) -> None:
        """Go into a container that lies within `depth` others.

        Raises DataError when that is too deep.
        """
        if depth >= self.settings.max_depth:
            raise DataError(
                f"{self.label} holds containers within containers, more than {self.settings.max_depth} deep "
                "(ingest.max_depth). Expected ratings as text, perhaps packed: unpack it, or allow more with that "
                "setting."
            )


class Metered:
    """A stream that unpacks something, and counts what it gives."""

    def __init__(self, stream: Any, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer with what comes next; 0 at the end."""
        taken: int = self._stream.readinto(buffer) or 0
        self._meter.unpacked(taken)
        return taken
