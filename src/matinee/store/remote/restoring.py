"""A store in an object store that a restoration has begun to fill."""

from typing import Final

from matinee.errors import StoreError
from matinee.store.remote.objects import Objects

RESTORING: Final = "restoring.json"  # there until the restoration has finished


def check_restored(objects: Objects) -> None:
    """Raise StoreError for a store whose restoration has not finished: it would look like an empty one."""
    if objects.exists(RESTORING):
        raise StoreError(
            f"The restoration of {objects.address.text} has not finished. Wait for it, or run the same `matinee "
            "restore` again, which continues it."
        )
