"""The evaluate task: figures on the test rows and the gate's decision."""

from pathlib import Path

from prefect import task

from matinee import evaluate as library
from matinee.evaluate.rivals import find_anchor, find_opponent
from matinee.settings import Settings
from matinee.store import Plan, Reference, Store
from tasks.policies import cached_by, fulfil


def _plan(*, store: str, split: Reference, candidate: Reference, settings: Settings) -> Plan:
    opened = Store(Path(store))
    champion, anchor = find_opponent(opened, candidate), find_anchor(opened, candidate)
    return library.plan(
        opened, candidate=candidate, split=split, champion=champion, anchor=anchor, settings=settings
    )


@task(name="evaluate", task_run_name="evaluate", **cached_by(_plan))
def evaluate(*, store: str, split: Reference, candidate: Reference, settings: Settings) -> Reference:
    """Measure the candidate on the test rows, beside the baselines and the champion."""
    return fulfil(store, _plan(store=store, split=split, candidate=candidate, settings=settings))
