"""The publish task: the release and the champion."""

from pathlib import Path

from matinee import publish as library
from matinee.evaluate.tested import Models, Tested
from matinee.formats.steps import Step
from matinee.publish import Publication
from matinee.settings import Settings
from matinee.store import Store
from matinee.tasks.policies import step


@step(Step.PUBLISH)
def publish(*, store: str, tested: Tested, shipped: Models, settings: Settings) -> Publication:
    """Publish the candidate if the gate passed it; a held candidate stays in the store."""
    return library.publish(Store.open(Path(store)), tested, shipped=shipped, settings=settings)
