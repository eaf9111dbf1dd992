"""A store in an object store that a restoration or a first backup has begun to fill."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from matinee.errors import StoreError
from matinee.store.remote.objects import Objects

if TYPE_CHECKING:
    from matinee.store.remote.remote import Remote

RESTORING: Final = "restoring.json"  # there until the restoration has finished
UNFINISHED: Final = "unfinished.json"  # there until the first backup has finished


def check_all_there(objects: Objects) -> None:
    """Raise StoreError for a store that is not whole yet: it would look like an empty one."""
    check_not_restoring(objects)
    if objects.exists(UNFINISHED):
        raise StoreError(
            f"The first backup to {objects.address.text} has not finished. Run the `matinee backup` that began it "
            "again."
        )


def check_not_restoring(objects: Objects) -> None:
    """Raise StoreError for a store whose restoration has not finished."""
    if objects.exists(RESTORING):
        raise StoreError(
            f"The restoration of {objects.address.text} has not finished. Wait for it, or run the same `matinee "
            "restore` again, which continues it."
        )


@contextlib.contextmanager
def filling(remote: "Remote") -> Iterator[None]:
    """During the block, a store may be opened although it is not whole yet."""
    remote.is_filling = True
    try:
        yield
    finally:
        remote.is_filling = remote.is_checked = False
