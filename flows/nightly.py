"""The nightly flow: from new files in the drop folder to a release, unattended."""

import logging
from pathlib import Path
from typing import Annotated, Any, TypedDict

from prefect import flow
from prefect.exceptions import CancelledRun
from prefect.states import Completed
from pydantic import Field

from matinee.errors import MatineeError
from matinee.errors.log_filter import guard_log
from matinee.flows.database_login import QueryableSource, check_queries, load_password
from matinee.flows.events import announce_unlisted
from matinee.flows.retrain import retrain
from matinee.flows.step_runner import as_state
from matinee.flows.tune import tune
from matinee.ingest.databases import snapshots
from matinee.ingest.inbox.intake import Intake, remember
from matinee.pipeline.summary import Summary
from matinee.pipeline.tracking import check_tracking
from matinee.pipeline.tuning.trials import check_installed
from matinee.pipeline.tuning.tuned_settings import TunedSettings
from matinee.settings import Settings
from matinee.settings.space import with_values
from matinee.store import Store
from matinee.store.paths import check_apart, named
from matinee.store.remote import address_of, local_store, names_remote
from matinee.store.remote.address import check_separate
from matinee.tasks.intake import take_in
from matinee.tasks.prune import prune
from matinee.tasks.store_login import load_credentials
from matinee.tasks.track import track_run

log = logging.getLogger("matinee.run")


@flow(name="nightly", flow_run_name="nightly {drop}", persist_result=True, result_serializer="json")
def nightly(  # noqa: PLR0917 - Prefect passes them by name
    drop: str,
    store: str,
    titles: str = "movie_titles.csv",
    settings: Settings = Settings(),  # noqa: B008 - frozen, and the form in the UI shows it
    keep: Annotated[int, Field(ge=1, le=1000)] = 7,
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 5,
    queries: list[QueryableSource] = [],  # noqa: B006 - never changed, and the form in the UI shows it
    password_block: str | None = None,
    credentials_block: str | None = None,
    tune_trials: Annotated[int, Field(ge=0, le=10_000)] = 0,
    tune_days: Annotated[float, Field(gt=0, le=10_000)] = 30,
    mlflow: str | None = None,
) -> Summary | Any:
    """Take in the new files of a folder, retrain, publish if the gate passes, and prune.

    The deployment `recommend/promoted` reacts to the promotion and makes the lists for every user. A run without new
    files ends at once, in the state `Nothing new`. A run whose candidate was held ends in the state `Held`.

    Args:
        drop: The folder of rating files, or its address in an object store, such as s3://bucket/drop. All files in it
            are the data.
        store: The folder where everything is kept, or its address in an object store, such as s3://bucket/store.
        titles: The titles file; a relative path is one within the drop folder.
        settings: Settings of all steps; omitted ones have their defaults.
        keep: Number of newest releases to keep, in addition to the champion, its predecessor and the anchor.
        settle_seconds: Files that changed within this time may still be being written, and are skipped.
        queries: Queries of databases, whose rows are read in addition to the files, such as postgresql://USER@HOST/DATABASE?query=...
        password_block: The Secret block of Prefect with the password of the PostgreSQL addresses.
        credentials_block: The block of Prefect with the credentials of an object store, such as aws-credentials/NAME.
        tune_trials: Trials of a search for better settings; 0 for none. They are used only if the gate passes them.
        tune_days: Days between two searches. One starts in a run with new files.
        mlflow: The address of an MLflow server to log the run to, such as http://127.0.0.1:5000.
    """
    load_credentials(credentials_block)
    store = str(local_store(store))
    _check_call(settings, drop=drop, store=store, titles=titles, mlflow=mlflow, tunes=tune_trials > 0)
    check_queries(queries)
    load_password(password_block, queries)
    opened = Store.open(Path(store))
    # Prune keeps what a run uses.
    with opened.in_use(), snapshots(Path(store), queries, limits=settings.ingest) as rows:
        intake = take_in(
            store=store,
            drop=drop,
            titles=titles,
            settings=settings,
            settle_seconds=settle_seconds,
            rows=[str(path) for path in rows],
        )
        _say(intake)
        if not intake.new:
            announce_unlisted(store)
            return Completed(name="Nothing new", message=intake.says())
        data = _Data(ratings=[*intake.ratings, *queries], titles=intake.titles, store=store)
        tuned = TunedSettings(opened, settings)
        is_due = tune_trials > 0 and tuned.is_due(days=tune_days)
        summary = _retrain(data, tuned, trials=tune_trials if is_due else 0)
        remember(opened, intake)
        track_run(store, summary, mlflow=mlflow)
    prune(store=store, keep=keep)
    if not summary.promoted:
        announce_unlisted(store)
    return as_state(summary)


class _Data(TypedDict):
    """What a night retrains on."""

    ratings: list[str]
    titles: str
    store: str


def _check_call(
    settings: Settings, *, drop: str, store: str, titles: str, mlflow: str | None, tunes: bool
) -> None:
    """Refuse a wrong call before anything starts. `take_in` checks the dropped files."""
    settings.check()
    check_tracking(mlflow)
    if tunes:
        check_installed()
    is_elsewhere = not names_remote(titles) and named(titles, "the titles").is_absolute()
    check_apart(store, drop=None if names_remote(drop) else drop, sources=[titles] if is_elsewhere else [])
    check_separate(drop, address_of(store))


def _retrain(data: _Data, tuned: TunedSettings, *, trials: int) -> Summary:
    """Retrain; with trials, search for settings first, and go back to the earlier ones if the gate holds the candidate.

    A search that fails is a warning, and the next run searches again.
    """
    if not trials:
        return retrain(**data, settings=tuned.settings)
    try:
        found = tune(**data, trials=trials, settings=tuned.settings)
    except CancelledRun:
        raise
    except Exception as error:  # a trial may run out of memory or fail in a library
        expected = isinstance(error, MatineeError)
        log.warning(
            "The search for settings failed: %s", str(error) or type(error).__name__, exc_info=not expected
        )
        return retrain(**data, settings=tuned.settings)
    if not found.settings:
        tuned.keep({}, study=found.study)
        return retrain(**data, settings=tuned.settings)
    summary = retrain(**data, settings=with_values(tuned.settings, found.settings))
    tuned.keep(found.settings if summary.promoted else {}, study=found.study)
    if summary.promoted:
        return summary
    log.warning(
        "The gate held the candidate with the settings that were found. The earlier settings are used."
    )
    return retrain(**data, settings=tuned.settings)


def _say(intake: Intake) -> None:
    guard_log()
    log.info("%s", intake.says())
    if intake.no_titles and intake.no_titles not in intake.refused.values():
        log.warning("%s", intake.no_titles)
