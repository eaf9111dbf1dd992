"""The progressive task: the champion's error on new ratings, before training."""

from pathlib import Path

from prefect import task

from matinee.monitor.progressive import ChampionScore, score_champion
from matinee.store import Reference, Store
from matinee.tasks.policies import RESULT, RETRY


@task(name="progressive", task_run_name="progressive", **RETRY, **RESULT)
def progressive(*, store: str, dataset: Reference) -> ChampionScore:
    """Score the champion on ratings newer than itself."""
    return score_champion(Store.open(Path(store)), dataset)
