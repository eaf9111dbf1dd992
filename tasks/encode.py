"""The encode task: the id maps of a dataset."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.split import encode as library
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import folder_step


@folder_step(Step.ENCODE)
def encode(*, store: str, dataset: Reference) -> Plan:
    """Give every user and movie of the dataset a code."""
    return library.plan(Store(Path(store)), dataset)
