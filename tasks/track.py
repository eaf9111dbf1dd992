"""The track task: a finished run is logged to an MLflow server."""

import logging
from pathlib import Path

from prefect import task
from prefect.tasks import exponential_backoff

from matinee.errors import MatineeError
from matinee.pipeline.summary import Summary
from matinee.pipeline.tracking.mlflow_log import log_to_mlflow
from matinee.store import Store

log = logging.getLogger("matinee.run")


@task(
    name="track", task_run_name="track", retries=2, retry_delay_seconds=exponential_backoff(backoff_factor=2)
)
def track(*, store: str, summary: Summary, mlflow: str) -> str:
    """Log the settings, figures, plots and release of a run to an MLflow server, unless they are there already."""
    return log_to_mlflow(Store(Path(store)), summary, address=mlflow)


def track_run(store: str, summary: Summary, *, mlflow: str | None) -> None:
    """Log a run if a server is configured. The release is published by then, so a failure is only a warning."""
    if mlflow is None:
        return
    try:
        run = track(store=store, summary=summary, mlflow=mlflow)
        log.info("track: run %s at %s", run, mlflow)
    except MatineeError as error:
        log.warning("%s The run is complete in the store. Run the same command again to log it.", error)
