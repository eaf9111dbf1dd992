"""What a search in a store in an object store does besides: other hosts may have begun it, and may continue it."""

import contextlib

from matinee.store import Store
from matinee.store.remote import remote_of


def bring_search(store: Store, study: str) -> None:
    """Bring the files of a search that another host may have begun."""
    if remote := remote_of(store.root):
        remote.searches.bring(study)


def share_search(store: Store, study: str) -> None:
    """Let other hosts continue from here. Raises StoreError if one has done so already."""
    if remote := remote_of(store.root):
        remote.searches.share(study)


def extending(store: Store, study: str) -> contextlib.AbstractContextManager[None]:
    """Keep other hosts out of a search during the block. Raises StoreError if one is in it."""
    remote = remote_of(store.root)
    return contextlib.nullcontext() if remote is None else remote.searches.extending(study)
