"""The prune task: removes old releases and folders that no kept release refers to."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.maintenance import prune as library
from matinee.maintenance.pruned import Pruned
from matinee.tasks.policies import step


@step(Step.PRUNE)
def prune(*, store: str, keep: int) -> Pruned:
    """Keep the newest releases, the champion, its predecessor, recent holds, and everything they refer to."""
    return library.prune(Path(store), keep=keep)
