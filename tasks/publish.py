"""The publish task: the release and the champion."""

from pathlib import Path

from matinee import publish as library
from matinee.formats.steps import Step
from matinee.publish import Publication
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.tasks.policies import step


@step(Step.PUBLISH)
def publish(
    *,
    store: str,
    dataset: Reference,
    split: Reference,
    candidate: Reference | None,
    shipped: Reference | None,
    ranking: Reference,
    shipped_ranking: Reference,
    evaluation: Reference,
    settings: Settings,
) -> Publication:
    """Publish the candidate if the gate passed it; a held candidate stays in the store."""
    return library.publish(
        Store.open(Path(store)),
        dataset=dataset,
        split=split,
        candidate=candidate,
        shipped=shipped,
        ranking=ranking,
        shipped_ranking=shipped_ranking,
        evaluation=evaluation,
        settings=settings,
    )
