"""Events for the automations of the Prefect server: a release was promoted, a candidate held, or a file refused."""

from pathlib import Path

from matinee.pipeline.summary import Summary
from matinee.registry import Registry
from matinee.tasks.events import emit

PROMOTED = "matinee.release.promoted"
HELD = "matinee.candidate.held"


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
