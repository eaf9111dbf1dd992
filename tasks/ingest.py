"""The ingest task: source files to validated tables."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.pipeline import plan_ingest
from matinee.settings.ingest import IngestSettings
from matinee.store import Plan, Reference, Store
from matinee.tasks.names import name_ingest
from matinee.tasks.policies import fulfil, step


def _plan(*, store: str, ratings: list[str], titles: str, test: list[str], settings: IngestSettings) -> Plan:
    return plan_ingest(Store(Path(store)), ratings, titles, test=test, settings=settings)


@step(Step.INGEST, run_name=name_ingest, plan=_plan)
def ingest(
    *, store: str, ratings: list[str], titles: str, test: list[str], settings: IngestSettings
) -> Reference:
    """Read ratings and titles, reject invalid rows, and write the dataset."""
    return fulfil(store, _plan(store=store, ratings=ratings, titles=titles, test=test, settings=settings))
