"""Errors of a full or failing disk, whether the system or a library reports them.

polars, pyarrow, numpy and safetensors report a failed write as an error of their own, often without the file name.
"""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

from matinee.errors import MatineeError, StoreError

# Errors of a write that the kernel reports without a file name.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_NUMBER = re.compile(r"\bos error (\d+)|\berrno:? (\d+)", re.IGNORECASE)
_CUT_SHORT = re.compile(r"\d+ requested and \d+ written")  # of numpy
_PLACE = re.compile(r'at path "(.*?)"')  # of safetensors


@contextlib.contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn an error of the disk, or an error with a path under `root`, into a StoreError that says what to do."""
    try:
        yield
    except MatineeError:
        raise
    except Exception as error:
        cause = io_error(error)
        inside = "" if cause is None else _inside(cause, root)
        if cause is None or not (inside or cause.errno in _OF_THE_DISK):
            raise
        where = f"{inside} in the store" if inside else f"The store {root}"
        did = "could not be written"
        if cause.errno == errno.EIO:  # a read can fail too, also that of a source file
            where, did = inside or f"A file in the store {root}, or one read into it,", "failed on its disk"
        raise StoreError(
            f"{where} {did}: {cause.strerror}. The usual causes are a full disk or the permissions of {root}. Nothing "
            "unfinished is left, and the same command continues from here."
        ) from cause


@contextlib.contextmanager
def writing_out(out: Path) -> Iterator[None]:
    """Turn an error of the disk while `out` is written into a StoreError that names it."""
    try:
        yield
    except MatineeError:
        raise
    except Exception as error:
        cause = io_error(error)
        if cause is None or cause.errno not in _OF_THE_DISK:
            raise
        raise StoreError(
            f"{out} could not be written: {cause.strerror}. Free space on its disk and run the same command again; "
            "nothing unfinished is left."
        ) from cause


def io_error(error: BaseException) -> OSError | None:
    """The I/O error behind an exception of the system or of a library; None if there is none."""
    if isinstance(error, OSError) and error.errno is not None and error.strerror is not None:
        return OSError(error.errno, os.strerror(error.errno), error.filename, None, error.filename2)
    text = str(error)
    number = _NUMBER.search(text)
    if number is None and not _CUT_SHORT.search(text):
        return None
    code = int(number[1] or number[2]) if number else errno.ENOSPC
    place = _PLACE.search(text)
    return OSError(code, os.strerror(code), *([place[1]] if place else []))


def _inside(error: OSError, root: Path) -> str:
    """The file under `root` that an error names; for a copy, the target before the source."""
    names = (os.fsdecode(name) for name in (error.filename2, error.filename) if isinstance(name, str | bytes))
    return next((name for name in names if Path(name).is_relative_to(root)), "")
