"""The encode task: the id maps of a dataset."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.split import encode as library
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import fulfil, step


def _plan(*, store: str, dataset: Reference) -> Plan:
    return library.plan(Store(Path(store)), dataset)


@step(Step.ENCODE, plan=_plan)
def encode(*, store: str, dataset: Reference) -> Reference:
    """Give every user and movie of the dataset a code."""
    return fulfil(store, _plan(store=store, dataset=dataset))
