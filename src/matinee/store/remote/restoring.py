"""A store in an object store that a restoration or a first backup has begun to fill."""

from typing import Final

from matinee.errors import StoreError
from matinee.store.remote.objects import Objects

RESTORING: Final = "restoring.json"  # there until the restoration has finished
UNFINISHED: Final = "unfinished.json"  # there until the first backup has finished


def check_complete(objects: Objects) -> None:
    """Raise StoreError for a store that is not whole yet: it would look like an empty one."""
    check_restored(objects)
    if objects.exists(UNFINISHED):
        raise StoreError(
            f"The first backup to {objects.address.text} has not finished. Run the `matinee backup` that began it "
            "again."
        )


def check_restored(objects: Objects) -> None:
    """Raise StoreError for a store whose restoration has not finished."""
    if objects.exists(RESTORING):
        raise StoreError(
            f"The restoration of {objects.address.text} has not finished. Wait for it, or run the same `matinee "
            "restore` again, which continues it."
        )
