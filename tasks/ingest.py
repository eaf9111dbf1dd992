"""The ingest task: source files to validated tables."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.pipeline import plan_ingest
from matinee.settings.ingest import IngestSettings
from matinee.store import Plan, Store
from matinee.tasks.names import name_ingest
from matinee.tasks.policies import folder_step


@folder_step(Step.INGEST, run_name=name_ingest)
def ingest(*, store: str, ratings: list[str], titles: str, test: list[str], settings: IngestSettings) -> Plan:
    """Read ratings and titles, reject invalid rows, and write the dataset."""
    return plan_ingest(Store(Path(store)), ratings, titles, test=test, settings=settings)
