"""The retrain flow: from rating files to a published release."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from matinee.evaluate.tested import Models, Tested
from matinee.flows.database_login import QueryableSource, load_password
from matinee.flows.events import announce
from matinee.flows.reading import read_sources
from matinee.flows.step_runner import StepRunner, as_state
from matinee.ingest.reading.object_sources import local_file, local_sources
from matinee.pipeline.summary import Summary
from matinee.pipeline.tracking import check_tracking
from matinee.release.signature import check_publishing
from matinee.settings import Settings
from matinee.store import Reference, Store
from matinee.store.database_address import refuse_passwords
from matinee.store.paths import check_apart
from matinee.store.remote import local_store
from matinee.tasks.encode import encode
from matinee.tasks.evaluate import evaluate
from matinee.tasks.names import add_rows_to_name, name_retrain
from matinee.tasks.progressive import progressive
from matinee.tasks.publish import publish
from matinee.tasks.rank import rank, refit_ranking
from matinee.tasks.split import split
from matinee.tasks.store_login import load_credentials
from matinee.tasks.track import track_run
from matinee.tasks.train import refit, train


@flow(name="retrain", flow_run_name=name_retrain, persist_result=True, result_serializer="json")
def retrain(  # noqa: PLR0917 - Prefect passes them by name
    ratings: Annotated[list[QueryableSource], Field(min_length=1)],
    titles: str,
    store: str,
    test: list[QueryableSource] = [],  # noqa: B006 - never changed, and the form in the UI shows it
    settings: Settings = Settings(),  # noqa: B008 - frozen, and the form in the UI shows it
    password_block: str | None = None,
    credentials_block: str | None = None,
    mlflow: str | None = None,
) -> Summary:
    """Ingest, score the champion on new ratings, encode, split, train, rank, evaluate, and publish if the gate passes.

    Each step is a folder in the store, named by the digest of its inputs. A second run resumes where the first one
    ended, and skips finished steps.

    Args:
        ratings: Rating files, folders or globs, or queries of databases without a password.
        titles: The titles file.
        store: The folder where everything is kept, or its address in an object store, such as s3://bucket/store.
        test: Files of test rows, for split.strategy=given; without them test rows are drawn.
        settings: How to read, split, train and judge; what is left out takes its default.
        password_block: The Secret block of Prefect with the password of the PostgreSQL addresses.
        credentials_block: The block of Prefect with the credentials of an object store, such as aws-credentials/NAME.
        mlflow: The address of an MLflow server to log the run to, such as http://127.0.0.1:5000.
    """
    load_credentials(credentials_block)
    check_tracking(mlflow)
    refuse_passwords([*ratings, *test])
    load_password(password_block, [*ratings, *test])
    store = str(local_store(store))
    ratings, titles, test = local_sources(ratings), local_file(titles), local_sources(test)
    check_apart(store, sources=[*ratings, titles, *test])
    check_publishing()
    settings.check()
    steps = StepRunner(store)
    store = steps.store
    settings = settings.for_test_files(test).spelled_out()
    with Store.open(Path(store)).in_use():  # prune keeps what this run uses
        dataset = read_sources(steps, ratings=ratings, titles=titles, test=test, settings=settings.ingest)
        add_rows_to_name(dataset.rows)
        steps.run(progressive, store=store, dataset=dataset)
        encoding = steps.run(encode, store=store, dataset=dataset)
        rows_split = steps.run(
            split, store=store, dataset=dataset, encoding=encoding, settings=settings.split
        )
        tested = _test(steps, rows_split, settings)
        shipped = _refit(steps, tested, settings)
        publication = steps.run(publish, store=store, tested=tested, shipped=shipped, settings=settings)
        summary = steps.summary(publication)
        announce(summary, store=store)
        track_run(store, summary, mlflow=mlflow)
    return as_state(summary)


def _test(steps: StepRunner, split: Reference, settings: Settings) -> Tested:
    """Fit the models of a split and evaluate them; plays have only a ranking model."""
    store, plays = steps.store, settings.ingest.feedback == "implicit"
    models = Models(
        candidate=None if plays else steps.run(train, store=store, split=split, settings=settings),
        ranking=steps.run(rank, store=store, split=split, settings=settings),
    )
    evaluation = steps.run(evaluate, store=store, split=split, models=models, settings=settings)
    return Tested(split=split, models=models, evaluation=evaluation)


def _refit(steps: StepRunner, tested: Tested, settings: Settings) -> Models:
    """The models to publish: the refits, or the tested models if no refit is configured."""
    store, plays = steps.store, tested.models.candidate is None
    return Models(
        candidate=None if plays else steps.run(refit, store=store, tested=tested, settings=settings),
        ranking=steps.run(refit_ranking, store=store, tested=tested, settings=settings),
    )
