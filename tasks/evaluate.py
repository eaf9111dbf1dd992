"""The evaluate task: metrics on the test rows and the gate's decision."""

from pathlib import Path

from matinee.formats.steps import Step
from matinee.pipeline import plan_evaluation
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import fulfil, step


def _plan(
    *, store: str, split: Reference, candidate: Reference | None, ranking: Reference, settings: Settings
) -> Plan:
    return plan_evaluation(Store(Path(store)), split, candidate, ranking, settings=settings)


@step(Step.EVALUATE, plan=_plan)
def evaluate(
    *, store: str, split: Reference, candidate: Reference | None, ranking: Reference, settings: Settings
) -> Reference:
    """Measure the candidate, the baselines and the champion on the test rows."""
    return fulfil(
        store, _plan(store=store, split=split, candidate=candidate, ranking=ranking, settings=settings)
    )
