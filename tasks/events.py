"""How an event about a store is emitted, and the event of a refused file."""

from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event

from matinee.store.remote import address_of

REFUSED = "matinee.file.refused"


def emit(event: str, *, store: str, **payload: Any) -> None:
    """Emit an event about a store; the server adds the run and its deployment to it."""
    folder = address_of(store)
    resource: Mapping[str, str] = {
        "prefect.resource.id": f"matinee.store.{folder}",
        "prefect.resource.name": folder,
    }
    emit_event(event, dict(resource), payload={"store": folder, **payload})
