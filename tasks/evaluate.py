"""The evaluate task: metrics on the test rows and the gate's decision."""

from pathlib import Path

from matinee.evaluate.tested import Models
from matinee.formats.steps import Step
from matinee.pipeline import plan_evaluation
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import fulfil, step


def _plan(*, store: str, split: Reference, models: Models, settings: Settings) -> Plan:
    return plan_evaluation(Store(Path(store)), split, models, settings=settings)


@step(Step.EVALUATE, plan=_plan)
def evaluate(*, store: str, split: Reference, models: Models, settings: Settings) -> Reference:
    """Measure the candidate, the baselines and the champion on the test rows."""
    return fulfil(store, _plan(store=store, split=split, models=models, settings=settings))
