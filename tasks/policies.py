"""The retry and cache policies, each named once, with its reason."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.states import Completed
from prefect.tasks import Task, exponential_backoff

from matinee.errors import MatineeError
from matinee.store import Plan, Reference, Store

Made = TypeVar("Made")

# What a second try does not mend: the path is wrong, or this user may not.
_PERMANENT = {
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
}


def is_transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether a failed step is worth another try: an I/O error of the machine, never an error in call or data."""
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 - any failure is looked at, none is swallowed
        cause = error.__cause__ if isinstance(error, MatineeError) else error
        return isinstance(cause, OSError) and cause.errno not in _PERMANENT
    return False


# A full disk or a network folder that went away often comes back within a minute; all at once would not help it.
RETRY: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": exponential_backoff(backoff_factor=2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": is_transient,
}

# References are small and worth reading in the database; pickles are neither.
RESULT: dict[str, Any] = {"persist_result": True, "result_serializer": "json"}


# A hundred million ratings go through any step but training in minutes: what takes this long hangs. Training has no
# timeout, for its length is the user's choice, and it tells every few seconds how far it is.
STEP_TIMEOUT_SECONDS = 6 * 3600


def cached_by(
    plan: Callable[..., Plan], *, timeout_seconds: float | None = STEP_TIMEOUT_SECONDS
) -> dict[str, Any]:
    """The policy of a step that makes one folder: its digest is the cache key, given only when the folder is whole."""

    def key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
        try:
            planned = plan(**parameters)
            whole = Store(Path(parameters["store"])).take(planned)
        except MatineeError:
            return None  # the step itself says what is wrong
        return f"{planned.kind}-{planned.digest}" if whole else None

    return {"cache_key_fn": key, "timeout_seconds": timeout_seconds, **RETRY, **RESULT}


def fulfil(store: str, plan: Plan) -> Reference:
    """Make the plan's folder and refer to it; a folder that was whole before shows as `Cached` in the UI.

    The store decides what is done, whatever Prefect's database remembers.
    """
    opened = Store.open(Path(store))
    done = opened.has(plan)
    reference = opened.ensure(plan)
    return as_cached(reference, message=f"{reference.location} was whole already") if done else reference


def as_cached(made: Made, *, message: str) -> Made:
    """What a task returns for a result that was there before: a state, out of which Prefect hands on the result."""
    return cast("Made", Completed(name="Cached", message=message, data=made))
