"""Faults of containers, translated into errors that name the file."""

import contextlib
import lzma
import zlib
from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from matinee.errors import ConfigError, DataError
from matinee.errors.text import shown

_AGAIN: Final = "Copy or download it again."


class CorruptError(Exception):
    """A container is corrupt, truncated, or of an unsupported kind; the message says how."""


# What the reading of a container raises if it is corrupt, truncated or gone.
FAULTS: Final = (pa.ArrowException, CorruptError, EOFError, OSError, zlib.error, lzma.LZMAError)


@contextlib.contextmanager
def name_faults(label: str) -> Iterator[None]:
    """Translate what goes wrong while a file is read into an error that names the file.

    Raises DataError if it is corrupt or could not be read; ConfigError if it no longer exists.
    """
    try:
        yield
    except FileNotFoundError:
        raise ConfigError(f"{label} no longer exists.") from None
    except pa.ArrowMemoryError as error:
        raise DataError(f"{label} needs more memory than is available ({shown(error)}). {_AGAIN}") from None
    except FAULTS as error:
        if isinstance(error, OSError) and error.errno is not None:  # those of pyarrow and bz2 have no number
            raise DataError(f"{label} could not be read: {error.strerror}.") from None
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DataError(f"{label} is corrupt or truncated ({shown(reason)}). {_AGAIN}") from None
