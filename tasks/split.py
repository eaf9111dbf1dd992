"""The split task: train, valid and test rows."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.pipeline import plan_split
from matinee.settings import SplitSettings
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import folder_step


@folder_step(Step.SPLIT)
def split(*, store: str, dataset: Reference, encoding: Reference, settings: SplitSettings) -> Plan:
    """Split the rows into train, valid and test; rows of a champion's split stay in their subset."""
    return plan_split(Store(Path(store)), dataset, encoding, settings=settings)
