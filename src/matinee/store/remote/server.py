"""What is asked of an object store's server itself: its time, and whether it has conditional writes."""

import uuid
from datetime import UTC, datetime
from typing import Final

from matinee.store.remote.objects import Objects

PROBES: Final = "clock/"  # objects that are there for a moment only


def server_time(objects: Objects) -> datetime:
    """The time by the clock of the server, which leases are measured by."""
    key = f"{PROBES}{uuid.uuid4().hex}.json"
    objects.put(key, b"{}")
    found = objects.get(key)
    objects.delete([key])
    return datetime.now(UTC) if found is None else found.modified


def has_conditions(objects: Objects) -> bool:
    """Whether the server refuses to create an object that exists, and to replace one that has changed."""
    key = f"{PROBES}{uuid.uuid4().hex}.json"
    try:
        objects.create(key, b"first")
        before = objects.get(key)
        created = objects.create(key, b"second")
        objects.put(key, b"third")
        return before is not None and not created and not objects.swap(key, b"fourth", before.tag)
    finally:
        objects.delete([key])
