"""The retrain flow: from rating files to a published release."""

from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from matinee.flows.events import announce
from matinee.flows.summary import StepRunner, Summary
from matinee.release.signature import check_publishing
from matinee.settings import Settings
from matinee.store import Store
from matinee.store.paths import check_apart
from matinee.tasks.encode import encode
from matinee.tasks.evaluate import evaluate
from matinee.tasks.ingest import ingest
from matinee.tasks.names import add_rows_to_name, name_retrain
from matinee.tasks.progressive import progressive
from matinee.tasks.publish import publish
from matinee.tasks.rank import rank, refit_ranking
from matinee.tasks.split import split
from matinee.tasks.train import refit, train


@flow(name="retrain", flow_run_name=name_retrain, persist_result=True, result_serializer="json")
def retrain(
    ratings: Annotated[list[str], Field(min_length=1)],
    titles: str,
    store: str,
    test: list[str] = [],  # noqa: B006 - never changed, and the form in the UI shows it
    settings: Settings = Settings(),  # noqa: B008 - frozen, and the form in the UI shows it
) -> Summary:
    """Ingest, score the champion on new ratings, encode, split, train, rank, evaluate, and publish if the gate passes.

    Each step is a folder in the store, named by the digest of its inputs. A second run resumes where the first one
    ended, and skips finished steps.

    Args:
        ratings: Rating files, folders or globs.
        titles: The title file.
        store: The folder where everything is kept.
        test: Files of test rows, for split.strategy=given; without them test rows are drawn.
        settings: How to read, split, train and judge; what is left out takes its default.
    """
    check_apart(store, sources=[*ratings, titles, *test])
    check_publishing()
    steps = StepRunner(store)
    store = steps.store
    settings = settings.for_test_files(test).spelled_out()
    plays = settings.ingest.feedback == "implicit"  # they train only the ranking model
    with Store.open(Path(store)).in_use():  # prune keeps what this run uses
        dataset = steps.run(
            ingest, store=store, ratings=ratings, titles=titles, test=test, settings=settings.ingest
        )
        add_rows_to_name(dataset.rows)
        steps.run(progressive, store=store, dataset=dataset)
        encoding = steps.run(encode, store=store, dataset=dataset)
        rows_split = steps.run(
            split, store=store, dataset=dataset, encoding=encoding, settings=settings.split
        )
        candidate = None if plays else steps.run(train, store=store, split=rows_split, settings=settings)
        ranking = steps.run(rank, store=store, split=rows_split, settings=settings)
        evaluation = steps.run(
            evaluate,
            store=store,
            split=rows_split,
            candidate=candidate,
            ranking=ranking,
            settings=settings,
        )
        shipped = (
            steps.run(refit, store=store, candidate=candidate, evaluation=evaluation, settings=settings)
            if candidate
            else None
        )
        shipped_ranking = steps.run(
            refit_ranking, store=store, ranking=ranking, evaluation=evaluation, settings=settings
        )
        publication = steps.run(
            publish,
            store=store,
            dataset=dataset,
            split=rows_split,
            candidate=candidate,
            shipped=shipped,
            ranking=ranking,
            shipped_ranking=shipped_ranking,
            evaluation=evaluation,
            settings=settings,
        )
        summary = steps.summary(publication)
    announce(summary, store=store)
    return summary
