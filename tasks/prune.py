"""The prune task: removes old releases and folders that no kept release refers to."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefect import task

from matinee.maintenance import prune as library
from matinee.tasks.policies import RESULT, RETRY


@task(name="prune", **RETRY, **RESULT)
def prune(*, store: str, keep: int) -> dict[str, Any]:
    """Keep the newest releases, the champion, its predecessor, recent holds, and everything they refer to."""
    return asdict(library.prune(Path(store), keep=keep))
