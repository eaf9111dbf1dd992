"""The task of one fit of a search for settings. Its name in the UI has the settings, and then the score."""

import logging
from pathlib import Path
from typing import cast

from prefect.context import TaskRunContext
from prefect.runtime import task_run
from prefect.states import Completed

from matinee.pipeline.tuning.search import Call, CallResult, run_call
from matinee.store import Store
from matinee.store.progress import report
from matinee.tasks.policies import step

log = logging.getLogger("matinee.run")

_STATES = {"pruned": "Pruned", "failed": "Failed trial"}


def name_call() -> str:
    """The name of a fit before its score is known: goal, number and settings."""
    return _name(task_run.parameters["call"])


@step("trial", run_name=name_call, trains=True)
def trial(*, store: str, call: Call) -> CallResult:
    """Fit with some settings and score the fit on valid rows."""
    result = run_call(Store(Path(store)), call, listener=report)
    name = f"{_name(call)}: {_outcome(result)}"
    log.info("    %s", name)
    context = TaskRunContext.get()
    if context is not None:
        context.task_run.name = name  # the event of the end carries it to the server
    if result.state in _STATES:
        return cast(
            "CallResult", Completed(name=_STATES[result.state], message=result.error or "", data=result)
        )
    return result


def _name(call: Call) -> str:
    kind = "base settings" if call.number == 0 else f"trial {call.number}"
    repeat = f", repeat {call.repeat}" if call.repeat else ""
    values = ", ".join(f"{name.partition('.')[2]} {value:g}" for name, value in call.settings.items())
    return f"{call.goal} {kind}{repeat}" + (f" ({values})" if values else "")


def _outcome(result: CallResult) -> str:
    if result.value is not None:
        return f"{result.value:.4f}"
    return "stopped early" if result.state == "pruned" else "failed"
