"""The train tasks: a candidate, and its refit on all rows after it passed the gate."""

import logging
from pathlib import Path

from matinee.errors import DivergenceError
from matinee.evaluate.tested import Tested
from matinee.formats.steps import Step
from matinee.pipeline import plan_refit, plan_training
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from matinee.store.progress import Listener, report, silent
from matinee.tasks.names import name_train
from matinee.tasks.policies import fulfil, step

log = logging.getLogger("matinee.run")


def _plan(*, store: str, split: Reference, settings: Settings, listener: Listener = silent) -> Plan:
    return plan_training(Store(Path(store)), split, settings=settings, listener=listener)


@step(Step.TRAIN, run_name=name_train, plan=_plan, trains=True)
def train(*, store: str, split: Reference, settings: Settings) -> Reference:
    """Fit a candidate, resuming from the last checkpoint if there is one."""
    return fulfil(store, _plan(store=store, split=split, settings=settings, listener=report))


@step(Step.REFIT, trains=True)
def refit(*, store: str, tested: Tested, settings: Settings) -> Reference:
    """Refit the candidate on every row if it passed the gate."""
    plan = plan_refit(Store(Path(store)), tested, settings=settings, listener=report)
    try:
        return fulfil(store, plan) if plan else tested.models.judged
    except DivergenceError as error:
        log.warning("The tested weights are published, not the refit: %s", error)
        return tested.models.judged
