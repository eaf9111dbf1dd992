"""The recommend flow: from the champion to a list of movies for every user."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from matinee.flows.summary import StepRunner
from matinee.recommend import Recommended
from matinee.settings import RecommendSettings
from matinee.store.paths import check_apart, check_place
from matinee.tasks.names import name_recommend
from matinee.tasks.recommend import recommend as recommend_to_everyone


@flow(name="recommend", flow_run_name=name_recommend, persist_result=True, result_serializer="json")
def recommend(
    store: str,
    out: str | None = None,
    top: Annotated[int, Field(ge=1)] = 10,
    settings: RecommendSettings = RecommendSettings(),  # noqa: B008 - frozen, and the form in the UI shows it
) -> Recommended:
    """Write the champion's list for every user, without movies that the user rated.

    Args:
        store: The folder where everything is kept.
        out: The Parquet file to write; by default one per release in the store's `recommendations/`.
        top: Movies per user.
        settings: Device and memory limit.
    """
    check_apart(store)
    if out is not None:
        check_place(out)
    steps = StepRunner(store)
    return steps.run(recommend_to_everyone, store=steps.store, out=out, top=top, settings=settings)
