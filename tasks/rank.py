"""The rank tasks: the ranking model that orders lists, and its refit on all rows once the gate has passed it."""

from pathlib import Path

from matinee.evaluate.tested import Tested
from matinee.formats.steps import Step
from matinee.pipeline import plan_ranking, plan_ranking_refit
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.progress import report
from matinee.tasks.policies import folder_step, fulfil, step


@folder_step(Step.RANK, trains=True)
def rank(*, store: str, split: Reference, settings: Settings) -> Plan:
    """Fit the ranking model, which orders lists."""
    return plan_ranking(Store(Path(store)), split, settings=settings, listener=report)


@step(Step.REFIT_RANKING, run_name="refit ranking", trains=True)
def refit_ranking(*, store: str, tested: Tested, settings: Settings) -> Reference:
    """Refit the ranking model on every row if it passed the gate."""
    plan = plan_ranking_refit(Store(Path(store)), tested, settings=settings, listener=report)
    return tested.models.required_ranking if plan is None else fulfil(store, plan)
