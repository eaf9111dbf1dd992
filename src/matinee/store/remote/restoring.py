"""A store in an object store that a restoration or a first backup has begun to fill."""

from typing import Final

from matinee.errors import StoreError
from matinee.store.remote.objects import Objects

RESTORING: Final = "restoring.json"  # there until the restoration has finished
UNFINISHED: Final = "unfinished.json"  # there until the first backup has finished


def check_filled(objects: Objects) -> None:
    """Raise StoreError for a store that is not whole yet: it would look like an empty one."""
    name = objects.address.text
    if objects.exists(RESTORING):
        raise StoreError(
            f"The restoration of {name} has not finished. Wait for it, or run the same `matinee restore` again, which "
            "continues it."
        )
    if objects.exists(UNFINISHED):
        raise StoreError(
            f"The first backup to {name} has not finished. Run the `matinee backup` that began it again."
        )
