"""The tune flow: from rating files to better settings, without a release."""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from prefect import flow
from prefect.futures import wait
from pydantic import Field

from matinee.errors.log_filter import RESULT
from matinee.flows.database_login import QueryableSource, load_password
from matinee.flows.reading import read_sources
from matinee.flows.step_runner import StepRunner
from matinee.formats.tuning import Goal, TuningResult
from matinee.pipeline.tuning.run import MOST_TRIALS, MOST_WORKERS, run_search
from matinee.pipeline.tuning.search import Call, Tuning
from matinee.pipeline.tuning.trials import check_installed
from matinee.settings import Settings
from matinee.store import Store, progress
from matinee.store.database_address import refuse_passwords
from matinee.store.paths import check_apart
from matinee.store.remote import local_store
from matinee.tasks.artifacts import show_page
from matinee.tasks.encode import encode
from matinee.tasks.names import name_tune
from matinee.tasks.split import split
from matinee.tasks.store_login import load_credentials
from matinee.tasks.tune import trial
from matinee.tasks.tuning_page import tuning_report

log = logging.getLogger("matinee.run")

GoalName = Literal["ratings", "lists", "both"]
_GOALS: dict[GoalName, list[Goal]] = {
    "ratings": ["ratings"],
    "lists": ["lists"],
    "both": ["ratings", "lists"],
}


@flow(name="tune", flow_run_name=name_tune, persist_result=True, result_serializer="json")
def tune(  # noqa: PLR0917 - Prefect passes them by name
    ratings: Annotated[list[QueryableSource], Field(min_length=1)],
    titles: str,
    store: str,
    trials: Annotated[int, Field(ge=1, le=MOST_TRIALS)] = 30,
    minutes: Annotated[float | None, Field(gt=0)] = None,
    goal: GoalName = "both",
    test: list[QueryableSource] = [],  # noqa: B006 - never changed, and the form in the UI shows it
    settings: Settings = Settings(),  # noqa: B008 - frozen, and the form in the UI shows it
    out: str | None = None,
    workers: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 1,
    password_block: str | None = None,
    credentials_block: str | None = None,
) -> TuningResult:
    """Search for better settings on valid rows, and write them to a file for `--settings`. Nothing is published.

    The search is a folder in the store. A second run continues it: finished trials count, and an interrupted one is run
    again.

    Args:
        ratings: Rating files, folders or globs, or queries of databases without a password.
        titles: The titles file.
        store: The folder where everything is kept, or its address in an object store, such as s3://bucket/store.
        trials: Number of trials for each goal, including the one with the base settings.
        minutes: No trial starts after this time.
        goal: What to improve: the RMSE of ratings, the nDCG@10 of lists, or both.
        test: Files of test rows, for split.strategy=given. The search does not use them.
        settings: The settings to start from.
        out: File for the settings; the page goes next to it. The store has both in any case.
        workers: Number of trials that run at the same time, on the same cores and device.
        password_block: The Secret block of Prefect with the password of the PostgreSQL addresses.
        credentials_block: The block of Prefect with the credentials of an object store, such as aws-credentials/NAME.
    """
    load_credentials(credentials_block)
    store = str(local_store(store))
    check_installed()
    refuse_passwords([*ratings, *test])
    load_password(password_block, [*ratings, *test])
    check_apart(store, sources=[*ratings, titles, *test])
    steps = StepRunner(store)
    store = steps.store
    base = settings.for_test_files(test)
    base.check()
    opened = Store.open(Path(store))
    with opened.in_use():  # prune keeps what this run uses
        dataset = read_sources(steps, ratings=ratings, titles=titles, test=test, settings=base.ingest)
        encoding = steps.run(encode, store=store, dataset=dataset)
        rows = steps.run(split, store=store, dataset=dataset, encoding=encoding, settings=base.split)
        search = Tuning.open(opened, rows, base=settings, goals=_GOALS[goal])
        found = run_search(
            search,
            trials=trials,
            minutes=minutes,
            workers=workers,
            out=None if out is None else Path(out),
            run=partial(_run, store),
        )
    for result in found.goals:  # for the page of the run; the command line prints the result itself
        log.info("%s", result.says, extra=RESULT)
    show_page("tuning", partial(tuning_report, found), description=tuning_report.__doc__)
    return found


def _run(store: str, calls: Sequence[Call]) -> None:
    """Run some fits as tasks; several run at the same time."""
    if len(calls) == 1:
        trial(store=store, call=calls[0])
        return
    with ExitStack() as stack:
        if progress.watching():  # points of several fits make no line
            stack.enter_context(progress.watched(progress.Work()))
        futures = [trial.submit(store=store, call=call) for call in calls]
    wait(futures)
    for future in futures:
        future.result()
