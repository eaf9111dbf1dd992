"""The evaluate task: metrics on the test rows and the gate's decision."""

from pathlib import Path

from matinee.evaluate.tested import Models
from matinee.formats.steps import Step
from matinee.pipeline import plan_evaluation
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.tasks.policies import folder_step


@folder_step(Step.EVALUATE)
def evaluate(*, store: str, split: Reference, models: Models, settings: Settings) -> Plan:
    """Measure the candidate, the baselines and the champion on the test rows."""
    return plan_evaluation(Store(Path(store)), split, models, settings=settings)
