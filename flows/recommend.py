"""The recommend flow: from the champion to a list of movies for every user."""

from typing import Annotated

from prefect import flow
from pydantic import Field

from matinee.errors import ConfigError
from matinee.flows.step_runner import StepRunner
from matinee.recommend import Recommended
from matinee.release.narrowing import Narrowing
from matinee.settings import RecommendSettings
from matinee.store.paths import check_apart, check_place
from matinee.store.remote import local_store
from matinee.tasks.names import name_recommend
from matinee.tasks.recommend import recommend as recommend_to_everyone
from matinee.tasks.store_login import load_credentials


@flow(name="recommend", flow_run_name=name_recommend, persist_result=True, result_serializer="json")
def recommend(
    store: str,
    out: str | None = None,
    top: Annotated[int, Field(ge=1)] = 10,
    settings: RecommendSettings = RecommendSettings(),  # noqa: B008 - frozen, and the form in the UI shows it
    *,
    narrowing: Narrowing = Narrowing(),  # noqa: B008 - frozen
    only: str | None = None,
    credentials_block: str | None = None,
) -> Recommended:
    """Write the champion's list for every user, without movies that the user rated.

    Args:
        store: The folder where everything is kept, or its address in an object store, such as s3://bucket/store.
        out: The Parquet file to write; by default one per release in the store's `recommendations/`.
        top: Movies per user.
        settings: Device and memory limit.
        narrowing: What the lists are narrowed to: years, and at most so many movies of a franchise or year.
        only: A file of the movie ids that may be listed, one per line; narrowed lists need a separate `out`.
        credentials_block: The block of Prefect with the credentials of an object store, such as aws-credentials/NAME.
    """
    load_credentials(credentials_block)
    store = str(local_store(store))
    check_apart(store)
    if out is not None:
        check_place(out, inputs=[only] if only else [])
    elif only is not None or narrowing != Narrowing():
        raise ConfigError("Narrowed lists were requested without a file for them. Name one as `out`.")
    steps = StepRunner(store)
    return steps.run(
        recommend_to_everyone,
        store=steps.store,
        out=out,
        top=top,
        settings=settings,
        narrowing=narrowing,
        only=only,
    )
