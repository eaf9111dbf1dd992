"""The recommend flow: from the champion to a list of movies for every user."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from matinee.recommend import Recommended
from matinee.settings import RecommendSettings
from tasks.recommend import recommend as recommend_to_everyone


@flow(name="recommend", persist_result=True, result_serializer="json")
def recommend(
    store: Annotated[str, Field(description="The folder where everything is kept.")],
    out: Annotated[str, Field(description="The Parquet file to write.")],
    top: Annotated[int, Field(ge=1, description="Movies a user.")] = 10,
    settings: RecommendSettings = RecommendSettings(),  # noqa: B008 - frozen, and the form in the UI shows it
) -> Recommended:
    """Write the champion's list for every user, movies that the user rated left out."""
    return recommend_to_everyone(store=store, out=out, top=top, settings=settings)
