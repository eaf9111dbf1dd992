"""Events for the automations of the Prefect server: a release was promoted, a candidate held, or a file refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.events import emit_event

from matinee.flows.summary import Summary
from matinee.registry import Registry

PROMOTED = "matinee.release.promoted"
HELD = "matinee.candidate.held"
REFUSED = "matinee.file.refused"


def announce(summary: Summary, *, store: str) -> None:
    """Say what became of a run's candidate."""
    figures = summary.metrics.flat()
    payload = {"reason": summary.reason, "metrics": figures}
    emit(PROMOTED if summary.promoted else HELD, store=store, version=summary.release, **payload)


def announce_unlisted(store: str) -> None:
    """Emit the promotion event again if the champion has no lists yet, as after a promotion by hand."""
    registry = Registry.open(Path(store))
    champion = registry.champion()
    if champion is not None and not registry.lists(champion).exists():
        emit(PROMOTED, store=store, version=champion, reason=registry.reason(), metrics={})


def emit(event: str, *, store: str, **payload: Any) -> None:
    """Emit an event about a store; the server adds the run and its deployment to it."""
    folder = str(Path(store).absolute())
    resource: Mapping[str, str] = {
        "prefect.resource.id": f"matinee.store.{folder}",
        "prefect.resource.name": folder,
    }
    emit_event(event, dict(resource), payload={"store": folder, **payload})
