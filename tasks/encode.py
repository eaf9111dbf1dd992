"""The encode task: the id maps of a dataset."""

from pathlib import Path

from prefect import task

from matinee.split import encode as library
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import cached_by, fulfil


def _plan(*, store: str, dataset: Reference) -> Plan:
    return library.plan(Store(Path(store)), dataset)


@task(name="encode", task_run_name="encode", **cached_by(_plan))
def encode(*, store: str, dataset: Reference) -> Reference:
    """Give every user and movie of the dataset a code."""
    return fulfil(store, _plan(store=store, dataset=dataset))
