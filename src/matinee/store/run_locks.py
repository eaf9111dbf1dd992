"""Locks of active runs. Prune keeps what they use; `forget` waits for none of them and refuses to start.

The lock is a locked folder in `running/`, whose time is the start of the run. A run on a store in an object store has a
lease there too, for the processes on other hosts.
"""

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from matinee.errors import StoreError
from matinee.store.disk_errors import writing
from matinee.store.identity import require_store, run_lock_folder, run_locks_in
from matinee.store.locks import lock, lock_folder
from matinee.store.remote import remote_of

_ONLY_READ: Final = {errno.EROFS, errno.EACCES, errno.EPERM}


@contextlib.contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Hold a run lock during the block, as `Store.in_use` says."""
    require_store(root)
    run_lock = run_lock_folder(root) / f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    with contextlib.ExitStack() as held:
        with writing(root), lock_folder(run_lock.parent):
            held.enter_context(lock_folder(run_lock))
        try:
            if remote := remote_of(root):
                held.enter_context(remote.leases.held())
            yield
        finally:
            # A missing store is reported elsewhere; prune removes dead run locks.
            with contextlib.suppress(OSError):
                run_lock.rmdir()


@contextlib.contextmanager
def reading(root: Path) -> Iterator[None]:
    """Hold a run lock during the block, or none on a store that this user can only read: nobody prunes it here."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(in_use(root))
        except StoreError as error:
            if not (isinstance(error.__cause__, OSError) and error.__cause__.errno in _ONLY_READ):
                raise
        yield


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Use the store exclusively during the block, as `Store.alone` says."""
    require_store(root)
    with lock_folder(run_lock_folder(root)), contextlib.ExitStack() as held:
        busy = [run_lock.name.partition("-")[0] for run_lock in live_run_locks(root)]
        if busy:
            raise StoreError(
                f"A run is using {root} (process {', '.join(busy)}) and may read or write the same folders. "
                "Run the same command again when it has ended."
            )
        if remote := remote_of(root):
            held.enter_context(remote.leases.alone())
        yield


def live_run_locks(root: Path) -> Iterator[Path]:
    """The run locks of processes that are alive."""
    for run_lock in run_locks_in(root):
        try:
            handle = os.open(run_lock, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue
        try:
            if not lock(handle, shared=True, wait=False):
                yield run_lock
        finally:
            os.close(handle)
