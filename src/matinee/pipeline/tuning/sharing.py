"""A search is used by one process at a time, and in a store in an object store by one on all hosts."""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import Final

from matinee.errors import StoreError
from matinee.store import Store
from matinee.store.documents import TUNINGS
from matinee.store.locks import lock
from matinee.store.remote import remote_of

_WAIT_SECONDS: Final = 3.0  # for a process that only brings the search to this host


@contextlib.contextmanager
def alone(store: Store, study: str) -> Iterator[None]:
    """Keep other processes out of a search during the block. Raises StoreError if one is in it."""
    folder = store.root / TUNINGS / study
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        until = time.monotonic() + _WAIT_SECONDS
        while not (free := lock(handle, wait=False)) and time.monotonic() < until:
            time.sleep(0.05)
        if not free:
            raise StoreError(
                f"Another process is using the search {folder}. Wait until it has ended; the same command then "
                "continues with its trials."
            )
        with extending(store, study):
            yield
    finally:
        os.close(handle)


def extending(store: Store, study: str) -> contextlib.AbstractContextManager[None]:
    """Keep other hosts out of a search during the block. Raises StoreError if one is in it."""
    remote = remote_of(store.root)
    return contextlib.nullcontext() if remote is None else remote.searches.extending(study)


def bring_search(store: Store, study: str) -> None:
    """Bring the files of a search that another host may have begun."""
    if remote := remote_of(store.root):
        remote.searches.bring(study)


def share_search(store: Store, study: str) -> None:
    """Let other hosts continue from here. Raises StoreError if one has done so already."""
    if remote := remote_of(store.root):
        remote.searches.share(study)
