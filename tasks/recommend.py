"""The recommend task: the champion's list for every user."""

from pathlib import Path

from prefect import task

from matinee import recommend as library
from matinee.recommend import Recommended
from matinee.registry import Registry
from matinee.release import load
from matinee.settings import RecommendSettings
from tasks.policies import RESULT, RETRY


@task(name="recommend", task_run_name="recommend top {top}", **RETRY, **RESULT)
def recommend(*, store: str, out: str, top: int, settings: RecommendSettings) -> Recommended:
    """Write the best unseen movies of every user to a Parquet file."""
    release = load(Registry.open(Path(store)).champion_folder())
    return library.recommend_all(release, out=Path(out), top=top, settings=settings)
