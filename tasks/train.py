"""The train tasks: a candidate, and its refit on all rows after it passed the gate."""

import logging
from pathlib import Path

from matinee.errors import DivergenceError
from matinee.evaluate.tested import Tested
from matinee.formats.steps import Step
from matinee.pipeline import plan_refit, plan_training
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.progress import report
from matinee.tasks.names import name_train
from matinee.tasks.policies import folder_step, fulfil, step

log = logging.getLogger("matinee.run")


@folder_step(Step.TRAIN, run_name=name_train, trains=True)
def train(*, store: str, split: Reference, settings: Settings) -> Plan:
    """Fit a candidate, resuming from the last checkpoint if there is one."""
    return plan_training(Store(Path(store)), split, settings=settings, listener=report)


@step(Step.REFIT, trains=True)
def refit(*, store: str, tested: Tested, settings: Settings) -> Reference:
    """Refit the candidate on every row if it passed the gate."""
    plan = plan_refit(Store(Path(store)), tested, settings=settings, listener=report)
    try:
        return fulfil(store, plan) if plan else tested.models.judged
    except DivergenceError as error:
        log.warning("The tested weights are published, not the refit: %s", error)
        return tested.models.judged
