"""The split task: train, valid and test rows."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.pipeline import plan_split
from matinee.settings import SplitSettings
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import fulfil, step


def _plan(*, store: str, dataset: Reference, encoding: Reference, settings: SplitSettings) -> Plan:
    return plan_split(Store(Path(store)), dataset, encoding, settings=settings)


@step(Step.SPLIT, plan=_plan)
def split(*, store: str, dataset: Reference, encoding: Reference, settings: SplitSettings) -> Reference:
    """Split the rows into train, valid and test; rows of a champion's split stay in their subset."""
    return fulfil(store, _plan(store=store, dataset=dataset, encoding=encoding, settings=settings))
