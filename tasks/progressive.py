"""The progressive task: the champion's error on new ratings, before training."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.monitor.progressive import ChampionScore, score_champion
from matinee.store import Reference, Store
from matinee.tasks.policies import step


@step(Step.PROGRESSIVE)
def progressive(*, store: str, dataset: Reference) -> ChampionScore:
    """If there is a champion, measure it on the ratings that are newer than it."""
    return score_champion(Store.open(Path(store)), dataset)
