"""Opens source files, packed or encoded in any way, as streams of text; errors name the source."""

import contextlib
import logging
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any

from polars.exceptions import PanicException

from matinee.containers import Member, Meter, name_faults, unpack
from matinee.errors import DataError, MatineeError
from matinee.errors.text import shown
from matinee.ingest.reading.sources import Source
from matinee.settings.ingest import IngestSettings
from matinee.store import progress
from matinee.store.compiled import damaged_loops
from matinee.store.disk_errors import io_error

log = logging.getLogger(__name__)

_MOST_HEADS = 16  # members of an archive: enough to see whether it holds ratings


def open_members(source: Source, settings: IngestSettings) -> Generator[Member]:
    """Open the texts in a source: one, or all members of an archive.

    Raises DataError if it is corrupt, truncated or over a limit of the settings; ConfigError if it no longer exists.
    """
    meter = Meter(source.label(), source.size, settings)
    with translate_read_errors(source), source.path.open("rb", buffering=0) as raw:
        progress.follow(raw, source.size)
        for member in unpack(raw, source.name, meter, constants=dict(source.constants)):
            member.stream = _Watched(member.stream, source)
            yield member


def read_heads(source: Source, settings: IngestSettings) -> list[Member]:
    """Open the first texts in a source, to inspect their heads."""
    with contextlib.closing(open_members(source, settings)) as members:
        return list(islice(members, _MOST_HEADS))


class _Watched:
    """A stream whose read errors name the source, wherever they occur."""

    def __init__(self, stream: Any, source: Source) -> None:
        self._stream = stream
        self._source = source

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; returns the number of bytes, 0 at the end."""
        with translate_read_errors(self._source):
            taken: int = self._stream.readinto(buffer) or 0
            return taken


@contextlib.contextmanager
def translate_read_errors(source: Source) -> Iterator[None]:
    """Translate any error while a source is read into one that names it."""
    with translate_parser_errors(source.label()), name_faults(source.label()):
        yield


@contextlib.contextmanager
def translate_parser_errors(label: str, *, writes: bool = False) -> Iterator[None]:
    """Translate any other error that a file's content causes into a refusal of that file; the log has the traceback.

    Our own errors, disk errors, damaged compiled loops and a lack of memory are passed on. With `writes`, so are errors
    in which a library reports a disk error as text.
    """
    try:
        yield
    except (MatineeError, MemoryError, OSError):
        raise
    except (Exception, PanicException) as error:
        if (writes and io_error(error) is not None) or damaged_loops(error):
            raise
        log.warning("%s could not be read.", label, exc_info=True)
        raise DataError(
            f"{label} could not be read ({type(error).__name__}: {shown(error)}). Expected a table as text or Parquet; "
            "the log has the traceback."
        ) from error
