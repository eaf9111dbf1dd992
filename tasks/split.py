"""The split task: train, valid and test rows."""

from pathlib import Path

from prefect import task

from matinee.pipeline import plan_split
from matinee.settings import SplitSettings
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import cached_by, fulfil


def _plan(*, store: str, dataset: Reference, encoding: Reference, settings: SplitSettings) -> Plan:
    return plan_split(Store(Path(store)), dataset, encoding, settings=settings)


@task(name="split", task_run_name="split", **cached_by(_plan))
def split(*, store: str, dataset: Reference, encoding: Reference, settings: SplitSettings) -> Reference:
    """Split the rows into train, valid and test; rows of the champion's split stay in their subset."""
    return fulfil(store, _plan(store=store, dataset=dataset, encoding=encoding, settings=settings))
