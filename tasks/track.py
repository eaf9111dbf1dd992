"""The track task: a finished run is logged to an MLflow server."""

import logging
from pathlib import Path

from prefect import task
from prefect.tasks import exponential_backoff

from matinee.errors import MatineeError
from matinee.pipeline.summary import Summary
from matinee.pipeline.tracking import log_to_mlflow
from matinee.store import Store

log = logging.getLogger("matinee.run")


@task(
    name="track", task_run_name="track", retries=2, retry_delay_seconds=exponential_backoff(backoff_factor=2)
)
def track(*, store: str, summary: Summary, mlflow: str) -> str:
    """Log the settings, figures, plots and release of a run to an MLflow server, unless they are there already."""
    return log_to_mlflow(Store(Path(store)), summary, address=mlflow)


def track_run(store: str, summary: Summary, *, mlflow: str | None) -> None:
    """Log a run if a server is configured; if that fails, a warning is logged.

    Args:
        store: The folder of the store.
        summary: The result of the run.
        mlflow: The address of the server; None for none.
    """
    if mlflow is None:
        return
    try:
        run = track(store=store, summary=summary, mlflow=mlflow)
        log.info("track: run %s at %s", run, mlflow)
    except Exception as error:  # noqa: BLE001 - the release is published: no run may fail because of another server
        said = (
            error
            if isinstance(error, MatineeError)
            else f"The run was not logged ({type(error).__name__}: {error})."
        )
        log.warning("%s The run is complete in the store. Run the same command again to log it.", said)
