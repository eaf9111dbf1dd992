"""File locks. The system releases a lock when its process ends, however it ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


def lock(handle: int, *, shared: bool = False, wait: bool = True) -> bool:
    """Lock an open file or folder (flock(2)) until it is closed or the process ends.

    Args:
        handle: Number of the open file or folder.
        shared: Whether other processes may hold a shared lock at the same time.
        wait: Whether to wait until other processes release their lock.

    Returns:
        Whether the lock is held; False only with `wait=False`.

    Raises:
        OSError: The file system has no locks.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the only lock on a folder, which is created; waits while another process holds it.

    The folder may be renamed or removed during the wait. Then the new folder of that name is locked.
    """
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            lock(handle)
            if not _is_same(handle, folder):
                continue
            yield
            return
        finally:
            os.close(handle)


def _is_same(handle: int, folder: Path) -> bool:
    try:
        there = folder.stat()
    except FileNotFoundError:
        return False
    here = os.fstat(handle)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)
